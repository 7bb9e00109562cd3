"""What the job of a processor does: finds function, parameters and state of its part."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from flask import url_for
from marshmallow import Schema

from app_runner.api import kept_parameters
from app_runner.api.parameters import schema_of
from app_runner.errors import PluginLoadError
from app_runner.state import CALL_DEPTH
from app_runner.tasks import asking, steps
from app_runner.tasks.asking import Asked
from app_runner.tasks.called import CalledTask
from app_runner.tasks.handle import Output, Task
from app_runner.tasks.recorder import RecordedTask
from app_runner.tasks.records import Attempt

Function = Callable[..., Any]


@dataclass
class Processor:
    """A function of plugin ``plugin`` (id), with what was made from it.

    ``path`` is where it is served, below the plugin; empty for the first.
    """

    plugin: str
    function: Function
    schema: Schema
    outputs: tuple[Output, ...]
    title: str
    path: str = ""
    job: RecordedTask = field(init=False)

    @property
    def name(self) -> str:
        """Give the function's name."""
        return self.function.__name__

    @property
    def description(self) -> str:
        """Give the function's docstring."""
        return inspect.getdoc(self.function) or ""

    def call(self, task: Task, attempt: Attempt) -> str | None:
        """Call the function of the part that runs; `Asked` when it asks the user."""
        function, schema, text = self.function, self.schema, attempt.parameters
        if (part := steps.part_of(attempt)) is not None:
            question, text = part
            CALL_DEPTH.set(max(question.depth, CALL_DEPTH.get()))
            function = self.find(question.then)
            task.state, secrets = question.read()
            task.hide(secrets)
            if question.is_call:
                return cast(str | None, function(task, CalledTask.read(text)))
            schema = self.schema_named(question.parameters)
        given = kept_parameters.from_text(schema, text, task.id)
        task.hide(given.secrets)
        try:
            text_for_log: str | None = called(function, given.values, task)
            return text_for_log
        except Asked as asked:
            if not asked.question.is_call:
                self.schema_named(asked.question.parameters)  # fails now, not in the form
            raise

    def find(self, name: str) -> Any:
        """Give a function or schema of the plugin by the name that was kept."""
        return asking.find(name, self.function.__module__)

    def schema_named(self, name: str) -> Schema:
        """Give the schema of a step; raises `PluginLoadError` when it can be none."""
        return as_schema(self.find(name))

    def step_urls(self, task_id: int, number: int) -> tuple[str, str]:
        """Give where a step is answered: the API and the form, absolute."""
        api, form = (
            url_for(
                f"steps.{view}",
                plugin=self.plugin,
                task_id=task_id,
                number=number,
                _external=True,
            )
            for view in ("StepView", "StepForm")
        )
        return api, form


def called(function: Function, values: Any, *first: Any) -> Any:
    """Call an author's function; a schema may have made one object of the values."""
    if isinstance(values, dict):
        return function(*first, **values)
    return function(*first, values)


def as_schema(source: Any, skipped: int = 1) -> Schema:
    """Make a schema of a schema, a class of schemas, or a function's parameters."""
    if isinstance(source, Schema):
        return source
    if isinstance(source, type) and issubclass(source, Schema):
        return source()
    if callable(source) and not isinstance(source, type):
        return schema_of(source, skipped)
    raise PluginLoadError(f"{source!r} is neither a function nor a marshmallow schema")
