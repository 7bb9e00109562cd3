"""Says of data that cannot be read what is wrong with it and where."""

from __future__ import annotations

from app_runner.babel import gettext as _
from app_runner.errors import UserError


class UnreadableEntities(UserError, ValueError):
    """Data is not what its media type promises; the text names the place.

    ``line`` and ``column`` count from 1. For CSV the column is that of the table, and
    ``attribute`` is its name when there is one; for JSON it is the character.
    """

    def __init__(
        self,
        reason: str,
        line: int | None = None,
        column: int | None = None,
        attribute: str | None = None,
    ) -> None:
        """Take what is wrong, and the place as far as it is known."""
        self.reason = reason
        self.line, self.column, self.attribute = line, column, attribute
        super().__init__(_text(reason, line, column, attribute))


class NotAnEntity(UserError, TypeError):
    """Data holds a value where an entity should be."""

    def __init__(self, value: object) -> None:
        """Take the value."""
        kind = type(value).__name__
        text = _("A %(kind)s is no entity: entities are objects or rows.", kind=kind)
        super().__init__(text)


def _text(reason: str, line: int | None, column: int | None, name: str | None) -> str:
    if line is None:
        return reason
    if column is None:
        return _("Line %(line)s: %(reason)s", line=line, reason=reason)
    if name is None:
        return _(
            "Line %(line)s, column %(column)s: %(reason)s",
            line=line,
            column=column,
            reason=reason,
        )
    return _(
        "Line %(line)s, column %(column)s (%(name)s): %(reason)s",
        line=line,
        column=column,
        name=name,
        reason=reason,
    )
