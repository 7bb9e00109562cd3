"""What the models share: saving, and finding by id."""

from __future__ import annotations

from typing import Self

from sqlalchemy import inspect
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from app_runner.db.engine import DB, Base
from app_runner.ids import as_id

#: Table option: SQLite too gives no id of a deleted row to a new one, because who knows
#: the old URL must not see what belongs to somebody else.
NEVER_USED_AGAIN = {"sqlite_autoincrement": True}


class Row(Base):
    """A row with an integer key."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)

    @classmethod
    def get_by_id(cls, id_: int | str) -> Self | None:
        """Find by id (an int, or its digits), or give None."""
        number = as_id(id_)
        return None if number is None else DB.session.get(cls, number)

    def save(self, commit: bool = False) -> None:
        """Add to the session; ``commit`` also writes everything in it."""
        DB.session.add(self)
        if commit:
            DB.session.commit()
            self._keep_id()

    def _keep_id(self) -> None:
        """Let the id be known after a commit, as views mostly ask for nothing else."""
        identity = inspect(self).identity
        if identity is not None:
            set_committed_value(self, "id", identity[0])

    def delete(self, commit: bool = False) -> None:
        """Delete the row; ``commit`` also writes everything in the session."""
        DB.session.delete(self)
        if commit:
            DB.session.commit()
