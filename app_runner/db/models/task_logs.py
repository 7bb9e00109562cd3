"""What the jobs of a task printed and logged, in chunks, per attempt."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app_runner.db.models.base import NEVER_USED_AGAIN, Row
from app_runner.db.types import UtcDateTime, long_text, now


class TaskLogChunk(Row):
    """Lines ``first_line`` (from 0) and following of attempt ``attempt``."""

    __tablename__ = "task_log_chunk"
    __table_args__ = (
        Index("ix_task_log_chunk_line", "task_id", "attempt", "first_line"),
        Index("ix_task_log_chunk_task", "task_id", "id"),
        NEVER_USED_AGAIN,
    )

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"))
    attempt: Mapped[int] = mapped_column()
    first_line: Mapped[int] = mapped_column()
    line_count: Mapped[int] = mapped_column()
    content: Mapped[str] = mapped_column(long_text())
    written_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
