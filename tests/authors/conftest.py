"""Runs pytest over files of an author, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app_runner.config import PROJECT

AuthorsTests = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def authors_tests(tmp_path: Path) -> AuthorsTests:
    """Run the tests of an author: ``authors_tests(folder, *arguments, **variables)``.

    Nothing of this project's own test suite is in reach, and warnings are errors.
    """

    def run(
        folder: Path, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        options = ("-q", "-W", "error", "-p", "no:cacheprovider", "--tb=short")
        return subprocess.run(
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )

    return run
