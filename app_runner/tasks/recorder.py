"""The object that modules decorate their Celery tasks with; it only records.

Nothing is bound to a Celery app while a module is imported, so a plugin that fails to
load leaves no task behind and two apps each get tasks of their own. `bind` does that when
the plugin has loaded. What the decorator returns finds its task by `current_runner`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, overload

from celery import Celery
from flask import has_app_context
from sqlalchemy.exc import OperationalError

from app_runner.errors import PluginLoadError
from app_runner.state import LOADING, current_runner

#: Module prefix under which plugins are imported (see `app_runner.plugins.modules`).
PRIVATE_PREFIX = re.compile(r"^runner_plugins(_\d+)?\.")


class RecordedTask:
    """A declared task: stands for the one bound to the current runner's Celery."""

    def __init__(
        self, function: Callable[..., Any], name: str, options: dict[str, Any]
    ) -> None:
        """Take the function, the name of the task and Celery's options for it."""
        self.run_function = function
        self.name = name
        self.options = options
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__wrapped__ = function

    def bind(self, celery: Celery) -> Any:
        """Register the task with ``celery`` and give Celery's own task object."""
        options = {"shared": False, "lazy": False, **self.options}
        decorate: Any = celery.task(name=self.name, **options)
        return decorate(self.run_function)

    def __getattr__(self, attribute: str) -> Any:
        """Everything else is asked of the task of the current runner."""
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(current_runner.celery.tasks[self.name], attribute)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task here and now, as Celery's own task objects do."""
        return current_runner.celery.tasks[self.name](*args, **kwargs)

    def __repr__(self) -> str:
        """Name the task."""
        return f"<RecordedTask {self.name}>"


class RecordedHandler(RecordedTask):
    """A function that waits for Celery to be complete: called behind all tasks."""

    def bind(self, celery: Celery) -> Any:
        """Call the function as Celery's signal would, which was sent long before."""
        return self.run_function(sender=celery)


class AfterFinalize:
    """Stands for the signal ``on_after_finalize`` of the Celery that plugins see."""

    def __init__(self, keep: Callable[[RecordedTask], None]) -> None:
        """Take what keeps records."""
        self._keep = keep

    def connect(self, function: Any = None, **_options: Any) -> Any:
        """Let a function be called with ``sender``, the Celery app; also a decorator."""
        if function is None:
            return self.connect
        name = f"{automatic_name(function)} on_after_finalize"
        self._keep(RecordedHandler(function, name, {}))
        return function


class TaskRecorder:
    """Looks like a Celery app to the code that declares and uses tasks."""

    def __init__(self, records: list[RecordedTask] | None = None) -> None:
        """Keep records in ``records``, or in what is being loaded when it is None."""
        self._records = records

    @overload
    def task(self, function: Callable[..., Any], /) -> RecordedTask: ...

    @overload
    def task(self, **options: Any) -> Callable[[Callable[..., Any]], RecordedTask]: ...

    def task(self, *args: Any, **options: Any) -> Any:
        """Declare a task; use with or without options, as Celery's decorator."""
        if len(args) == 1 and callable(args[0]):
            return self._record(args[0], options)
        return lambda function: self._record(function, options)

    def _record(
        self, function: Callable[..., Any], options: dict[str, Any]
    ) -> RecordedTask:
        options = dict(options)
        name = options.pop("name", None) or automatic_name(function)
        recorded = RecordedTask(function, name, options)
        self._keep(recorded)
        return recorded

    @property
    def on_after_finalize(self) -> AfterFinalize:
        """Give the signal whose receivers may add periodic tasks."""
        return AfterFinalize(self._keep)

    def _keep(self, recorded: RecordedTask) -> None:
        if self._records is not None:
            self._records.append(recorded)
        elif (loading := LOADING.get()) is not None:
            loading.tasks.append(recorded)
        elif has_app_context():
            raise PluginLoadError(
                f"task {recorded.name!r} is declared after its plugin was loaded"
            )
        # without any app (in a plain test, say) there is no Celery

    def __getattr__(self, attribute: str) -> Any:
        """Everything else is asked of the Celery app of the current runner."""
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(current_runner.celery, attribute)


def automatic_name(function: Callable[..., Any]) -> str:
    """Name a task after its place inside the plugin: equal on all machines."""
    module = PRIVATE_PREFIX.sub("", function.__module__)
    return f"{module}.{function.__name__}"


def check_names(records: Iterable[RecordedTask], celery: Celery) -> None:
    """Raise `PluginLoadError` when a name is declared twice or taken already."""
    seen: set[str] = set()
    for record in records:
        if record.name in seen or record.name in celery.tasks:
            raise PluginLoadError(f"the task name {record.name!r} is declared twice")
        seen.add(record.name)


@contextmanager
def bound(records: Iterable[RecordedTask], celery: Celery) -> Iterator[None]:
    """Bind tasks to ``celery``; none of them stays when that or the body fails."""
    check_names(records, celery)
    try:
        for record in sorted(records, key=lambda r: isinstance(r, RecordedHandler)):
            record.bind(celery)
        yield
    except BaseException:
        for record in records:
            celery.tasks.pop(record.name, None)
        raise


#: Celery options of jobs that only speak to the database: a database that is away delays
#: them, it does not end the task.
UNTIL_DATABASE_ANSWERS: dict[str, Any] = {
    "autoretry_for": (OperationalError,),
    "max_retries": None,
    "default_retry_delay": 5,
}
#: Declares the tasks of plugins (``CELERY`` of published ones).
CELERY = TaskRecorder()
