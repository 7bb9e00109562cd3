"""Answers imports of the old package from the table; nothing of it lies on a disk."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from app_runner.compat.table import OLD_PACKAGE, TABLE


class OldNames(MetaPathFinder, Loader):
    """Finds the modules of the old package, and loads each attribute on first use."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Know the modules of the table, and no others."""
        if _row(fullname) is None:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        """Let the module look its attributes up in the table."""
        row = _row(module.__name__) or {}
        module.__doc__ = f"Compatible names of {module.__name__}."
        module.__dict__["__all__"] = sorted(row)

        def attribute(name: str) -> Any:
            if name not in row:
                raise AttributeError(
                    f"module {module.__name__!r} has no attribute {name!r}"
                )
            place, _, found = row[name].partition(":")
            return getattr(import_module(place), found)

        module.__dict__["__getattr__"] = attribute


def _row(fullname: str) -> dict[str, str] | None:
    package, _, rest = fullname.partition(".")
    return TABLE.get(rest) if package == OLD_PACKAGE else None


def install() -> bool:
    """Put the finder first on the meta path; tells whether it was not there yet."""
    if any(isinstance(finder, OldNames) for finder in sys.meta_path):
        return False
    sys.meta_path.insert(0, OldNames())
    return True
