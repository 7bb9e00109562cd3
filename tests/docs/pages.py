"""The written pages of the project, and what the tests take out of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
FENCE = re.compile(r"^(`{3,})(\{?\w*\}?)[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
INDENTED = re.compile(r"^ {4}(.+)$", re.MULTILINE)


def all_pages() -> list[Path]:
    """Give every page: those of ``docs/``, and those beside the code."""
    beside = (README, ROOT / "CONTRIBUTING.md", ROOT / "translations" / "README.md")
    pages = [path for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    return [*beside, *sorted(pages)]


def blocks(page: Path, language: str) -> list[str]:
    """Give the fenced blocks of a language."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [match[3] for match in found if match[2] == language]


def prose(page: Path) -> str:
    """Give a page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Give the targets of the links and images of a page."""
    return LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#{1,4} (.+)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.strip().replace(" ", "-") for text in plain}


def rows(page: Path) -> Iterator[list[str]]:
    """Give the cells of every row of every table of a page."""
    for line in prose(page).splitlines():
        if line.startswith("| "):
            cells = re.split(r"(?<!\\)\|", line.strip("|"))
            yield [cell.strip() for cell in cells]
