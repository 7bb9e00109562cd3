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
from types import ModuleType
from typing import Any, Protocol

from flask import Blueprint, Flask
from packaging.requirements import Requirement

from app_runner.babel import gettext as _
from app_runner.config import PROJECT
from app_runner.errors import PluginLoadError, RequirementError
from app_runner.plugins import packages, requirements
from app_runner.plugins.base import PluginBase, check_declaration
from app_runner.plugins.fetching import fetched_folder
from app_runner.plugins.lock import NAME as LOCK
from app_runner.plugins.lock import Lock
from app_runner.plugins.modules import Candidate, PrivateModules, candidates
from app_runner.plugins.registry import LoadedPlugin, PluginRegistry, Problem
from app_runner.plugins.sources import check_allowed, hidden, parse_source
from app_runner.plugins.swallowed import missing_package, swallowed_error
from app_runner.plugins.tables import tables_of
from app_runner.state import Loading, loading

LOG = logging.getLogger(__name__)
#: The part of a plugin that is named when packages are missing.
LACKING = "requirements"


class Host(Protocol):
    """What a loaded plugin is connected to."""

    def connect(
        self, plugin: PluginBase, blueprint: Blueprint | None, tasks: list[Any]
    ) -> None:
        """Serve the routes and bind the recorded tasks; when it raises, neither."""

    def is_task(self, value: object) -> bool:
        """Tell whether a value of a module is a recorded task."""

    def is_store(self, value: object) -> bool:
        """Tell whether a value declares a file store in the published way."""

    def add_store(self, declared: Any) -> None:
        """Let files go to the store; what its code raises passes through."""


