"""What authors annotate parameters with, beside plain types: ``text: Text(label="…")``.

A marker says how its parameter is shown and checked. It can be the annotation itself, or
stand inside of ``Annotated``; ``Text() | None`` may be left empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any, ClassVar, Self

from marshmallow import validate

from app_runner.api.parameter_fields import (
    OneOfLoaded,
    OnStep,
    Options,
    labelled,
)
from app_runner.errors import PluginLoadError
from app_runner.plugins.metadata import PluginType

Metadata = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Input:
    """Label and help (Markdown) of a parameter of any type; the base of all markers.

    ``type`` is needed only where the marker itself is the annotation.
    """

    label: str = ""
    help: str = ""
    metadata: Metadata = field(default_factory=dict)
    type: Any = None
    optional: bool = False

    #: The type of the value, and those that may stand before the marker in Annotated.
    default_type: ClassVar[Any] = str
    fits: ClassVar[tuple[Any, ...]] = ()

    @property
    def type_(self) -> Any:
        """Give the type of a parameter that is annotated with the marker alone."""
        return self.type or self.default_type

    def __or__(self, other: None) -> Self:
        """``marker | None``: the parameter may be left empty."""
        if other is not None:
            raise PluginLoadError(f"{other!r} cannot be an alternative to a marker")
        return replace(self, optional=True)

    def validators(self) -> list[validate.Validator]:
        """Give what the value is held to."""
        return []

    def shown(self) -> Metadata:
        """Give what only this kind of marker tells the form."""
        return {}

    def field_metadata(self) -> Metadata:
        """Give what the form shows."""
        known = {"label": self.label, "description": self.help}
        return {**known, **self.shown(), **self.metadata}


@dataclass(frozen=True, kw_only=True)
class Text(Input):
    """A text: ``text: Text(label="Text", multiline=True)``; lengths in characters."""

    multiline: bool = False
    min_length: int = 0
    max_length: int | None = None
    pattern: str | None = None
    fits: ClassVar[tuple[Any, ...]] = (str,)

    def validators(self) -> list[validate.Validator]:
        """Give the bounds of the length, and the pattern (whole text)."""
        checks: list[validate.Validator] = []
        if self.min_length or self.max_length is not None:
            least = self.min_length or None
            checks.append(validate.Length(min=least, max=self.max_length))
        if self.pattern is not None:
            checks.append(validate.Regexp(rf"(?:{self.pattern})\Z"))
        return checks

    def shown(self) -> Metadata:
        """Show a text area when there are several lines."""
        return {"input_type": "textarea"} if self.multiline else {}


@dataclass(frozen=True, kw_only=True)
class Password(Text):
    """A text that is never kept: sealed in the database, ``***`` wherever it is told."""

    def shown(self) -> Metadata:
        """Show dots."""
        return {"input_type": "password"}


@dataclass(frozen=True, kw_only=True)
class Bounded(Input):
    """A value between ``min`` and ``max``, both included."""

    min: Any = None
    max: Any = None

    def validators(self) -> list[validate.Validator]:
        """Give the bounds."""
        if self.min is None and self.max is None:
            return []
        return [validate.Range(min=self.min, max=self.max)]


@dataclass(frozen=True, kw_only=True)
class Number(Bounded):
    """A number; with ``step`` only every so many, from ``min`` (or 0) on."""

    step: float | None = None
    default_type: ClassVar[Any] = float
    fits: ClassVar[tuple[Any, ...]] = (float, int)

    def validators(self) -> list[validate.Validator]:
        """Give the bounds and the steps."""
        if self.step is None:
            return super().validators()
        if self.step <= 0:
            raise PluginLoadError(f"step={self.step} must be greater than 0")
        return [*super().validators(), OnStep(self.step, self.min, self.max)]

    def shown(self) -> Metadata:
        """Show arrows."""
        return {} if self.step is None else {"step": self.step}


@dataclass(frozen=True, kw_only=True)
class Integer(Number):
    """A whole number; ``step`` as for `Number`."""

    default_type: ClassVar[Any] = int
    fits: ClassVar[tuple[Any, ...]] = (int,)


@dataclass(frozen=True, kw_only=True)
class Boolean(Input):
    """A box to tick."""

    default_type: ClassVar[Any] = bool
    fits: ClassVar[tuple[Any, ...]] = (bool,)


@dataclass(frozen=True, kw_only=True)
class Date(Bounded):
    """A day."""

    default_type: ClassVar[Any] = date
    fits: ClassVar[tuple[Any, ...]] = (date,)


@dataclass(frozen=True, kw_only=True)
class DateTime(Bounded):
    """A day and a time of day."""

    default_type: ClassVar[Any] = datetime
    fits: ClassVar[tuple[Any, ...]] = (datetime,)


@dataclass(frozen=True, kw_only=True)
class Choice(Input):
    """One of several: ``Choice(["a", "b"])``, ``Choice({"a": "First"})``.

    A function loads the options whenever a form is shown or checked. If it has a
    parameter, it gets the ``state`` of the step that the task asks with.
    """

    options: Options | Callable[..., Options] = ()
    fits: ClassVar[tuple[Any, ...]] = (str, int, float)

    def __init__(
        self, options: Options | Callable[..., Options] = (), **described: Any
    ) -> None:
        """Take the options, and what every marker takes."""
        object.__setattr__(self, "options", options)
        Input.__init__(self, **described)

    def __or__(self, other: None) -> Self:
        """``Choice(…) | None``: nothing need be chosen."""
        described = {key.name: getattr(self, key.name) for key in fields(Input)}
        return type(self)(self.options, **{**described, "optional": True})

    @property
    def type_(self) -> Any:
        """Give the type of the options."""
        values = [] if callable(self.options) else list(labelled(self.options))
        return self.type or (type(values[0]) if values else str)

    def validators(self) -> list[validate.Validator]:
        """Give the options as a check."""
        if callable(self.options):
            return [OneOfLoaded(self.options)]
        return [validate.OneOf(list(labelled(self.options)))]

    def shown(self) -> Metadata:
        """Show a select box."""
        select: Metadata = {"input_type": "select"}
        if callable(self.options):
            return {**select, "load_options": self.options}
        return {**select, "options": labelled(self.options)}


@dataclass(frozen=True, kw_only=True)
class Upload(Input):
    """A file that the user sends with the form; the function gets an `UploadedFile`."""

    default_type: ClassVar[Any] = bytes


@dataclass(frozen=True, kw_only=True)
class FileInput(Input):
    """A file by its URL; the function gets an `InputFile`."""

    data_type: str = "*"
    content_types: Sequence[str] | str = ("*/*",)

    def shown(self) -> Metadata:
        """Tell the page around the form what fits."""
        types = self.content_types
        types = [types] if isinstance(types, str) else list(types)
        return {"data_input_type": self.data_type, "data_content_types": types}


@dataclass(frozen=True, kw_only=True)
class PluginInput(Input):
    """Another plugin, by its URL; a tag ``!x`` excludes plugins with x."""

    tags: Sequence[str] = ()
    name: str | None = None
    version: str | None = None
    plugin_type: PluginType | None = None

    def shown(self) -> Metadata:
        """Tell the page around the form what fits."""
        wanted: Mapping[str, Any] = {
            "plugin_tags": list(self.tags),
            "plugin_name": self.name,
            "plugin_version": self.version,
            "plugin_type": self.plugin_type,
        }
        return {key: value for key, value in wanted.items() if value is not None}
