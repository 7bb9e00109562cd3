"""Connects the parts: our own resources, then the plugins with API, Celery and files."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Flask

from app_runner.api import (
    cors,
    files,
    health,
    not_installed,
    plugins,
    root,
    schedules,
    specification,
    submits,
    tasks,
    uploads,
)
from app_runner.api import deliveries as _deliveries  # noqa: F401 - a view of tasks
from app_runner.api.own_files import own_files
from app_runner.compat import stores
from app_runner.fetch import Fetcher, FetchPolicy
from app_runner.files.registry import check_default
from app_runner.plugins import hooks
from app_runner.plugins.base import PluginBase
from app_runner.plugins.loading import Loader
from app_runner.plugins.registry import PluginRegistry
from app_runner.state import state_of
from app_runner.tasks import recorder
from app_runner.tasks.recorder import RecordedTask
from app_runner.ui import step_views

#: Blueprints of the runner that are documented, and where they are served.
RESOURCES = (
    (plugins.PLUGINS, "/plugins"),
    (plugins.PROBLEMS, "/problems"),
    (tasks.BLUEPRINT, "/tasks"),
    (schedules.BLUEPRINT, "/schedules"),
    (files.BLUEPRINT, "/files"),
    (uploads.BLUEPRINT, "/files"),
    (step_views.BLUEPRINT, "/plugins"),
)
#: Blueprints that are not part of the document.
PAGES = (root.BLUEPRINT, health.BLUEPRINT, specification.BLUEPRINT)


class AppHost:
    """What the plugins of one app are connected to."""

    def __init__(self, app: Flask) -> None:
        """Take the app."""
        self._state = state_of(app)

    def connect(
        self, plugin: PluginBase, blueprint: Blueprint | None, tasks: list[RecordedTask]
    ) -> None:
        """Bind the tasks to the app's Celery and serve below ``/plugins/<id>``.

        Both or neither: raises `PluginLoadError` when a name is taken, and what comes
        from the plugin's own code.
        """
        with recorder.bound(tasks, self._state.celery):
            if blueprint is not None:
                before = len(self._state.app.view_functions)
                self._state.api.serve(blueprint, f"/plugins/{plugin.identifier}")
                submits.watch(self._state.app, blueprint, plugin, before)
        self._state.queues.add(plugin.name, plugin.identifier, tasks)

    def is_task(self, value: object) -> bool:
        """Tell whether a value of a module is a recorded task."""
        return isinstance(value, RecordedTask)

    def is_store(self, value: object) -> bool:
        """Tell whether a value declares a file store in the published way."""
        return stores.is_store(value)

    def add_store(self, declared: type[stores.PublishedStore]) -> None:
        """Let files go to the store; what its code raises passes through."""
        stores.add_store(self._state.app, declared)


def init_app(app: Flask) -> None:
    """Serve the runner's own resources, then load the plugins."""
    state = state_of(app)
    state.fetcher = Fetcher(FetchPolicy.of_settings(state.settings), own_files(app))
    cors.init_app(app)
    for blueprint, prefix in RESOURCES:
        state.api.serve(blueprint, prefix)
    for page in PAGES:
        app.register_blueprint(page)
    state.registry = PluginRegistry(app)
    with _without_collecting():
        _load_plugins(app)
    hooks.start(app, state.registry)
    not_installed.refuse(app)
    check_default(app)


def _load_plugins(app: Flask) -> None:
    state = state_of(app)
    loader = Loader(app, state.registry, AppHost(app))
    settings = state.settings
    loader.load_folders(settings["PLUGIN_FOLDERS"])
    loader.load_sources(
        settings["GIT_PLUGINS"], settings.instance, settings["GIT_ALLOWED_HOSTS"]
    )
    loader.load_installed()


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Leave garbage for later: what loading makes is here to stay.

    Looking through it again and again was half of what a plugin costs at start.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
