"""Deliveries of webhooks: what a receiver is to be told, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app_runner.db.models.base import Row
from app_runner.db.types import Json, UtcDateTime, key, long_text, now


class WebhookDelivery(Row):
    """One event that one receiver is told of, with the same id and body at each try.

    ``due_at`` is when it is tried next; None when it is over, and ``outcome`` says how:
    delivered, refused, unsubscribed or given up. ``tries`` has time, answer and seconds
    of each.
    """

    __tablename__ = "webhook_delivery"

    task_id: Mapped[int | None] = mapped_column(
        ForeignKey("task.id", ondelete="CASCADE"), index=True
    )
    message_id: Mapped[str] = mapped_column(key(64))
    webhook_href: Mapped[str] = mapped_column(long_text())
    task_href: Mapped[str] = mapped_column(long_text())
    event_type: Mapped[str] = mapped_column(key(20))
    body: Mapped[str] = mapped_column(long_text())
    receiver: Mapped[str] = mapped_column(key(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    begun: Mapped[int] = mapped_column(default=0)
    tries: Mapped[Any] = mapped_column(Json, default=list)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(key(20))
