"""Finds the import error that a plugin without routes kept to itself.

Published packages import their routes in ``try: … except ImportError: pass``. When a
package is missing that they do not declare, nothing but an empty plugin is left.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path


def swallowed_error(module: str) -> ImportError | None:
    """Import what ``module`` and the packages around it tried to import of their own.

    Gives why it could not be imported, if so.
    """
    for full in _missing(module):
        try:
            importlib.import_module(full)
        except ImportError as error:
            return error
    return None


def _missing(module: str) -> Iterator[str]:
    while module:
        above = module.rpartition(".")[0]
        found = sys.modules.get(module)
        package = module if hasattr(found, "__path__") else above
        for name in _tried(getattr(found, "__file__", None)):
            full = f"{package}.{name}"
            if full not in sys.modules and find_spec(full) is not None:
                yield full
        module = above


def _tried(file: str | None) -> Iterator[str]:
    """Give the names of own modules that are imported inside of a ``try``."""
    try:
        tree = ast.parse(Path(file).read_bytes()) if file else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):  # it came from elsewhere than a file
        return
    for attempt in (node for node in ast.walk(tree) if isinstance(node, ast.Try)):
        for node in ast.walk(attempt):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                yield from [node.module] if node.module else [n.name for n in node.names]


def missing_package(error: ImportError) -> str:
    """Give the name of the package that is not installed, or "" for another reason."""
    top = (error.name or "").partition(".")[0]
    lost = isinstance(error, ModuleNotFoundError) and top and top not in sys.modules
    return top if lost and find_spec(top) is None else ""