class Loader:
    """Loads the plugins of one app."""

    def __init__(self, app: Flask, registry: PluginRegistry, host: Host) -> None:
        """Take the app, the registry to fill, and what plugins are connected to."""
        self._app, self._registry, self._host = app, registry, host
        self._modules = PrivateModules()
        #: Plugins and tasks of installed packages that are served, by identity.
        self._shared: set[int] = set()

    def load_folders(self, folders: tuple[str, ...]) -> None:
        """Load all plugins of all folders; relative ones are below the project."""
        for folder in folders:
            path = Path(folder).expanduser()
            path = path if path.is_absolute() else PROJECT / path
            with self._problem(str(path), "plugin folder"):
                self._load_folder(path)

    def load_sources(
        self, sources: tuple[str, ...], instance: Path, allowed: tuple[str, ...]
    ) -> None:
        """Load what was fetched of git sources; others are problems that say so."""
        if not sources:
            return
        with self._problem(LOCK, "git sources"):
            lock, seen = Lock(instance), set()
            for line in sources:
                with self._problem(hidden(line), "git source"):
                    source = parse_source(line)
                    check_allowed(source, allowed)
                    if str(source) not in seen:
                        seen.add(str(source))
                        self._load_folder(fetched_folder(source, instance, lock))

    def load_installed(self) -> None:
        """Load the plugins of installed packages."""
        for found in packages.installed():
            source = str(found)
            with self._problem(source, "import"), loading(self._app) as record:
                value = packages.import_entry(found.entry, record)
                self._load_shared(found, value, record)

    def _load_shared(
        self, found: packages.Installed, value: Any, record: Loading
    ) -> None:
        first = packages.declared(found.entry)
        names = {module.__name__ for module in first.modules}
        inside = [v for module in first.modules for v in list(vars(module).values())]
        values = inside
        if not isinstance(value, ModuleType):
            values = [value]
            names.add(getattr(value, "__module__", ""))
        own = [v for v in inside if self._host.is_task(v) and v.__module__ in names]
        tasks = {id(task): task for task in (*first.tasks, *own)}
        record.tasks[:] = [t for key, t in tasks.items() if key not in self._shared]
        kinds = [v for v in values if _declares(v, names)]
        if not kinds:
            raise PluginLoadError("the entry point names no plugin")
        new = [v for v in kinds if id(v) not in self._shared]
        plugins = list(self._declared(new, names, str(found), shared=True))
        if [p for p in plugins if self._serve(p, str(found), record)]:
            self._shared |= tasks.keys()
            self._add_stores(inside, names, str(found))
        self._shared |= set(map(id, kinds))

    def _load_folder(self, folder: Path) -> None:
        for candidate in list(candidates(folder)):
            self.load(candidate)

    def load(self, candidate: Candidate) -> None:
        """Load one file or package; what it declares before it fails is dropped."""
        source = str(candidate.path)
        with (
            self._problem(source, "import", candidate.path),
            loading(self._app) as record,
        ):
            name = self._modules.load(candidate)
            modules = self._modules.modules(name)
            names = {module.__name__ for module in modules}
            values = [v for module in modules for v in list(vars(module).values())]
            plugins = list(self._declared(values, names, source, candidate.path))
            served = [p for p in plugins if self._serve(p, source, record)]
            if served:
                self._add_stores(values, names, source)
            else:
                self._modules.unload(name)
                if not plugins and not self._known_problem(candidate):
                    raise PluginLoadError("the file declares no plugin")

    def _declared(
        self,
        values: list[Any],
        names: set[str],
        source: str,
        path: Path | None = None,
        shared: bool = False,
    ) -> Iterator[PluginBase]:
        """Give the plugin objects among values: instances, and one of each class."""
        for value in {id(value): value for value in values}.values():
            if isinstance(value, PluginBase) and _declares(value, names):
                with self._problem(source, f"start of {value.name}", path):
                    plugin = packages.own_copy(value) if shared else value
                    plugin.app = self._app
                    plugin.init_app(self._app)
                    yield plugin
            elif _declares(value, names):
                with self._problem(source, f"constructor of {value.__name__}", path):
                    yield self._registry.instance_of(value)

    def _serve(self, plugin: PluginBase, source: str, record: Loading) -> bool:
        """Connect a plugin; only when all checks hold anything is registered."""
        with self._problem(source, "declaration"):
            check_declaration(plugin)
            self._registry.check_free(plugin.identifier)
            tables_of(plugin)
            lacking = self._requirements(plugin, source)
            try:
                blueprint = _blueprint(plugin)
            except ImportError as error:
                raise (PluginLoadError(lacking) if lacking else error) from error
            if blueprint is not None and not blueprint.deferred_functions and not lacking:
                lacking = _left_out(plugin)
            self._host.connect(plugin, blueprint, record.tasks)
            plugin.has_api = blueprint is not None
            record.tasks.clear()
            self._registry.add(LoadedPlugin(plugin, source))
            if lacking:
                self._registry.lack(plugin.identifier, Problem(source, LACKING, lacking))
            return True
        self._registry.forget(plugin)
        return False

    def _add_stores(self, values: list[Any], names: set[str], source: str) -> None:
        """Add the file stores that stand beside a plugin in the published way."""
        for value in {id(value): value for value in values}.values():
            if self._host.is_store(value) and value.__module__ in names:
                with self._problem(source, f"file store {value.name}"):
                    self._host.add_store(value)

    def _requirements(self, plugin: PluginBase, source: str) -> str:
        """Note what a plugin requires; give what it lacks in words, or nothing."""
        with self._problem(source, LACKING):
            text = requirements.requirements_of(plugin)
            if text.strip():
                self._registry.asked[plugin.identifier] = text
            lacking = requirements.missing(requirements.parse(text))
            return requirements.not_installed(lacking) if lacking else ""
        return ""

    def _known_problem(self, candidate: Candidate) -> bool:
        return any(p.source == str(candidate.path) for p in self._registry.problems)

    @contextmanager
    def _problem(
        self, source: str, part: str, path: Path | None = None
    ) -> Iterator[None]:
        """Turn an error into a problem; ``path`` tells what a lost import is for."""
        try:
            yield
        except (Exception, SystemExit) as error:  # plugins may raise anything
            message = (
                self._lacking(source, path) if isinstance(error, ImportError) else ""
            )
            message = message or _told(error)
            LOG.warning("Problem with %s (%s): %s", source, part, message, exc_info=True)
            texts = (source, part, message, traceback.format_exc())
            self._registry.problems.append(Problem(*map(_printable, texts)))

    def _lacking(self, source: str, path: Path | None) -> str:
        """Give what a plugin that cannot be imported lacks, as far as its text tells."""
        text = requirements.read_unloaded(path) if path is not None else ""
        try:
            lacking = requirements.missing(requirements.parse(text))
        except RequirementError:
            return ""
        if text:
            self._registry.asked[source] = text
        return requirements.not_installed(lacking) if lacking else ""


def _told(error: BaseException) -> str:
    said = _said(error)
    if said and isinstance(error, PluginLoadError):
        return said
    return f"{type(error).__name__}: {said}"


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an error of a plugin may fail even at that
        return traceback.format_exception_only(error)[-1].strip()


def _printable(text: str) -> str:
    """Escape what no terminal can take: names of files may be any bytes."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def _left_out(plugin: PluginBase) -> str:
    """Say which package the routes of a plugin need, when they were left out for that."""
    error = swallowed_error(plugin.declared_in or type(plugin).__module__)
    if error is None:
        return ""
    if package := missing_package(error):
        return requirements.not_installed([Requirement(package)])
    return _("without its routes: %(error)s", error=_told(error))


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


def _declares(value: Any, names: set[str]) -> bool:
    """Tell whether a value declares a plugin of the modules of these names."""
    if isinstance(value, PluginBase):
        return value.declared_by_object
    return _is_plugin_class(value) and value.__module__ in names
