"""What ``import`` gives to modules that are written for marshmallow 3 and older Flask.

Only modules whose ``__builtins__`` is `BUILTINS` get it (`app_runner.compat.sources`).
All others in the process import the real modules (docs/adr/0011).
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from app_runner.compat.fields import stand_in


class Overlay(ModuleType):
    """A module with some attributes of its own; all others are those of the real one."""

    def __init__(self, name: str) -> None:
        """Take the name of the real module."""
        super().__init__(name)
        self.__dict__["_real"] = import_module(name)

    def __getattr__(self, name: str) -> Any:
        """Give what the real module has."""
        return getattr(self.__dict__["_real"], name)

    def __dir__(self) -> list[str]:
        """Tell what the real module has."""
        return dir(self.__dict__["_real"])


class OldFields(Overlay):
    """``marshmallow.fields`` with arguments as in 3."""

    def __getattr__(self, name: str) -> Any:
        """Give the stand-in for a field class, anything else as it is."""
        found = super().__getattr__(name)
        field = self.__dict__["_real"].Field
        if isinstance(found, type) and issubclass(found, field):
            return stand_in(found)
        return found


def overlays() -> dict[str, Overlay]:
    """Make the modules that differ, by their names."""
    root, utils, flask = map(Overlay, ("marshmallow", "marshmallow.utils", "flask"))
    fields = OldFields("marshmallow.fields")
    for name in ("INCLUDE", "EXCLUDE", "RAISE"):
        utils.__dict__[name] = getattr(root, name)
    root.__dict__.update(fields=fields, utils=utils)
    flask.__dict__["Markup"] = import_module("markupsafe").Markup
    return {module.__name__: module for module in (root, fields, utils, flask)}


OVERLAYS = overlays()


def import_old_style(
    name: str,
    globals: Mapping[str, Any] | None = None,  # noqa: A002 - the names of `__import__`
    locals: Mapping[str, Any] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """Import as the statement does, with an overlay where there is one."""
    module = builtins.__import__(name, globals, locals, fromlist or (), level)
    given = name if fromlist else name.partition(".")[0]
    return module if level else OVERLAYS.get(given, module)


#: The ``__builtins__`` of modules in the old style.
BUILTINS: dict[str, Any] = {**vars(builtins), "__import__": import_old_style}
