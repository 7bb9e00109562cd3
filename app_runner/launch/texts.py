"""Builds the documentation and brings the catalogues of translations up to date."""

from __future__ import annotations

import subprocess
import sys

from app_runner.config import PROJECT

SPHINX = ("sphinx", "-q", "-W", "--keep-going", "docs", "docs/_build")
TEMPLATE = "translations/messages.pot"
BABEL = "babel.messages.frontend"
#: What changes with every run (line numbers, dates) is left out of the files.
EXTRACT = (
    *(BABEL, "-q", "extract", "-F", "translations/babel.cfg", "-k", "lazy_gettext"),
    *("--add-location=file", "--omit-header", "-o", TEMPLATE, "."),
)
UPDATE = (
    *(BABEL, "-q", "update", "-i", TEMPLATE, "-d", "translations"),
    *("-N", "--ignore-obsolete", "--ignore-pot-creation-date"),
)
COMPILE = (BABEL, "-q", "compile", "-d", "translations")


def build_documentation() -> int:
    """Build ``docs/_build``; a warning is an error. Gives the exit code."""
    return _run(SPHINX)


def update_translations() -> int:
    """Extract the texts, add new ones to each catalogue, compile; gives the exit code.

    Catalogues of bundled plugins are written by hand, and only compiled.
    """
    written = PROJECT.glob("plugins/**/LC_MESSAGES/messages.po")
    theirs = [(*COMPILE[:-1], str(path.parents[2])) for path in sorted(written)]
    steps = (EXTRACT, UPDATE, COMPILE, *theirs)
    return next((code for step in steps if (code := _run(step))), 0)


def _run(module: tuple[str, ...]) -> int:
    command = [sys.executable, "-m", *module]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode
