"""Finds secrets in texts, so that no log and no document shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

#: What is shorter would mask half of all words.
SHORTEST_SECRET = 6


def secrets_in(values: Iterable[str | Iterable[str]]) -> Iterator[str]:
    """Give the secrets of values of settings, each a text or several."""
    for value in values:
        for one in (value,) if isinstance(value, str) else value:
            yield from _secrets_of(one)


def _secrets_of(value: str) -> Iterator[str]:
    """Give the secrets of one value: all of it, or of a URL its user and password."""
    if "://" not in value:
        yield value
        return
    for user, password in re.findall(r"://([^:/@\s]*):?([^/@\s]*)@", value):
        found = password or user  # a token may stand in the place of the user
        yield from {found, unquote(found)}


def pattern_of(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Give a pattern that finds any of ``secrets``, the longest first."""
    known = {one for one in secrets if len(one) >= SHORTEST_SECRET}
    ordered = sorted(known, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None
