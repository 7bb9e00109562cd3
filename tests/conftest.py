"""Fixtures for all tests: apps on their own folders, plugin files, servers, workers."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from textwrap import dedent
from typing import Any

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner import create_app
from app_runner.config import ROWS
from app_runner.db import DB
from app_runner.launch import commands
from app_runner.plugins.modules import PREFIX
from app_runner.state import state_of
from tests.processes import Running, environment

pytest_plugins = ["tests.servers", "tests.browsers"]

# No deadline for one example: other work on the machine must not fail a test.
EXAMPLES = 40 if os.environ.get("CI") else 20
hypothesis.settings.register_profile("suite", max_examples=EXAMPLES, deadline=None)
hypothesis.settings.load_profile("suite")

#: Nothing listens on port 1: who connects is refused at once.
NO_BROKER = "redis://127.0.0.1:1/0"

#: Tests that start programs, make a runner each, or try very many inputs; what is left is
#: quick (`./run test --unit`).
SLOW = (
    *("access/test_two_users.py", "access/test_hard_shell.py", "access/test_tokens.py"),
    *("access/test_documented_answers.py", "access/test_signed_messages.py"),
    *("authors/", "bench/", "compat/", "docs/", "launch/", "plugins/", "processors/"),
    *("bundled/", "sources/", "test_run.py"),
    *("api/test_fuzzing.py", "api/test_openapi.py", "data/test_entities.py"),
    *("db/test_engine.py", "db/test_migrations.py", "db/test_types.py"),
    *("fetch/test_connecting.py", "fetch/test_limits.py", "fetch/test_redirects.py"),
    *("files/test_s3.py", "files/test_lost_store.py", "files/test_killed_server.py"),
    *("files/test_moving.py", "files/test_attacks.py"),
    *("fetch/test_tls.py", "tasks/test_unavailable.py", "ui/test_api_pages.py"),
    *("ui/test_debug.py", "ui/test_styles.py"),
)

AppFactory = Callable[..., Flask]
WorkerStarter = Callable[..., Running]


class PluginFolder:
    """A plugin folder, and the way to put plugins into it."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def __fspath__(self) -> str:
        return str(self.path)

    def add(self, name: str, source: str) -> Path:
        """Write ``source`` (dedented) to ``name``, which may be ``package/module.py``."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source))
        return path


def is_slow(path: Path) -> bool:
    here = Path(__file__).parent
    return path.is_relative_to(here) and (
        f"{path.relative_to(here).as_posix()}/".startswith(SLOW)
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the slow tests when only the quick ones are asked for."""
    unit = "not (browser or server or integration)"
    asked: str = config.getoption("markexpr")
    return True if asked == unit and is_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests, so that the quick ones can be run alone."""
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_this_machine() -> Iterator[None]:
    """Keep settings of the environment and of ``.env`` away: an empty one is not set."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*ROWS, "FLASK_DEBUG", "FLASK_APP"):
            patch.setenv(name, "")
        yield


@pytest.fixture(scope="session")
def empty_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a SQLite file with all tables; copying it is faster than making them."""
    folder = tmp_path_factory.mktemp("tables")
    app = new_app(folder)
    with app.app_context():
        DB.create_all()
    close(app)
    return folder / "app_runner.db"


@pytest.fixture
def make_app(tmp_path: Path, empty_tables: Path) -> Iterator[AppFactory]:
    """Make apps, each on a new instance folder with tables and, unless given, no plugins.

    ``make_app(PLUGIN_FOLDERS=[folder], tables=False, **settings)``: keyword arguments are
    settings; ``tables=False`` leaves the database empty.
    """
    made: list[Flask] = []
    numbers = count(1)
    known = set(sys.modules)

    def make(tables: bool = True, **settings: Any) -> Flask:
        app = new_app(tmp_path / f"instance-{next(numbers)}", **settings)
        made.append(app)
        database = state_of(app).settings.instance / "app_runner.db"
        if tables and "SQLALCHEMY_DATABASE_URI" not in settings:
            if not database.exists():
                shutil.copy(empty_tables, database)
        elif tables:
            with app.app_context():
                DB.create_all()
        return app

    yield make
    for app in made:
        close(app)
    # Else thousands of tests would keep the plugins of each of their apps, and the apps.
    for name in set(sys.modules) - known:
        if name.startswith(PREFIX):
            del sys.modules[name]


def new_app(instance: Path, **settings: Any) -> Flask:
    """Make an app on this instance folder, unless given without plugins and broker."""
    fixed = {"APP_RUNNER_INSTANCE_FOLDER": str(instance), "PLUGIN_FOLDERS": ""}
    open_to_us = {"EXPOSURE": "local", "BROKER_URL": NO_BROKER}
    return create_app({**fixed, **open_to_us, **settings})


def close(app: Flask) -> None:
    """Close the connections that an app holds."""
    with app.app_context():
        DB.session.remove()
        for engine in DB.engines.values():
            engine.dispose()
    state_of(app).celery.close()


@pytest.fixture(scope="session")
def only_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Make the app behind ``shared_app``, which takes care of its database."""
    app = new_app(tmp_path_factory.mktemp("shared"))
    yield app
    close(app)


@pytest.fixture
def shared_app(only_app: Flask, empty_tables: Path) -> Iterator[Flask]:
    """Give an app that all tests share and none changes; its tables are empty.

    Much faster than ``app``, for tests that add no routes and set no configuration.
    """
    database = state_of(only_app).settings.instance / "app_runner.db"
    for suffix in ("", "-wal", "-shm"):
        database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)
    shutil.copy(empty_tables, database)
    yield only_app
    with only_app.app_context():
        DB.session.remove()
        DB.engine.dispose()


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    """Give an app of its own with tables, without plugins and without a broker."""
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Give a client of ``app``."""
    return app.test_client()


@pytest.fixture
def app_context(app: Flask) -> Iterator[Flask]:
    """Give ``app`` with its context entered, as in a job."""
    with app.app_context():
        yield app


@pytest.fixture
def plugin_folder(tmp_path: Path) -> PluginFolder:
    """Give an empty plugin folder."""
    return PluginFolder(tmp_path / "plugins")


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[WorkerStarter]:
    """Start real workers: ``start_worker(app, pool="threads", queues=…, **settings)``.

    A worker reads the settings of ``app`` from its environment; further keywords in
    capitals win. It is ready when the call returns, and ends with the test.
    """
    running: list[Running] = []

    def start(app: Flask, **options: Any) -> Running:
        settings = {**state_of(app).settings}
        settings |= {key: options.pop(key) for key in list(options) if key in ROWS}
        variables: Mapping[str, str] = options.pop("variables", {})
        name = f"test-{os.getpid()}-{len(running)}"
        asked = commands.WorkerOptions(name=name, **options)
        command = commands.worker(asked, state_of(app).settings)
        log = tmp_path / f"{name}.log"
        worker = Running(command, {**environment(settings), **variables}, log)
        running.append(worker)
        worker.wait_until_printed(" ready.")
        return worker

    yield start
    for worker in running:
        worker.stop(by=signal.SIGQUIT)  # celery's cold shutdown: no need to wait for jobs
