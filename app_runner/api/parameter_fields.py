"""Fields that only parameters of processors have, and choices that are loaded late."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from http import HTTPStatus
from math import floor, ulp
from typing import Any

import marshmallow as ma
from flask import abort
from flask_smorest.fields import Upload as SmorestUpload
from marshmallow import fields, validate
from werkzeug.datastructures import FileStorage

from app_runner.api.fields import CSVList, FileUrl
from app_runner.babel import gettext as _
from app_runner.errors import UserError
from app_runner.tasks.inputs import InputFile

LOG = logging.getLogger(__name__)
#: Set while a job reads what was checked when it was sent.
RESTORING: ContextVar[bool] = ContextVar("app_runner_restoring", default=False)
#: What the step that is shown or answered knows: the state it was asked with.
STEP_STATE: ContextVar[Any] = ContextVar("app_runner_step_state")
Options = Mapping[Any, Any] | Iterable[Any]


@contextmanager
def restoring() -> Iterator[None]:
    """Trust choices that were checked before, since those of today may be others."""
    token = RESTORING.set(True)
    try:
        yield
    finally:
        RESTORING.reset(token)


@contextmanager
def answering(state: Any) -> Iterator[None]:
    """Let options depend on the state of the step that is shown or answered."""
    token = STEP_STATE.set(state)
    try:
        yield
    finally:
        STEP_STATE.reset(token)


class FilledText(fields.String):
    """A text that says something; an empty one is None, or was not sent."""

    def deserialize(
        self,
        value: Any,
        attr: str | None = None,
        data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load; see the class."""
        if isinstance(value, str) and not value.strip():
            value = None if self.allow_none else ma.missing
        return super().deserialize(value, attr, data, **kwargs)


class ChoiceList(CSVList):
    """Some of several options; a text that is an option itself is not split."""

    def _cells(self, value: Any) -> list[Any]:
        cells = super()._cells(value)
        if isinstance(value, str) and cells != [value] and self._is_option(value):
            cells = [value]
        return [cell for cell in cells if cell != ""]

    def chosen(self, text: str) -> list[Any]:
        """Give the texts of the options that ``text`` names, to show them again."""
        try:
            return self._cells(text)
        except ma.ValidationError:
            return [text]

    def _is_option(self, text: str) -> bool:
        if RESTORING.get():  # we wrote the text, with quotes where they are needed
            return False
        try:
            self.element_type.deserialize(text)
        except ma.ValidationError:
            return False
        return True


class UploadField(SmorestUpload):
    """A file that comes with the form; one without a name was not chosen."""

    def deserialize(
        self,
        value: Any,
        attr: str | None = None,
        data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load a file of a multipart form."""
        if isinstance(value, FileStorage) and not value.filename:
            value = None if self.allow_none else ma.missing
        if value not in (None, ma.missing) and not isinstance(value, FileStorage):
            raise ma.ValidationError(_("Send a file, as multipart/form-data."))
        return super().deserialize(value, attr, data, **kwargs)


class InputFileField(FileUrl):
    """The URL of a file; a function gets the file."""

    def for_function(self, url: str) -> InputFile:
        """Give what opens ``url``."""
        types = self.metadata.get("data_content_types") or ()
        types = (types,) if isinstance(types, str) else tuple(types)
        return InputFile(url, types)


class OneOfLoaded(validate.Validator):
    """Checks a choice against options that are loaded at run time."""

    def __init__(self, load: Callable[..., Options]) -> None:
        """Take what loads the options."""
        self.load = load

    def __call__(self, value: Any) -> Any:
        """Give ``value`` back when it is among the options of now."""
        if not RESTORING.get() and value not in list(loaded_options(self.load)):
            raise ma.ValidationError(_("Must be one of the options."))
        return value


class OnStep(validate.Validator):
    """Checks that a number lies on a step, counted from the least one, or from 0."""

    #: Parts of a step that a number may be off, as in browsers: floats are not exact.
    SLACK = Fraction(1, 2**24)

    def __init__(self, step: float, least: float | None, most: float | None) -> None:
        """Take the distance of two steps, and the bounds, which are checked elsewhere."""
        self.step, self.start = _exact(step), _exact(least or 0)
        self.least, self.most = least, most

    @property
    def multiple(self) -> float | None:
        """Give what all numbers are multiples of; None when 0 lies beside the steps."""
        return None if self.start % self.step else _plain(self.step)

    def __call__(self, value: Any) -> Any:
        """Give ``value`` back when it does."""
        if self.least is not None and value < self.least:
            return value
        if self.most is not None and value > self.most:
            return value
        place = (_exact(value) - self.start) / self.step
        slack = Fraction(0)
        if isinstance(value, float):
            slack = max(self.SLACK, Fraction(ulp(value)) / self.step)
        if abs(place - round(place)) > slack:
            raise ma.ValidationError(self._advice(floor(place)))
        return value

    def _advice(self, below: int) -> str:
        lower, upper = (self.start + self.step * n for n in (below, below + 1))
        if self.most is not None and upper > _exact(self.most):
            value = _plain(lower)
            return _("Not an allowed value. The nearest is %(value)s.", value=value)
        return _(
            "Not an allowed value. The nearest are %(lower)s and %(upper)s.",
            lower=_plain(lower),
            upper=_plain(upper),
        )


def _exact(number: float) -> Fraction:
    """Give a number as it is written: 0.1 is a tenth."""
    return Fraction(number if isinstance(number, int) else str(number))


def _plain(number: Fraction) -> float:
    return int(number) if number.denominator == 1 else float(number)


def loaded_options(load: Callable[..., Options]) -> dict[Any, Any]:
    """Load options, as value and label; 503 when the author's function fails.

    A function with a parameter gets the state of the step, ``{}`` where there is none.
    """
    try:
        wants_state = bool(inspect.signature(load).parameters)
        return labelled(load(STEP_STATE.get({})) if wants_state else load())
    except UserError as error:
        abort(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except Exception:  # the author's function may raise anything
        LOG.exception("The options of a parameter cannot be loaded")
        abort(HTTPStatus.SERVICE_UNAVAILABLE, _("The options cannot be loaded now."))


def labelled(options: Options) -> dict[Any, Any]:
    """Give options as a dict of values and labels; plain values label themselves."""
    if isinstance(options, Mapping):
        return dict(options)
    return {option: str(option) for option in options}


def option_extras(schema: ma.Schema) -> dict[str, Any]:
    """Give the options that a form must show and that are only known now, by field."""
    extras = {}
    for name, field in schema.fields.items():
        if load := field.metadata.get("load_options"):
            is_optional = field.allow_none or not field.required
            empty = {"": ""} if is_optional and not field.metadata.get("multiple") else {}
            extras[name] = {"options": {**empty, **loaded_options(load)}}
    return extras
