"""Public ids: integers of the database, signed so that they cannot be guessed.

Knows no models and no routes; the HTTP layer turns the signer into a URL converter.
"""

from __future__ import annotations

import hashlib
import hmac
import re

#: 128 bits of HMAC-SHA-256 (RFC 2104, truncated as RFC 2104 section 5 allows).
MAC_BYTES = 16
MAX_ID = 2**63 - 1
SIGNED = re.compile(r"([1-9][0-9]{0,18})-([a-z2-7]{26})", re.ASCII)
DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
#: Base32 (RFC 4648, section 6, small letters), two characters for ten bits at a time: a
#: task may have very many files, and each of their URLs has a MAC.
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
PAIRS = [first + second for first in LETTERS for second in LETTERS]
SHIFTS = range(8 * MAC_BYTES - 8, -1, -10)


def as_id(value: object) -> int | None:
    """Give the id that an int or its digits name; None for all that is no id."""
    if type(value) is int:
        return value if 0 < value <= MAX_ID else None
    too_large = isinstance(value, int) and abs(value) > MAX_ID  # str() may refuse it
    text = "" if too_large else str(value)
    found = int(text) if DIGITS.fullmatch(text) else 0
    return found if 0 < found <= MAX_ID else None


class PublicIds:
    """Signs and checks ids with a key that is derived from the runner's secret."""

    def __init__(self, secret: str) -> None:
        """Take the runner's secret; servers and workers must share it."""
        self._key = hashlib.sha256(b"app-runner public id\0" + secret.encode()).digest()

    def sign(self, kind: str, value: int | str) -> str:
        """Give the public form of ``value`` (an int, its digits, or already signed).

        Raises ``ValueError`` when ``value`` is no id at all.
        """
        if isinstance(value, str) and SIGNED.fullmatch(value):
            return value
        if (number := as_id(value)) is None:
            raise ValueError("what should be signed is not an id")
        return f"{number}-{self._mac(kind, number)}"

    def verify(self, kind: str, text: str) -> int | None:
        """Give the id behind a public one, or None when it was not made here."""
        match = SIGNED.fullmatch(text)
        if match is None or int(match[1]) > MAX_ID:
            return None
        expected = self._mac(kind, int(match[1]))
        return int(match[1]) if hmac.compare_digest(expected, match[2]) else None

    def sign_text(self, purpose: str, text: str) -> str:
        """Give a signature of ``text`` that is good for this purpose only."""
        digest = hmac.digest(self._key, f"{purpose}\0{text}".encode(), "sha256")
        return _as_text(digest)

    def _mac(self, kind: str, value: int) -> str:
        digest = hmac.digest(self._key, f"{kind}:{value}".encode(), "sha256")
        return _as_text(digest)


def _as_text(digest: bytes) -> str:
    """Write the first 128 bits as 26 characters, the last of which has two bits spare."""
    bits = int.from_bytes(digest[:MAC_BYTES], "big") << 2
    return "".join([PAIRS[bits >> shift & 1023] for shift in SHIFTS])
