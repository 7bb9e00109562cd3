"""The journal of messages that were promised, and who has which duty at the moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app_runner.db.models.base import Row
from app_runner.db.types import Json, UtcDateTime, key, label, long_text, now


class Message(Row):
    """A message that concerns a task: written before it goes out, deleted when done.

    ``state`` is held (goes out when due), queued or running. ``due_at`` is when somebody
    should look after it: until then a broker is trusted to have it, or, while it runs,
    its lease holds. ``content`` is JSON text with all that is needed to send it again.
    """

    __tablename__ = "message"
    __table_args__ = (Index("ix_message_state_due", "state", "due_at"),)

    publication_key: Mapped[str] = mapped_column(key(64), unique=True)
    task_id: Mapped[int | None] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(label(500))
    queue: Mapped[str] = mapped_column(key(255))
    content: Mapped[str] = mapped_column(long_text())
    state: Mapped[str] = mapped_column(key(20), default="queued")
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    lease_key: Mapped[str | None] = mapped_column(key(64))
    worker: Mapped[str] = mapped_column(label(255), default="")
    begun_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    history: Mapped[Any] = mapped_column(Json, default=list)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class WorkerSign(Row):
    """What a worker last told of itself, and since when it seems to be deaf."""

    __tablename__ = "worker_sign"

    name: Mapped[str] = mapped_column(key(255), unique=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deaf_since: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Duty(Row):
    """Something that one process at a time should do, and who does it until when."""

    __tablename__ = "duty"

    name: Mapped[str] = mapped_column(key(100), unique=True)
    holder: Mapped[str] = mapped_column(label(255), default="")
    until: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    #: What the holder leaves for the next one.
    notes: Mapped[Any] = mapped_column(Json, default=dict)
