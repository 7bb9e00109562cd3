"""Column types that mean the same on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, LargeBinary, String, Text, TypeDecorator
from sqlalchemy.dialects import mysql


def now() -> datetime:
    """Give the current time in UTC, with microseconds."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: stored as naive UTC with microseconds, given as aware UTC."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """MariaDB drops fractions of a second unless told to keep six digits."""
        mariadb = dialect.name in ("mysql", "mariadb")
        return dialect.type_descriptor(mysql.DATETIME(fsp=6) if mariadb else DateTime())

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Turn into naive UTC; a naive value is taken to be UTC already."""
        if value is None or value.tzinfo is None:
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Give an aware time."""
        return None if value is None else value.replace(tzinfo=UTC)


def clean(value: str) -> str:
    """Replace what a database cannot keep: NUL and halves of surrogate pairs."""
    value = value.replace("\0", "\ufffd")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


class CleanText(TypeDecorator[str]):
    """Text that comes from outside: cleaned, and cut at the length of its column.

    Exact text (keys) is never cut, since two keys must not become one.
    """

    impl = Text
    cache_ok = True

    def __init__(self, length: int | None = None, exact: bool = False) -> None:
        """Take the length in characters (None: any) and whether case matters."""
        super().__init__()
        self.length, self.exact = length, exact

    def __repr__(self) -> str:
        """Give the expression that migrations are written with."""
        return f"CleanText({self.length}, exact={self.exact})"

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """MariaDB: no end at 64 KiB, and comparison byte by byte where asked for."""
        if dialect.name not in ("mysql", "mariadb"):
            plain = Text() if self.length is None else String(self.length)
            return dialect.type_descriptor(plain)
        if self.length is None:
            return dialect.type_descriptor(mysql.LONGTEXT(charset="utf8mb4"))
        # The plain utf8mb4_bin takes "key" and "key " for the same.
        collation = "utf8mb4_nopad_bin" if self.exact else None
        return dialect.type_descriptor(
            mysql.VARCHAR(self.length, charset="utf8mb4", collation=collation)
        )

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Clean and cut; a key that is too long is refused by the database."""
        if value is None or self.exact:
            return value if value is None else clean(value)
        return clean(value)[: self.length]


def long_text() -> CleanText:
    """Text of any length."""
    return CleanText()


def label(length: int) -> CleanText:
    """Text for people; what is longer is cut."""
    return CleanText(length)


def long_bytes() -> LargeBinary:
    """Bytes of any length (MariaDB's BLOB ends at 64 KiB)."""
    return LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


def key(length: int) -> CleanText:
    """Text that is compared byte by byte, also on MariaDB (which else ignores case)."""
    return CleanText(length, exact=True)


class Json(TypeDecorator[Any]):
    """Any JSON value as text; None is stored as JSON ``null``.

    Changes deep inside a value are found by `app_runner.db.json_changes`.
    """

    impl = Text
    cache_ok = True
    should_evaluate_none = True  # a None that was set is no reason for the default

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Use the long text of the dialect."""
        return long_text().load_dialect_impl(dialect)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Write compact JSON; raises TypeError for what JSON cannot say."""
        return dump(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read the JSON text."""
        return None if value is None else json.loads(value)


def dump(value: Any) -> str:
    """Write compact JSON in ASCII (databases refuse NUL and lone surrogates)."""
    return json.dumps(value, separators=(",", ":"))
