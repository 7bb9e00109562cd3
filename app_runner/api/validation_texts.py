"""What marshmallow says of a wrong value, in the language of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask_babel import get_locale

from app_runner.babel import gettext as _


def N_(text: str) -> str:
    """Mark a text to be translated later."""
    return text


KNOWN = (
    N_("Missing data for required field."),
    N_("Field may not be null."),
    N_("Invalid value."),
    N_("Not a valid integer."),
    N_("Not a valid number."),
    N_("Not a valid string."),
    N_("Not a valid boolean."),
    N_("Not a valid list."),
    N_("Not a valid date."),
    N_("Not a valid time."),
    N_("Not a valid datetime."),
    N_("Not a valid URL."),
    N_("Not a valid email address."),
    N_("Invalid input type."),
    N_("Unknown field."),
    N_("Must be one of: {choices}."),
    N_("Must be greater than or equal to {min} and less than or equal to {max}."),
    N_("Must be greater than or equal to {min}."),
    N_("Must be greater than {min}."),
    N_("Must be less than or equal to {max}."),
    N_("Must be less than {max}."),
    N_("Shorter than minimum length {min}."),
    N_("Longer than maximum length {max}."),
    N_("Length must be between {min} and {max}."),
    N_("Length must be {equal}."),
    N_("String does not match expected pattern."),
)


def _pattern(text: str) -> re.Pattern[str]:
    literal = re.escape(text).replace(r"\{", "{").replace(r"\}", "}")
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>.*?)", literal), re.DOTALL)


PATTERNS = tuple((_pattern(text), text) for text in KNOWN)


def translated(messages: Any) -> Any:
    """Give messages of marshmallow (texts in lists and dicts) in the page's language."""
    if isinstance(messages, Mapping):
        return {key: translated(value) for key, value in messages.items()}
    if isinstance(messages, list | tuple):
        return [translated(value) for value in messages]
    return _translated(messages) if isinstance(messages, str) else messages


def _translated(text: str) -> str:
    for pattern, known in PATTERNS:
        if match := pattern.fullmatch(text):
            return _(known).format(**match.groupdict())
    return text


def is_english() -> bool:
    """Tell whether the texts can stay as they are."""
    locale = get_locale()
    return locale is None or locale.language == "en"
