"""What retention must remember: when it is due, and how far ids of deleted rows go."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app_runner.db.models.base import Row
from app_runner.db.types import UtcDateTime, now


class Retention(Row):
    """The only row of its table.

    A row that is not there was deleted when its id is at most the highest one of those
    that are there or of those that were deleted; ids are never used again.
    """

    __tablename__ = "retention"

    due_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    deleted_task_id: Mapped[int] = mapped_column(default=0)
    deleted_file_id: Mapped[int] = mapped_column(default=0)
