"""What a setting is, and readers of values: texts or native values in, values out.

Each reader raises ``ValueError`` whose text says what is allowed.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}
UNWRITABLE = re.compile("[\0\ud800-\udfff]")
#: What secrets of webhooks begin with, as Standard Webhooks writes them.
WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 - what all of them begin with
RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", re.ASCII)
FRAME = re.compile(
    r"\*|(https?://)?(\*\.)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?", re.A
)
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True)
class Setting:
    """One setting: ``read`` turns text or a native value into the value, or raises."""

    name: str
    default: Any
    read: Callable[[Any], Any]
    help: str
    secret: bool = False


def text(value: Any) -> str:
    """Take any text that can be written down: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str | Path) or UNWRITABLE.search(str(value)):
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


def integer_or_zero(low: int, high: int) -> Callable[[Any], int]:
    """Take 0, or a whole number between ``low`` and ``high``."""

    def read(value: Any) -> int:
        number = integer(0, high)(value)
        if 0 < number < low:
            raise ValueError(f"it must be 0, or a whole number from {low} to {high}")
        return number

    return read


def _parts(value: Any, separators: str) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in re.split(separators, value) if part.strip()]
    if isinstance(value, Sequence):
        return [text(part) for part in value]
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


def trusted_names(value: Any) -> tuple[str, ...]:
    """Take host names without port, those that begin with a dot, and ``*``."""
    for name in (found := host_names(value)):
        match = HOST.fullmatch(name)
        if name != "*" and (match is None or match[2]):
            raise ValueError(f"{name!r} is no host name (they stand without a port)")
    return found


def webhook_secrets(value: Any) -> tuple[str, ...]:
    """Take secrets like ``whsec_<base64 of 24 to 64 bytes>``, the newest first."""
    for secret in (found := host_names(value)):
        try:
            key = base64.b64decode(
                secret.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True
            )
        except ValueError:
            key = b""
        if not (secret.startswith(WEBHOOK_SECRET_PREFIX) and 24 <= len(key) <= 64):
            raise ValueError("it must be whsec_ and 24 to 64 bytes in base64")
    return found


def frame_hosts(value: Any) -> tuple[str, ...]:
    """Take sources as `frame-ancestors` of a content security policy takes them."""
    for source in (found := host_names(value)):
        if FRAME.fullmatch(source) is None:
            raise ValueError(f"{source!r} is no origin like https://lab.example.org")
    return found


def rate(value: Any) -> str:
    """Take a rate like ``600/minute``, or an empty text."""
    given = text(value).replace(" ", "")
    if given and RATE.fullmatch(given) is None:
        raise ValueError("it must be like 600/minute (second, minute, hour, day)")
    return given


def networks(value: Any) -> tuple[str, ...]:
    """Take host names, addresses, and networks like ``10.0.0.0/8``."""
    for name in (found := host_names(value)):
        if "/" in name:
            ip_network(name, strict=False)  # its ValueError says what is wrong
    return found


def origins(value: Any) -> tuple[str, ...]:
    """Take origins, or regular expressions of them, and ``*``."""
    for origin in (found := host_names(value)):
        if origin != "*":
            _check_pattern(origin)
    return found


def host(value: Any) -> str:
    """Take a host name or address with or without a port, or an empty text."""
    given = text(value)
    if given and HOST.fullmatch(given) is None:
        raise ValueError("it must be a host name, with a port if that is not the usual")
    return given


def url_path(value: Any) -> str:
    """Take an absolute path."""
    given = text(value)
    if not given.startswith("/"):
        raise ValueError("it must begin with /")
    return given


def _check_pattern(pattern: str, replacement: str = "") -> None:
    try:
        re.compile(pattern).sub(replacement, "")
    except (re.error, IndexError, RecursionError) as error:
        wrong = f"{pattern!r} is no regular expression, or {replacement!r} does not fit"
        raise ValueError(f"{wrong} ({error})") from None


def json_pairs(value: Any) -> tuple[tuple[str, str], ...]:
    """Take a mapping, its JSON, or its pairs: patterns (regular expressions) first."""
    try:
        found = json.loads(value or "{}") if isinstance(value, str) else value
        pairs = tuple(dict(found).items())
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"it must be a JSON object ({error})") from None
    for pattern, replacement in pairs:
        if not isinstance(pattern, str) or not isinstance(replacement, str):
            raise ValueError("patterns and replacements must be text")
        _check_pattern(pattern, replacement)
    return pairs


def credentials(value: Any) -> tuple[tuple[str, str], ...]:
    """Take a mapping, or its JSON: origins to values of the header Authorization."""
    try:
        found = json.loads(value or "{}") if isinstance(value, str) else value
        pairs = tuple((text(origin), text(told)) for origin, told in dict(found).items())
    except (ValueError, TypeError, RecursionError):  # their texts may hold secrets
        raise ValueError("it must be a JSON object of texts") from None
    for origin, told in pairs:
        place = urlsplit(origin if "://" in origin else f"https://{origin}")
        if place.scheme not in ("http", "https") or not place.hostname or place.path:
            raise ValueError("its keys must be origins, like https://host or host:8443")
        if re.fullmatch(r"(Bearer|Basic) [\x21-\x7e]+", told, re.I) is None:
            allowed = "its values must be `Bearer <token>` or `Basic <user>:<password>`"
            raise ValueError(allowed)
    return pairs


def url_of(*schemes: str) -> Callable[[Any], str]:
    """Take an empty text or a URL whose scheme (before ``+``) is one of ``schemes``."""

    def read(value: Any) -> str:
        given = text(value)
        scheme = re.match(r"([a-z]+)(\+\w+)?://", given, re.ASCII)
        if given and (scheme is None or scheme[1] not in schemes):
            names = ", ".join(schemes)
            raise ValueError(f"it must be a URL, and begin with one of {names}")
        return given

    return read


def urls_of(*schemes: str) -> Callable[[Any], str]:
    """Take a URL of one of these schemes, or several separated by ``;``."""
    read_one = url_of(*schemes)

    def read(value: Any) -> str:
        given = text(value)
        for one in re.split(r";(?=[\w+]+://)", given):
            try:
                _ = urlsplit(read_one(one)).port
            except ValueError as error:
                shown = error if "must be" in str(error) else "it must be a URL"
                raise ValueError(f"{shown}, like redis://host:6379") from None
        return given

    return read
