"""Loads plugins: every step that fails becomes a problem, and the rest goes on.

What plugins and tasks must know of HTTP and Celery is handed in as a `Host` by the
assembly, because use cases do not import each other.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from flask import Blueprint, Flask

from app_runner.config import PROJECT
from app_runner.errors import PluginLoadError
from app_runner.plugins.base import PluginBase, check_declaration
from app_runner.plugins.modules import Candidate, PrivateModules, candidates
from app_runner.plugins.registry import LoadedPlugin, PluginRegistry, Problem
from app_runner.state import Loading, loading

LOG = logging.getLogger(__name__)


class Host(Protocol):
    """What a loaded plugin is connected to."""

    def connect(
        self, plugin: PluginBase, blueprint: Blueprint | None, tasks: list[Any]
    ) -> None:
        """Serve the routes and bind the recorded tasks; when it raises, neither."""


class Loader:
    """Loads the plugins of one app."""

    def __init__(self, app: Flask, registry: PluginRegistry, host: Host) -> None:
        """Take the app, the registry to fill, and what plugins are connected to."""
        self._app, self._registry, self._host = app, registry, host
        self._modules = PrivateModules()

    def load_folders(self, folders: tuple[str, ...]) -> None:
        """Load all plugins of all folders; relative ones are below the project."""
        for folder in folders:
            path = Path(folder).expanduser()
            path = path if path.is_absolute() else PROJECT / path
            with self._problem(str(path), "plugin folder"):
                for candidate in list(candidates(path)):
                    self.load(candidate)

    def load(self, candidate: Candidate) -> None:
        """Load one file or package; what it declares before it fails is dropped."""
        with self._problem(str(candidate.path), "import"), loading(self._app) as record:
            name = self._modules.load(candidate)
            plugins = list(self._declared(name, candidate))
            served = [p for p in plugins if self._serve(p, candidate, record)]
            if not served:
                self._modules.unload(name)
                if not plugins and not self._known_problem(candidate):
                    raise PluginLoadError("the file declares no plugin")

    def _declared(self, name: str, candidate: Candidate) -> Iterator[PluginBase]:
        """Give the plugin objects of a module: instances, and one of each class."""
        modules = self._modules.modules(name)
        names = {module.__name__ for module in modules}
        seen: set[int] = set()
        for value in [v for module in modules for v in list(vars(module).values())]:
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, PluginBase) and value.declared_by_object:
                with self._problem(f"{candidate.path}", f"start of {value.name}"):
                    value.app = self._app
                    value.init_app(self._app)
                    yield value
            elif _is_plugin_class(value) and value.__module__ in names:
                with self._problem(
                    f"{candidate.path}", f"constructor of {value.__name__}"
                ):
                    yield self._registry.instance_of(value)

    def _serve(self, plugin: PluginBase, candidate: Candidate, record: Loading) -> bool:
        """Connect a plugin; only when all checks hold anything is registered."""
        with self._problem(str(candidate.path), "declaration"):
            check_declaration(plugin)
            self._registry.check_free(plugin.identifier)
            blueprint = _blueprint(plugin)
            self._host.connect(plugin, blueprint, record.tasks)
            plugin.has_api = blueprint is not None
            record.tasks.clear()
            self._registry.add(LoadedPlugin(plugin, candidate.path))
            return True
        self._registry.forget(plugin)
        return False

    def _known_problem(self, candidate: Candidate) -> bool:
        return any(p.source == str(candidate.path) for p in self._registry.problems)

    @contextmanager
    def _problem(self, source: str, part: str) -> Iterator[None]:
        try:
            yield
        except (Exception, SystemExit) as error:  # plugins may raise anything
            message = _said(error)
            if not message or not isinstance(error, PluginLoadError):
                message = f"{type(error).__name__}: {message}"
            LOG.warning("Problem with %s (%s): %s", source, part, message, exc_info=True)
            texts = (source, part, message, traceback.format_exc())
            self._registry.problems.append(Problem(*map(_printable, texts)))


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an error of a plugin may fail even at that
        return traceback.format_exception_only(error)[-1].strip()


def _printable(text: str) -> str:
    """Escape what no terminal can take: names of files may be any bytes."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def _blueprint(plugin: PluginBase) -> Blueprint | None:
    try:
        blueprint = plugin.get_api_blueprint()
    except NotImplementedError:
        return None
    if not isinstance(blueprint, Blueprint):
        raise PluginLoadError(f"get_api_blueprint gave a {type(blueprint).__name__}")
    return blueprint


def _is_plugin_class(value: object) -> bool:
    """Tell whether a value declares a plugin; a bare base of others does not."""
    return (
        isinstance(value, type)
        and issubclass(value, PluginBase)
        and not value.declared_by_object
        and (bool(value.name) or bool(value.version) or not value.__subclasses__())
    )
