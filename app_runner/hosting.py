"""Connects the parts: our own resources, then the plugins with API, Celery and files."""

from __future__ import annotations

from flask import Blueprint, Flask
from flask_cors import CORS

from app_runner.api import files, health, plugins, root, specification, tasks
from app_runner.fetch import Fetcher, FetchPolicy
from app_runner.files.registry import check_default
from app_runner.plugins.base import PluginBase
from app_runner.plugins.loading import Loader
from app_runner.plugins.registry import PluginRegistry
from app_runner.state import state_of
from app_runner.tasks import recorder
from app_runner.tasks.recorder import RecordedTask

#: Blueprints of the runner that are documented, and where they are served.
RESOURCES = (
    (plugins.PLUGINS, "/plugins"),
    (plugins.PROBLEMS, "/problems"),
    (tasks.BLUEPRINT, "/tasks"),
    (files.BLUEPRINT, "/files"),
)
#: Blueprints that are not part of the document.
PAGES = (root.BLUEPRINT, health.BLUEPRINT, specification.BLUEPRINT)


class AppHost:
    """What the plugins of one app are connected to."""

    def __init__(self, app: Flask) -> None:
        """Take the app."""
        self._state = state_of(app)

    def check_tasks(self, records: list[RecordedTask]) -> None:
        """Raise `PluginLoadError` when a task name is declared twice or taken."""
        recorder.check_names(records, self._state.celery)

    def try_blueprint(self, plugin: PluginBase, blueprint: Blueprint) -> None:
        """Try on the scratch app."""
        self._state.api.try_blueprint(blueprint, self._prefix(plugin))

    def mount(self, plugin: PluginBase, blueprint: Blueprint) -> None:
        """Serve below ``/plugins/<id>``."""
        self._state.api.mount(blueprint, self._prefix(plugin))

    def bind_tasks(self, records: list[RecordedTask]) -> None:
        """Bind to the app's Celery."""
        for record in records:
            record.bind(self._state.celery)

    @staticmethod
    def _prefix(plugin: PluginBase) -> str:
        return f"/plugins/{plugin.identifier}"


def init_app(app: Flask) -> None:
    """Serve the runner's own resources, then load the plugins."""
    state = state_of(app)
    state.fetcher = Fetcher(FetchPolicy.of_settings(state.settings))
    CORS(app, origins=list(state.settings["CORS_ORIGINS"]), max_age=600)
    for blueprint, prefix in RESOURCES:
        state.api.serve(blueprint, prefix)
    for page in PAGES:
        app.register_blueprint(page)
    state.registry = PluginRegistry(app)
    loader = Loader(app, state.registry, AppHost(app))
    loader.load_folders(state.settings["PLUGIN_FOLDERS"])
    check_default(app)
