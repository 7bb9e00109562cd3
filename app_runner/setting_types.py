"""Readers of setting values: text of the environment or native values in, values out.

Each raises ``ValueError`` whose text says what is allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def text(value: Any) -> str:
    """Take any text."""
    if not isinstance(value, str | Path):
        raise ValueError("it must be text")
    return str(value)


def boolean(value: Any) -> bool:
    """Take true/false, yes/no, on/off, 1/0."""
    word = str(value).strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError("it must be true or false")
    return word in TRUE


def choice(*allowed: str) -> Callable[[Any], str]:
    """Take one of the given words, in any letter case."""
    by_word = {word.lower(): word for word in allowed}

    def read(value: Any) -> str:
        found = by_word.get(str(value).strip().lower())
        if found is None:
            raise ValueError(f"it must be one of {', '.join(allowed)}")
        return found

    return read


def integer(low: int, high: int) -> Callable[[Any], int]:
    """Take a whole number between ``low`` and ``high``, both included."""

    def read(value: Any) -> int:
        match = re.fullmatch(r"\s*([+-]?[0-9]{1,18})(\.0)?\s*", str(value), re.ASCII)
        number = int(match[1]) if match else None
        if number is None or isinstance(value, bool) or not low <= number <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}")
        return number

    return read


def _parts(value: Any, separators: str) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in re.split(separators, value) if part.strip()]
    if isinstance(value, Sequence):
        return [str(part) for part in value]
    raise ValueError("it must be text or a list of texts")


def lines(value: Any) -> tuple[str, ...]:
    """Take a list, or one entry a line; lines that begin with # are left out."""
    return tuple(part for part in _parts(value, r"[\r\n]+") if not part.startswith("#"))


def paths(value: Any) -> tuple[str, ...]:
    """Take a list, or folders separated by ``:``."""
    return tuple(_parts(str(value) if isinstance(value, Path) else value, ":"))


def host_names(value: Any) -> tuple[str, ...]:
    """Take a list, or names separated by commas or white space."""
    return tuple(_parts(value, r"[,\s]+"))


def json_pairs(value: Any) -> tuple[tuple[str, str], ...]:
    """Take a mapping, or its JSON, of patterns (regular expressions) to replacements."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except json.JSONDecodeError as error:
            raise ValueError(f"it must be a JSON object ({error})") from None
    pairs = dict(value).items()
    for pattern, replacement in pairs:
        if not isinstance(pattern, str) or not isinstance(replacement, str):
            raise ValueError("patterns and replacements must be text")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
    return tuple(pairs)


def url_of(*schemes: str) -> Callable[[Any], str]:
    """Take an empty text or a URL whose scheme (before ``+``) is one of ``schemes``."""

    def read(value: Any) -> str:
        given = text(value)
        scheme = given.partition(":")[0].partition("+")[0]
        if given and scheme not in schemes:
            raise ValueError(
                f"it must be a URL that begins with one of {', '.join(schemes)}"
            )
        return given

    return read
