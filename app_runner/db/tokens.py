"""Tokens of users: made, found and revoked; their text is told once and never kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, or_, select, update
from sqlalchemy.exc import IntegrityError

from app_runner.db.engine import DB
from app_runner.db.models.access import SESSION, SIGNED, TOKEN, AccessToken
from app_runner.db.types import now

#: What the text begins with, so that scanners of repositories can know it.
PREFIX = "apr_"
#: Seconds since the epoch up to which a token's end is kept (the year 9000).
MOST_SECONDS = 221_845_392_000
LENGTH = len(PREFIX) + len(secrets.token_urlsafe(32))

_TOKEN = cast(Table, AccessToken.__table__)
VALID = (
    _TOKEN.c.revoked_at.is_(None),
    or_(_TOKEN.c.expires_at.is_(None), _TOKEN.c.expires_at > bindparam("time")),
)
FIND = select(
    _TOKEN.c.id, _TOKEN.c.owner, _TOKEN.c.scopes, _TOKEN.c.kind, _TOKEN.c.expires_at
).where(_TOKEN.c.digest == bindparam("asked"), *VALID)

REVOKED = select(_TOKEN.c.id).where(
    _TOKEN.c.digest == bindparam("asked"), _TOKEN.c.revoked_at.is_not(None)
)


def create(
    name: str,
    owner: str,
    scopes: Iterable[str] = (),
    lifetime: timedelta | None = None,
    *,
    kind: str = TOKEN,
    parent_id: int | None = None,
) -> str:
    """Make and commit a token, and give its text; nobody can read it again."""
    text = PREFIX + secrets.token_urlsafe(32)
    row = AccessToken(
        name=name,
        owner=owner,
        kind=kind,
        scopes=sorted(set(scopes)),
        digest=_digest(text),
        parent_id=parent_id,
        expires_at=now() + lifetime if lifetime else None,
    )
    row.save(commit=True)
    return text


def find(text: str, kind: str = TOKEN) -> Any:
    """Give the row (id, owner, scopes, kind, expires_at) of a valid token, or None."""
    if len(text) != LENGTH or not text.startswith(PREFIX) or not text.isascii():
        return None
    asked = {"asked": _digest(text), "time": now()}
    row = DB.session.execute(FIND, asked).first()
    return row if row is not None and row.kind == kind else None


def name_of_signed(text: str, claims: Mapping[str, Any]) -> str:
    """Give what a signed token is known by: its ``jti`` (RFC 7519), else its digest."""
    name = claims.get("jti")
    usable = isinstance(name, str) and 0 < len(name) <= 255
    return str(name) if usable else _digest(text)


def is_revoked(name: str) -> bool:
    """Tell whether the signed token of this name counts no longer."""
    asked = {"asked": _digest(f"{SIGNED} {name}")}
    return DB.session.execute(REVOKED, asked).first() is not None


def row_of_signed(name: str, owner: str = "", ends: Any = None) -> int:
    """Give the id of the row that a signed token has, made if need be and committed.

    ``ends`` is its claim ``exp`` (seconds since the epoch), after which it may go.
    """
    digest = _digest(f"{SIGNED} {name}")
    query = select(_TOKEN.c.id).where(_TOKEN.c.digest == digest)
    found = DB.session.execute(query).scalar()
    if found is None:
        row = AccessToken(name=name, owner=owner, kind=SIGNED, scopes=[], digest=digest)
        if isinstance(ends, int | float) and 0 < ends < MOST_SECONDS:
            row.expires_at = datetime.fromtimestamp(ends, UTC)
        try:
            row.save(commit=True)
        except IntegrityError:  # somebody was faster
            DB.session.rollback()
        found = DB.session.execute(query).scalar()
    return cast(int, found)


def listed() -> list[AccessToken]:
    """Give all tokens that were made by hand, the oldest first."""
    query = select(AccessToken).filter_by(kind=TOKEN).order_by(AccessToken.id)
    return list(DB.session.execute(query).scalars())


def revoke(ids: Iterable[int]) -> int:
    """End tokens and the sessions that were opened with them; gives how many tokens."""
    chosen = list(ids)
    mine = AccessToken.id.in_(chosen) | AccessToken.parent_id.in_(chosen)
    open_ = AccessToken.revoked_at.is_(None)
    count = DB.session.execute(
        update(AccessToken).where(mine, open_).values(revoked_at=now())
    )
    DB.session.commit()
    return cast(int, count.rowcount)  # type: ignore[attr-defined]


def forget_old_sessions() -> None:
    """Delete the sessions that are over, and what was known of signed tokens that are."""
    past = AccessToken.expires_at < now()
    over = AccessToken.revoked_at.is_not(None) | past
    DB.session.execute(delete(AccessToken).where(AccessToken.kind == SESSION, over))
    DB.session.execute(delete(AccessToken).where(AccessToken.kind == SIGNED, past))


def exist() -> bool:
    """Tell whether there is a token that somebody can log in with."""
    query = select(_TOKEN.c.id).where(_TOKEN.c.kind == TOKEN, *VALID).limit(1)
    return DB.session.execute(query, {"time": now()}).first() is not None


def is_valid(row: AccessToken, at: datetime | None = None) -> bool:
    """Tell whether a token can be used."""
    ended = row.expires_at is not None and row.expires_at <= (at or now())
    return row.revoked_at is None and not ended


def _digest(text: str) -> str:
    # The text holds 256 random bits: there is nothing to guess, so no salt and no delay.
    return hashlib.sha256(text.encode()).hexdigest()
