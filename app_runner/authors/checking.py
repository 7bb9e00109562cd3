"""The process that checks one plugin; run as ``python -m app_runner.authors.checking``.

Arguments: the plugin's file or folder, and the file to write the report to.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from app_runner.authors import requirement_checks, served_checks, template_checks
from app_runner.authors.findings import Finding, Report, Source
from app_runner.authors.load_checks import problem_findings
from app_runner.authors.scratch import empty_database, runner
from app_runner.authors.write_watch import WriteWatch
from app_runner.babel import gettext as _
from app_runner.state import state_of

SLOW = 1.0  # seconds that loading may take
Check = Callable[[Flask, Source], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    problem_findings,
    requirement_checks.findings,
    template_checks.findings,
    served_checks.findings,
)


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Let Python write no ``__pycache__`` beside what is only looked at."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


@_no_bytecode()
def check(path: Path, scratch: Path) -> Report:
    """Load the plugin into a runner on ``scratch`` and look at all of it."""
    source = Source(path)
    database = empty_database(scratch / "tables")
    usual = _load_seconds(scratch / "none", scratch / "nothing", database)
    with WriteWatch(source) as writes:
        began = time.perf_counter()
        loading = runner(path, scratch / "runner", database, {})
        app = loading.__enter__()
        seconds = time.perf_counter() - began - usual
    try:
        found = [*writes.findings(), *_slow(source, seconds), *_checked(app, source)]
        plugins = [plugin.identifier for plugin in state_of(app).registry]
    finally:
        loading.__exit__(None, None, None)
    return Report.of(plugins, found)


def _load_seconds(plugin: Path, instance: Path, database: Path) -> float:
    """Give how long a runner without plugins takes; what it imports is then imported."""
    plugin.mkdir()
    began = time.perf_counter()
    with runner(plugin, instance, database, {}):
        return time.perf_counter() - began


def _slow(source: Source, seconds: float) -> Iterator[Finding]:
    if seconds > SLOW:
        text = _(
            "Loading it takes %(time).1f s, and each server and worker loads it; import "
            "what is large inside the function that needs it.",
            time=seconds,
        )
        yield Finding(source.path.name, text)


def _checked(app: Flask, source: Source) -> Iterator[Finding]:
    for one in CHECKS:
        yield from one(app, source)


def main(arguments: list[str]) -> Any:
    """Write the report; no exit handler of the plugin runs afterwards."""
    path, result = map(Path, arguments)
    report = check(path, Path.cwd())
    result.write_text(report.dump())
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
