"""Runs the project's own checks: the tests, and all linters with one exit code."""

from __future__ import annotations

import shlex
import subprocess
import sys

from app_runner.config import PROJECT

SIDE_BY_SIDE = ("-n", "3", "--dist", "loadfile")
LINTERS = (
    ("ruff", ("ruff", "check", ".")),
    ("black", ("black", "--check", "--quiet", ".")),
    ("flake8", ("flake8", ".")),
    ("mypy", ("mypy",)),
)


def lint() -> int:
    """Run every linter, also after one has failed; gives 1 when any did."""
    failed = []
    for name, (module, *arguments) in LINTERS:
        command = [sys.executable, "-m", module, *arguments]
        if subprocess.run(command, cwd=PROJECT, check=False).returncode:
            failed.append(name)
    print(f"Failed: {', '.join(failed)}" if failed else "All linters are content.")
    return 1 if failed else 0


def pytest_command(arguments: str) -> tuple[str, ...]:
    """Give the command line of the tests; ``arguments`` as a shell takes them.

    Without any, files of tests run side by side: most wait for programs that they have
    started.
    """
    order = shlex.split(arguments) or SIDE_BY_SIDE
    return (sys.executable, "-m", "pytest", *order)
