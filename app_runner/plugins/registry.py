"""What one app has loaded: its plugins, their objects, and the problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar, cast

from flask import Flask

from app_runner.errors import PluginLoadError
from app_runner.plugins.base import PluginBase

P = TypeVar("P", bound=PluginBase)


@dataclass(frozen=True)
class Problem:
    """Why a plugin, or a part of it, did not load."""

    source: str  # the file, folder or plugin id
    part: str  # what was being done: import, constructor, blueprint, …
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that is served, and the place that it came from."""

    plugin: PluginBase
    source: str


class PluginRegistry:
    """The plugins of one app by id."""

    def __init__(self, app: Flask) -> None:
        """Begin empty."""
        self._app = app
        #: The objects that were built, by class; `instance_of` builds the others.
        self.objects: dict[type[PluginBase], PluginBase] = {}
        self._building: set[type[PluginBase]] = set()
        self._loaded: dict[str, LoadedPlugin] = {}
        self.problems: list[Problem] = []
        #: Requirements as plugins wrote them, by id, or by file when it did not load.
        self.asked: dict[str, str] = {}
        #: What served plugins lack, in words, by id; their tasks are refused.
        self.lacking: dict[str, str] = {}
        #: Whether a plugin brings translations, so that lists differ by language.
        self.is_translated = False

    def instance_of(self, class_: type[P]) -> P:
        """Give the object of ``class_`` in this app; the first call builds it."""
        if class_ not in self.objects:
            if class_ in self._building:
                raise PluginLoadError(
                    f"{class_.__name__}.instance is used in its own making"
                )
            self._building.add(class_)
            try:
                self.objects[class_] = class_(self._app)
            finally:
                self._building.discard(class_)
        return cast(P, self.objects[class_])

    def forget(self, plugin: PluginBase) -> None:
        """Drop the object of a plugin that failed later."""
        self.objects.pop(type(plugin), None)

    def add(self, loaded: LoadedPlugin) -> None:
        """Serve a plugin; raises `PluginLoadError` when its id is taken."""
        self.check_free(loaded.plugin.identifier)
        self._loaded[loaded.plugin.identifier] = loaded
        self.is_translated |= bool(loaded.plugin.translations)

    def lack(self, identifier: str, problem: Problem) -> None:
        """Note that a plugin which is served lacks packages that it needs."""
        self.lacking[identifier] = problem.message
        self.problems.append(problem)

    def check_free(self, identifier: str) -> None:
        """Raise `PluginLoadError` when a plugin of this id is served already."""
        if (other := self._loaded.get(identifier)) is not None:
            raise PluginLoadError(f"{identifier} is already served from {other.source}")

    def get(self, identifier: str) -> LoadedPlugin | None:
        """Find by id."""
        return self._loaded.get(identifier)

    def newest(self, name: str) -> PluginBase | None:
        """Give the newest version (PEP 440) of the plugins of this name.

        Both forms are known: the name, and the name as it stands in ids.
        """
        shown = name.replace(".", "-")
        found = [p for p in self if p.name == name or p.name.replace(".", "-") == shown]
        return max(found, key=lambda plugin: plugin.parsed_version, default=None)

    def __iter__(self) -> Iterator[PluginBase]:
        """Give the plugins, sorted by name and version."""
        plugins = (loaded.plugin for loaded in self._loaded.values())
        return iter(sorted(plugins, key=lambda p: (p.name, p.parsed_version)))

    def __len__(self) -> int:
        """Count the plugins."""
        return len(self._loaded)
