"""The documentation can be built, without warnings and without the network."""

from __future__ import annotations

from pathlib import Path

import pytest
from sphinx.cmd.build import build_main

from tests.docs.pages import DOCS


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Sphinx's own and docutils'
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_sphinx_builds_every_page_without_a_warning(tmp_path: Path) -> None:
    options = ["-q", "-W", "--keep-going", "-E", "-d", str(tmp_path / "trees")]
    assert build_main([*options, str(DOCS), str(tmp_path / "html")]) == 0
    for page in DOCS.rglob("*.md"):
        if "_build" not in page.parts:
            built = (tmp_path / "html" / page.relative_to(DOCS)).with_suffix(".html")
            assert built.is_file()
            assert "https://" not in "".join(_loaded(built))


def _loaded(page: Path) -> list[str]:
    """Give the lines of a page that load scripts or styles."""
    text = page.read_text(encoding="utf-8")
    return [
        line for line in text.splitlines() if "<script" in line or "stylesheet" in line
    ]
