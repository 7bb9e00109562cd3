"""Fields that only parameters of processors have, and choices that are loaded late."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

import marshmallow as ma
from flask import abort
from flask_smorest.fields import Upload as SmorestUpload
from marshmallow import fields, validate
from werkzeug.datastructures import FileStorage

from app_runner.api.fields import FileUrl
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


class StepsFrom(validate.Validator):
    """Checks that a whole number lies on a step, counted from ``start``."""

    def __init__(self, start: int, step: int) -> None:
        """Take the first number and the distance to the next."""
        self.start, self.step = start, step

    def __call__(self, value: Any) -> Any:
        """Give ``value`` back when it does."""
        if (value - self.start) % self.step:
            text = _(
                "Must be %(start)s or a multiple of %(step)s away from it.",
                start=self.start,
                step=self.step,
            )
            raise ma.ValidationError(text)
        return value


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
            empty = {"": ""} if field.allow_none or not field.required else {}
            extras[name] = {"options": {**empty, **loaded_options(load)}}
    return extras
