"""Files of tasks: what is known of them; the bytes are in a file store."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app_runner.db.models.base import NEVER_USED_AGAIN, Row
from app_runner.db.types import UtcDateTime, key, label, long_text, now

if TYPE_CHECKING:
    from app_runner.db.models.tasks import ProcessingTask

#: ``file_type`` of scratch files, which are never shown as outputs.
SCRATCH = "temp-file"


class TaskFile(Row):
    """A result file or scratch file; ``file_storage_data`` is its key in the store."""

    __tablename__ = "task_file"
    __table_args__ = NEVER_USED_AGAIN

    task_id: Mapped[int] = mapped_column(
        ForeignKey("task.id", ondelete="CASCADE"), index=True
    )
    security_tag: Mapped[str] = mapped_column(key(64))
    storage_provider: Mapped[str] = mapped_column(key(64))
    file_name: Mapped[str] = mapped_column(label(500))
    file_storage_data: Mapped[str] = mapped_column(long_text())
    file_type: Mapped[str] = mapped_column(label(255))
    mimetype: Mapped[str | None] = mapped_column(label(255))
    size: Mapped[int | None] = mapped_column(BigInteger)
    attempt: Mapped[int | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    task: Mapped[ProcessingTask] = relationship(back_populates="files")

    def __init__(
        self,
        task: ProcessingTask,
        security_tag: str = "",
        storage_provider: str = "",
        file_name: str = "",
        file_storage_data: str = "",
        file_type: str = "",
        mimetype: str | None = None,
        created_at: datetime | None = None,
        **columns: Any,
    ) -> None:
        """Take the columns; a missing tag is made, a missing time is now."""
        super().__init__(
            task=task,
            security_tag=security_tag or secrets.token_urlsafe(24),
            storage_provider=storage_provider,
            file_name=file_name,
            file_storage_data=file_storage_data,
            file_type=file_type,
            mimetype=mimetype,
            created_at=created_at or now(),
            **columns,
        )
