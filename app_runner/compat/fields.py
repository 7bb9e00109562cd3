"""Field classes that also take what marshmallow 3 took, as stand-ins for those of 4.

A stand-in is a subclass of the class it stands for, and counts as that class in
``isinstance`` and ``issubclass``, so both kinds live in one schema.
"""

from __future__ import annotations

from abc import ABCMeta
from functools import cache
from inspect import Parameter, isabstract, signature
from typing import Any

from marshmallow import fields

#: Arguments of 3 under their names in 4.
RENAMED = {"missing": "load_default", "default": "dump_default"}
#: Classes of 3 that are abstract in 4, and what they did there.
CONCRETE: dict[type, type] = {fields.Number: fields.Float, fields.Mapping: fields.Dict}
STANDS_FOR = "__stands_for__"


class StandIn(ABCMeta):
    """The class of stand-ins; abstract fields of marshmallow need ``ABCMeta``.

    A stand-in asks as ``type`` does: an abstract class would ask its subclasses in turn,
    of which the stand-in is one.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        """Ask for the class that a stand-in stands for; subclasses answer themselves."""
        real = cls.__dict__.get(STANDS_FOR)
        if real is None:
            return super().__instancecheck__(instance)
        return type.__instancecheck__(real, instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        """Ask for the class that a stand-in stands for; subclasses answer themselves."""
        real = cls.__dict__.get(STANDS_FOR)
        if real is None:
            return super().__subclasscheck__(subclass)
        return type.__subclasscheck__(real, subclass)


@cache
def stand_in(real: Any) -> Any:
    """Give the stand-in for a field class; the same one each time."""
    base = CONCRETE.get(real, real) if isabstract(real) else real
    known = arguments_of(base)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        super(made, self).__init__(*args, **modern(kwargs, known))

    contents = {
        "__init__": __init__,
        "__module__": real.__module__,
        "__qualname__": real.__qualname__,
        "__doc__": real.__doc__,
        STANDS_FOR: real,
    }
    made: Any = StandIn(real.__name__, (base,), contents)
    return made


def arguments_of(class_: type) -> frozenset[str]:
    """Give the names of all keyword arguments that a field class takes."""
    known: set[str] = set()
    for each in class_.__mro__:
        if "__init__" in vars(each):
            parameters = signature(vars(each)["__init__"]).parameters
            known |= parameters.keys()
            if not any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values()):
                break
    return frozenset(known - {"self"})


def modern(arguments: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Give the arguments for 4: some renamed, strangers in the metadata as in 3."""
    given = {RENAMED.get(name, name): value for name, value in arguments.items()}
    given |= {name: value for name, value in arguments.items() if name not in RENAMED}
    stray = {name: value for name, value in given.items() if name not in known}
    taken = {name: value for name, value in given.items() if name in known}
    if stray:
        taken["metadata"] = {**stray, **(taken.get("metadata") or {})}
    return taken


def __getattr__(name: str) -> Any:
    """Give the stand-in for one of our own fields, for the table of old names."""
    from app_runner.api import fields as ours

    if name.startswith("_"):
        raise AttributeError(name)
    return stand_in(getattr(ours, name))
