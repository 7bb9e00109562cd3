"""What docs/testing.md shows works, and it speaks of all there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_runner import testing
from app_runner.authors import KINDS
from app_runner.authors.new import write_plugin
from app_runner.launch.embedded import packaged_program
from app_runner.plugins.cli import plugins_cli
from tests.authors.conftest import AuthorsTests
from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "testing.md"


@pytest.mark.integration
@pytest.mark.skipif(not packaged_program(), reason="the extra `embedded` is missing")
def test_the_documented_test_passes(tmp_path: Path, authors_tests: AuthorsTests) -> None:
    place = write_plugin("word-count", "processor", tmp_path)
    (place / "tests" / "test_word_count.py").write_text(blocks(PAGE, "python")[0])
    tests = authors_tests(place)
    assert "3 passed" in tests.stdout, tests.stdout + tests.stderr


def test_fixtures_kinds_and_commands_are_documented() -> None:
    text = PAGE.read_text()
    public = [name for name in vars(testing) if _is_fixture(name)]
    assert len(public) >= 8
    assert [name for name in public if f"`{name}" not in text] == []
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []
    everything = "\n".join(page.read_text() for page in DOCS.rglob("*.md"))
    missing = [n for n in plugins_cli.commands if f"flask plugins {n}" not in everything]
    assert missing == []


def _is_fixture(name: str) -> bool:
    value = getattr(testing, name)
    return type(value).__name__ == "FixtureFunctionDefinition" and name[0] != "_"
