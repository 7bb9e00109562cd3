"""Who may do what, and who did: tokens of users, and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app_runner.db.models.base import Row
from app_runner.db.types import Json, UtcDateTime, key, label, now

#: Kinds of tokens: those that are made by hand, those that cookies of pages carry, and
#: signed ones of others (JWT), of which only those that were logged in with, or revoked,
#: have a row.
TOKEN, SESSION, SIGNED = "token", "session", "jwt"


class AccessToken(Row):
    """A secret that proves who calls; only its digest is kept.

    A session ends with the token that it was opened with (``parent_id``).
    """

    __tablename__ = "access_token"

    name: Mapped[str] = mapped_column(label(255))
    owner: Mapped[str] = mapped_column(key(255), index=True)
    kind: Mapped[str] = mapped_column(key(20), default=TOKEN)
    scopes: Mapped[Any] = mapped_column(Json, default=list)
    digest: Mapped[str] = mapped_column(key(64), unique=True)
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("access_token.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AuditEvent(Row):
    """Something that was done, by whom and from where; rows are only ever added."""

    __tablename__ = "audit_event"

    happened_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
    action: Mapped[str] = mapped_column(key(64), index=True)
    actor: Mapped[str | None] = mapped_column(label(255))
    target: Mapped[str] = mapped_column(label(500), default="")
    address: Mapped[str] = mapped_column(label(64), default="")
    request_id: Mapped[str] = mapped_column(label(64), default="")
    details: Mapped[Any] = mapped_column(Json, default=dict)
