"""Decides which modules are in the old style, and runs those with the old habits.

A module is when its source imports the old package, or when the package it lies in is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

from app_runner.compat.habits import BUILTINS
from app_runner.compat.table import OLD_PACKAGE
from app_runner.plugins.modules import PrivateModules

IMPORTS_OLD_PACKAGE = re.compile(
    rb"^[ \t]*(?:from|import)[ \t]+%b\b" % OLD_PACKAGE.encode(), re.MULTILINE
)
#: Where plugins are imported (see `app_runner.plugins.modules`).
PRIVATE_PREFIX = re.compile(r"runner_plugins(_\d+)?\.")


class StyledSource(SourceFileLoader):
    """Loads a module from its source, in the style that it is written in."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        if self._is_old_style(module.__name__):
            module.__dict__["__builtins__"] = BUILTINS
        super().exec_module(module)

    def _is_old_style(self, name: str) -> bool:
        package = sys.modules.get(name.rpartition(".")[0])
        if package is not None and package.__dict__.get("__builtins__") is BUILTINS:
            return True
        return IMPORTS_OLD_PACKAGE.search(self.get_data(self.path)) is not None


class StyledModules(MetaPathFinder):
    """Finds the modules inside plugins, or (``everywhere``) all that are in source."""

    def __init__(self, everywhere: bool = False) -> None:
        """Take how far to look; everywhere is for tests of a plugin."""
        self.everywhere = everywhere

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find as Python does; only the loader differs."""
        if not (self.everywhere or PRIVATE_PREFIX.match(fullname)):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = StyledSource(spec.loader.name, spec.loader.path)
        return spec


def install(everywhere: bool = False) -> StyledModules:
    """Put a finder before Python's own; what comes first already stays first."""
    PrivateModules.source_loader = StyledSource
    finder = StyledModules(everywhere)
    places = [i for i, known in enumerate(sys.meta_path) if known is PathFinder]
    sys.meta_path.insert(places[0] if places else len(sys.meta_path), finder)
    return finder
