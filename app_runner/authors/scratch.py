"""Runners for one plugin and one purpose: on a new instance folder, leaving nothing."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask import Flask

from app_runner import create_app
from app_runner.db.engine import DB
from app_runner.plugins.modules import PREFIX
from app_runner.state import state_of

DATABASE = "app_runner.db"
PRIVATE = re.compile(rf"{PREFIX}(_\d+)?(\..*)?")


def empty_database(folder: Path) -> Path:
    """Make a SQLite file with all tables in ``folder``; copying it is fast."""
    settings = {"APP_RUNNER_INSTANCE_FOLDER": str(folder), "PLUGIN_FOLDERS": []}
    with _app(settings) as app, app.app_context():
        DB.create_all()
    return folder / DATABASE


@contextmanager
def runner(
    plugin: Path, instance: Path, database: Path, settings: Mapping[str, Any]
) -> Iterator[Flask]:
    """Make a runner with one plugin; its modules are forgotten afterwards.

    ``database`` is what `empty_database` gave. ``settings`` win over those chosen here:
    one person, and a broker in the memory of this process.
    """
    instance.mkdir(parents=True)
    shutil.copy(database, instance / DATABASE)
    given = {
        "APP_RUNNER_INSTANCE_FOLDER": str(instance),
        "PLUGIN_FOLDERS": [str(plugin)],
        "EXPOSURE": "local",
        "BROKER_URL": "memory://localhost/",
        "RESULT_BACKEND": "cache+memory://",
        "CELERY_QUEUE": f"scratch-{uuid4().hex}",  # memory is shared by the whole process
        **settings,
    }
    with _app(given) as app:
        yield app


@contextmanager
def _app(settings: Mapping[str, Any]) -> Iterator[Flask]:
    """Make an app that leaves nothing open and no modules of plugins."""
    before = set(sys.modules)
    app = create_app(settings)
    try:
        yield app
    finally:
        close(app)
        for name in set(sys.modules) - before:
            if PRIVATE.fullmatch(name):
                del sys.modules[name]


def close(app: Flask) -> None:
    """Close the connections that an app holds."""
    with app.app_context():
        DB.session.remove()
        for engine in DB.engines.values():
            engine.dispose()
    state_of(app).celery.close()


def plugin_problems(app: Flask) -> str:
    """Give the problems of loading with their tracebacks; empty when there are none."""
    registry = state_of(app).registry
    if not registry.problems and not len(registry):
        return "No plugin was found."
    return "\n".join(
        f"{p.source} ({p.part}): {p.message}\n{p.traceback}" for p in registry.problems
    )
