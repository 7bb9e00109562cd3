"""Every setting is documented, with the default that the code has."""

from __future__ import annotations

import re
from typing import Any

from app_runner.config import SETTINGS
from tests.docs.pages import DOCS, prose, rows

PAGE = DOCS / "operating" / "settings.md"


def shown(default: Any) -> str:
    """Write a default as the page does."""
    if default is None:
        return "not set"
    if default in ("", ()):
        return "empty"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{':'.join(default)}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def documented() -> dict[str, tuple[str, str]]:
    """Give default and meaning by the name of the setting."""
    found = [row for row in rows(PAGE) if re.fullmatch(r"`[A-Z][A-Z0-9_]+`", row[0])]
    return {name.strip("`"): (default, meaning) for name, default, meaning in found}


def test_the_page_has_every_setting_and_no_other() -> None:
    assert sorted(documented()) == sorted(row.name for row in SETTINGS)


def test_the_page_has_the_defaults_of_the_code() -> None:
    defaults = {name: default for name, (default, _) in documented().items()}
    assert defaults == {row.name: shown(row.default) for row in SETTINGS}


def test_every_setting_has_a_meaning() -> None:
    assert [
        name for name, (_, meaning) in documented().items() if len(meaning) < 10
    ] == []


def test_settings_that_other_pages_name_exist() -> None:
    known = {row.name for row in SETTINGS} | {"FLASK_DEBUG", "X_FORWARDED"}
    for page in (DOCS / "operating").glob("*.md"):
        named = set(re.findall(r"`([A-Z]+_[A-Z_]+)(?:=\w+)?`", prose(page)))
        assert named - known == set(), page.name
