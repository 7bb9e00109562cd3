"""Plugins of installed packages: what the entry point group `app_runner.plugins` names.

Their modules are imported by their real names, so two apps of a process share them; the
objects of plugins belong to one app each, and each app binds the tasks.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

from app_runner.plugins.base import PluginBase
from app_runner.state import Loading

GROUP = "app_runner.plugins"
#: Attribute of a module: the tasks that were declared while it was imported.
DECLARED = "__app_runner_tasks__"


@dataclass(frozen=True)
class Installed:
    """An entry point, and the package that brings it."""

    entry: metadata.EntryPoint

    def __str__(self) -> str:
        """Name the package with its version, and the entry point."""
        package = self.entry.dist
        brought = f"{package.name} {package.version}" if package else "?"
        return f"{brought} ({self.entry.value})"


def installed() -> list[Installed]:
    """Give the entry points of the group, sorted by name."""
    entries = metadata.entry_points(group=GROUP)
    return [
        Installed(entry) for entry in sorted(entries, key=lambda e: (e.name, e.value))
    ]


def import_entry(entry: metadata.EntryPoint, record: Loading) -> Any:
    """Import what the entry point names, and remember which tasks that declared.

    A failed import leaves no module of the package that was not there before, so the
    next app declares everything anew.
    """
    package, before = entry.module.partition(".")[0], set(sys.modules)
    try:
        found = entry.load()
    except BaseException:
        for name in set(sys.modules) - before:
            if name == package or name.startswith(f"{package}."):
                del sys.modules[name]
        raise
    module = sys.modules[entry.module]
    if not hasattr(module, DECLARED):
        setattr(module, DECLARED, tuple(record.tasks))
    return found


def modules_of(entry: metadata.EntryPoint) -> list[ModuleType]:
    """Give the module of an entry point and all that are imported below it."""
    below = f"{entry.module}."
    names = [n for n in list(sys.modules) if n == entry.module or n.startswith(below)]
    return [sys.modules[name] for name in names]


def tasks_declared(entry: metadata.EntryPoint) -> Iterator[Any]:
    """Give all tasks that were recorded at the first import, by whichever app."""
    yield from getattr(sys.modules[entry.module], DECLARED, ())


def own_copy(plugin: PluginBase) -> PluginBase:
    """Give an object for one app from the object that all apps share."""
    return copy.copy(plugin)
