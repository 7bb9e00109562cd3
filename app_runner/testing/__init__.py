"""Pytest fixtures for authors: a plugin in process, over HTTP, and on a real worker.

Use with ``pytest_plugins = ["app_runner.testing"]`` or ``pytest -p app_runner.testing``.
Nothing of the runner imports this package; docs/testing.md shows how it is used. There
is no assertion in it, so tests may import from it first: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask

from app_runner.api.schemas import camel_case
from app_runner.authors.scratch import empty_database, plugin_problems, runner
from app_runner.config import ROWS
from app_runner.launch.supervisor import LaunchError
from app_runner.testing.client import Outcome, PluginClient, Refused
from app_runner.testing.in_process import run_jobs
from app_runner.testing.live import Broker, worker
from app_runner.testing.names import imported_by_name
from app_runner.testing.places import plugin_under_test

__all__ = ["Outcome", "PluginClient", "Refused"]

RunProcessor = Callable[..., Outcome]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep pytest from importing the package of a plugin: the runner does it itself.

    Pytest does so to look for a ``setup_module`` in it, but a published plugin can be
    imported for an app only.
    """
    plugin = plugin_under_test(item.path)
    for node in item.listchain():
        if isinstance(node, pytest.Package) and plugin in (node.path, *node.path.parents):
            node.setup = _no_setup  # type: ignore[method-assign]


def _no_setup() -> None:
    """Do nothing: a plugin has no ``setup_module``."""


@pytest.fixture
def plugin_path(request: pytest.FixtureRequest) -> Path:
    """Give the plugin under test: a ``.py`` file, or the folder of a package.

    By default the package around the test file, or ``name.py`` for ``test_name.py``;
    override the fixture for another place.
    """
    found = plugin_under_test(request.path)
    if found is None:
        pytest.fail(f"No plugin belongs to {request.path}: override plugin_path.")
    return found


@pytest.fixture
def plugin_name() -> str | None:
    """Give the name of the plugin to use where a file declares several (override it)."""
    return None


@pytest.fixture
def runner_settings() -> dict[str, Any]:
    """Give settings that differ from those of a test runner (override it)."""
    return {}


@pytest.fixture(scope="session")
def _empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with _no_settings_of_this_machine():
        return empty_database(tmp_path_factory.mktemp("tables"))


@contextmanager
def _no_settings_of_this_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in (*ROWS, "FLASK_DEBUG", "FLASK_APP"):
            patch.setenv(name, "")
        yield


@pytest.fixture
def runner_app(
    plugin_path: Path,
    runner_settings: dict[str, Any],
    _empty_database: Path,
    tmp_path: Path,
) -> Iterator[Flask]:
    """Give a runner on a new instance folder with the plugin under test, and no other.

    Its broker is the memory of this process. A plugin that does not load fails the test
    with the reason.
    """
    folder, settings = tmp_path / "instance", runner_settings
    with (
        _no_settings_of_this_machine(),
        runner(plugin_path, folder, _empty_database, settings) as app,
    ):
        if problems := plugin_problems(app):
            pytest.fail(f"The plugin has problems:\n{problems}", pytrace=False)
        yield app


@pytest.fixture
def plugin_client(runner_app: Flask, plugin_name: str | None) -> PluginClient:
    """Give an HTTP client of the plugin; jobs run in this process, when it submits."""
    return PluginClient(runner_app, plugin_name, lambda _is_done: run_jobs(runner_app))


@pytest.fixture
def run_processor(plugin_client: PluginClient) -> RunProcessor:
    """Give a function that runs the processor with parameters by their Python names.

    ``run_processor(text="a b", at_least=1)`` gives the `Outcome`; what the schema refuses
    raises `Refused`. All of it happens in this process, so that a debugger stops in it.
    """

    def run(**parameters: Any) -> Outcome:
        return plugin_client.submit(
            {camel_case(name): value for name, value in parameters.items()}
        )

    return run


@pytest.fixture(scope="session")
def _own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        broker = Broker(tmp_path_factory.mktemp("broker"))
    except LaunchError as missing:
        pytest.skip(str(missing))
    with broker as url:
        yield url


@pytest.fixture
def live_plugin(
    plugin_path: Path,
    plugin_name: str | None,
    runner_settings: dict[str, Any],
    _empty_database: Path,
    _own_broker: str,
    tmp_path: Path,
) -> Iterator[PluginClient]:
    """Give a client of the plugin with a real worker process on the embedded broker.

    No service needs to be installed or to run. Skipped when there is no broker program
    (the extra ``embedded``).
    """
    folder = tmp_path / "live-instance"
    settings = {"CONCURRENCY": 1, **runner_settings, "BROKER_URL": _own_broker}
    settings["RESULT_BACKEND"] = _own_broker
    with (
        _no_settings_of_this_machine(),
        runner(plugin_path, folder, _empty_database, settings) as app,
        worker(app) as wait,
    ):
        yield PluginClient(app, plugin_name, wait)


@pytest.fixture
def plugin_module(runner_app: Flask, plugin_path: Path) -> Iterator[ModuleType]:
    """Give the plugin's module, and let the test import it by its top-level name.

    The runner imports plugins under a private name. While this fixture is in use,
    ``import word_count.analysis`` means that very module, not a second copy.
    """
    with imported_by_name(runner_app, plugin_path) as module:
        yield module
