"""The generation of the plugin catalogue, which all processes agree on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app_runner.db.models.base import Row
from app_runner.db.types import UtcDateTime, key, now


class Catalogue(Row):
    """One row: what set of plugins is served (fingerprint), counted up at each change."""

    __tablename__ = "catalogue"

    generation: Mapped[int] = mapped_column(default=0)
    fingerprint: Mapped[str] = mapped_column(key(64), default="")
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
