"""Values of inputs as forms write them: texts, options, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from marshmallow import missing

from app_runner.api.fields import join_csv


@dataclass(frozen=True, slots=True)
class Option:
    """One entry of a select box or of a list of proposals."""

    value: str
    label: str
    selected: bool = False


def field_value(value: Any) -> str:
    """Write ``value`` as the text that a form would send for it."""
    if value is None or value is missing:
        return ""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return join_csv([field_value(item) for item in value])
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat else str(value)


def is_true(value: Any) -> bool:
    """Tell whether a box is ticked."""
    return value is True or str(value).lower() in ("true", "on", "1", "yes", "y", "t")


def chosen_texts(value: Any) -> tuple[str, ...]:
    """Give the texts by which an option may be meant: also the value of a member."""
    if isinstance(value, (list, tuple)):
        return tuple(text for item in value for text in chosen_texts(item))
    if isinstance(value, Enum):
        return value.name, field_value(value.value)
    return (field_value(value),)


def options_of(given: Any, chosen: Sequence[str]) -> list[Option]:
    """Give the options of a mapping (value and label), or of values or pairs."""
    if isinstance(given, Mapping):
        return [_option(value, label, chosen) for value, label in given.items()]
    pairs = ((o if isinstance(o, (list, tuple)) else (o, o)) for o in given)
    return [_option(value, label, chosen) for value, label, *_ in pairs]


def _option(value: Any, label: Any, chosen: Sequence[str]) -> Option:
    text = field_value(value)
    return Option(text, field_value(label), text in chosen)


def error_texts(errors: Any) -> list[str]:
    """Flatten what marshmallow says about one field (nested by index or key)."""
    if not errors:
        return []
    if isinstance(errors, Mapping):
        nested = ((key, text) for key, e in errors.items() for text in error_texts(e))
        return [f"{_place(key)}{text}" for key, text in nested]
    if isinstance(errors, (list, tuple)):
        return [text for error in errors for text in error_texts(error)]
    return [str(errors)]


def _place(key: Any) -> str:
    if key == "_schema":
        return ""
    return f"{key + 1 if isinstance(key, int) else key}: "
