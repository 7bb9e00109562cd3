"""A setting, an address or a command that no document speaks of fails here."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask

from app_runner.config import PROJECT, SETTINGS
from tests.conftest import AppFactory

DOCS = PROJECT / "docs"
SETTINGS_PAGE = DOCS / "operating" / "settings.md"
#: A place in an address, however it is written: `<int:x>`, `{x}` and `<task-id>` are one.
PLACE = re.compile(r"<[^>]*>|\{[^}]*\}")


def documents() -> list[Path]:
    return [PROJECT / "README.md", *sorted(DOCS.rglob("*.md"))]


def all_text() -> str:
    return "\n".join(path.read_text() for path in documents() if path.exists())


def test_each_setting_is_documented() -> None:
    text = SETTINGS_PAGE.read_text()
    missing = [row.name for row in SETTINGS if f"`{row.name}`" not in text]
    assert missing == []


def test_documented_settings_exist() -> None:
    """The first column of the tables names settings only."""
    text = SETTINGS_PAGE.read_text()
    named = set(re.findall(r"^\| *`([A-Z][A-Z0-9_]+)`", text, re.MULTILINE))
    assert named - {row.name for row in SETTINGS} == set()


def rules(app: Flask) -> set[str]:
    """Give the rules of our own resources, places written as ``<>``."""
    return {PLACE.sub("<>", rule.rule) for rule in app.url_map.iter_rules()}


def test_each_address_is_documented(make_app: AppFactory) -> None:
    text = PLACE.sub("<>", all_text())
    missing = [rule for rule in rules(make_app(DEBUG=True)) if rule not in text]
    assert sorted(missing) == []


def test_each_command_is_documented(app: Flask) -> None:
    text = all_text()
    ours = set(app.cli.commands) - {"openapi"}  # that one is flask-smorest's
    assert sorted(name for name in ours if f"flask {name}" not in text) == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for document in documents():
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text()):
            if not (document.parent / target).exists():
                broken.append(f"{document.relative_to(PROJECT)}: {target}")
    assert broken == []
