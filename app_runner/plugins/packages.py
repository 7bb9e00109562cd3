"""Plugins of installed packages: what the entry point group `app_runner.plugins` names.

Their modules are imported by their real names, so two apps of a process share them; the
objects of plugins belong to one app each, and each app binds the tasks.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

from app_runner.plugins.base import PluginBase
from app_runner.state import Loading

GROUP = "app_runner.plugins"
#: Attribute of a module that an entry point names; holds its `Declared`.
DECLARED = "__app_runner_declared__"


@dataclass(frozen=True)
class Declared:
    """What the first import of a module brought, in whichever app that was."""

    tasks: tuple[Any, ...]
    modules: tuple[ModuleType, ...]  # itself, and those below it


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
        modules = _modules_of(entry.module)
        setattr(module, DECLARED, Declared(tuple(record.tasks), modules))
    return found


def declared(entry: metadata.EntryPoint) -> Declared:
    """Give what the first import brought; what others import later is not part of it."""
    found: Declared = getattr(sys.modules[entry.module], DECLARED)
    return found


def _modules_of(name: str) -> tuple[ModuleType, ...]:
    names = [n for n in list(sys.modules) if n == name or n.startswith(f"{name}.")]
    return tuple(sys.modules[n] for n in names)


def own_copy(plugin: PluginBase) -> PluginBase:
    """Give an object for one app from the object that all apps share."""
    return copy.copy(plugin)
