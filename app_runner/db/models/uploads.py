"""Uploads: files that clients bring before a task reads them; bytes are in a store."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app_runner.db.models.base import NEVER_USED_AGAIN, Row
from app_runner.db.types import UtcDateTime, key, label, long_text, now


class Upload(Row):
    """A file that was brought, or is being brought in pieces.

    ``received`` of ``size`` bytes are there. It is complete when it has a key in a store.
    """

    __tablename__ = "upload"
    __table_args__ = NEVER_USED_AGAIN

    security_tag: Mapped[str] = mapped_column(
        key(64), default=lambda: secrets.token_urlsafe(24)
    )
    owner: Mapped[str | None] = mapped_column(key(255), index=True)
    file_name: Mapped[str] = mapped_column(label(500), default="")
    mimetype: Mapped[str | None] = mapped_column(label(255))
    size: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger, default=0)
    storage_provider: Mapped[str] = mapped_column(key(64))
    file_storage_data: Mapped[str] = mapped_column(long_text(), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)

    parts: Mapped[list[UploadPart]] = relationship(
        back_populates="upload",
        order_by="UploadPart.start",
        cascade="all, delete-orphan",
    )

    @property
    def is_complete(self) -> bool:
        """Tell whether all of it can be read."""
        return bool(self.file_storage_data)

    @property
    def file_type(self) -> str:
        """Give the data type, of which nothing is known."""
        return "custom"


class UploadPart(Row):
    """Bytes of an upload from ``start`` on, until all of it is there."""

    __tablename__ = "upload_part"
    __table_args__ = (UniqueConstraint("upload_id", "start"), NEVER_USED_AGAIN)

    upload_id: Mapped[int] = mapped_column(ForeignKey("upload.id", ondelete="CASCADE"))
    start: Mapped[int] = mapped_column(BigInteger)
    file_storage_data: Mapped[str] = mapped_column(long_text())

    upload: Mapped[Upload] = relationship(back_populates="parts")
