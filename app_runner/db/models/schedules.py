"""Periodic runs: which entry point is called when, with what, for whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from app_runner.db.models.base import NEVER_USED_AGAIN, Row
from app_runner.db.types import Json, UtcDateTime, key, label, long_text, now


class Schedule(Row):
    """A cron expression (UTC) and what it starts.

    ``next_run_at`` is when the next run is due; who has started that run moves it on.
    ``tried_at`` is when it was last tried; ``scopes`` are those of who made the schedule.
    """

    __tablename__ = "schedule"
    __table_args__ = (NEVER_USED_AGAIN,)

    owner: Mapped[str | None] = mapped_column(key(255), index=True)
    scopes: Mapped[Any] = mapped_column(Json)
    plugin: Mapped[str] = mapped_column(key(255))
    entry_point: Mapped[str] = mapped_column(long_text())
    base_url: Mapped[str] = mapped_column(long_text())
    parameters: Mapped[Any] = mapped_column(Json)
    cron: Mapped[str] = mapped_column(label(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    next_run_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_task_id: Mapped[int | None] = mapped_column()
    problem: Mapped[str | None] = mapped_column(long_text())
