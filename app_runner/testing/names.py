"""Lets a test import a plugin by its top-level name: an alias, never a second copy."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from flask import Flask

from app_runner.authors.scratch import PRIVATE
from app_runner.plugins.modules import Candidate
from app_runner.state import loading


class _Alias(Loader):
    """Gives a module that is imported already, as it is."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has put the alias there


class _Names(MetaPathFinder):
    """Knows the plugin's top-level name and all below it."""

    def __init__(self, app: Flask, name: str, private: str) -> None:
        self._app, self._name, self._private = app, name, private

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name and not fullname.startswith(f"{self._name}."):
            return None
        private = self._private + fullname.removeprefix(self._name)
        with loading(self._app):  # it may be the first import of this part
            try:
                module = import_module(private)
            except ModuleNotFoundError as error:
                if error.name == private:
                    return None
                raise
        is_package = hasattr(module, "__path__")
        return ModuleSpec(fullname, _Alias(module), is_package=is_package)


@contextmanager
def imported_by_name(app: Flask, plugin: Path) -> Iterator[ModuleType]:
    """Give the plugin's module; inside, its top-level name means what the app loaded."""
    candidate = Candidate(plugin)
    private = _private_name(candidate)
    finder, name = _Names(app, candidate.stem, private), candidate.stem
    hidden = {k: m for k, m in sys.modules.items() if _below(k, name)}
    for known in hidden:
        del sys.modules[known]
    sys.meta_path.insert(0, finder)
    try:
        yield sys.modules[private]
    finally:
        sys.meta_path.remove(finder)
        for known in [k for k in sys.modules if _below(k, name)]:
            del sys.modules[known]
        sys.modules.update(hidden)


def _below(name: str, top: str) -> bool:
    return name == top or name.startswith(f"{top}.")


def _private_name(candidate: Candidate) -> str:
    found = [
        name
        for name, module in list(sys.modules.items())
        if PRIVATE.fullmatch(name) and _is_at(module, candidate.file)
    ]
    if not found:
        raise AssertionError(f"{candidate.path} is not loaded")
    return found[-1]


def _is_at(module: ModuleType, file: Path) -> bool:
    place = getattr(module, "__file__", None)
    return place is not None and Path(place).resolve() == file.resolve()
