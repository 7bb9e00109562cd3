"""Plugin files as text, and apps that load them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from app_runner import create_app
from app_runner.db import DB
from tests.conftest import NO_BROKER, PluginFolder, close

GOOD = """
    from app_runner.plugin_api import Plugin, Task

    plugin = Plugin("good", "1.0.0")

    @plugin.processor()
    def work(task: Task, word: str) -> str:
        return word
"""

#: A plugin class with routes and a task; a fault replaces or adds lines.
CLASSIC = """
    from app_runner.plugin_api import CELERY, PluginBase, SecurityBlueprint

    BLUEPRINT = SecurityBlueprint("{name}@1", __name__, description="Faulty.")

    @BLUEPRINT.route("/left-behind-{name}/")
    def view() -> str:
        return ""

    @CELERY.task(name="left-behind.{name}")
    def job() -> None: ...

    class Faulty(PluginBase):
        name, version = "{name}", "1"

        def get_api_blueprint(self):
            return BLUEPRINT

"""


@contextmanager
def app_with(folders: list[str], instance: Path, **settings: object) -> Iterator[Flask]:
    """Make an app for a whole module."""
    given = {
        "APP_RUNNER_INSTANCE_FOLDER": str(instance),
        "PLUGIN_FOLDERS": folders,
        "EXPOSURE": "local",
        "BROKER_URL": NO_BROKER,
        **settings,
    }
    app = create_app(given)
    with app.app_context():
        DB.create_all()
    yield app
    close(app)


@pytest.fixture
def write(plugin_folder: PluginFolder) -> Callable[..., PluginFolder]:
    """Write plugin files: ``write(**{"good": GOOD})`` makes ``good.py``."""

    def add(**sources: str) -> PluginFolder:
        for name, source in sources.items():
            plugin_folder.add(f"{name}.py", source)
        return plugin_folder

    return add
