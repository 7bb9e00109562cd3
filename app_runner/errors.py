"""The runner's own exceptions; what each one means, and how HTTP should tell it."""

from __future__ import annotations

import re

from click import ClickException

#: The folders of an absolute path, which mean nothing to users of a runner elsewhere.
FOLDERS = re.compile(r"(?<![\w:/.…])(?:/[\w.@+~-]+)*/(?=[\w.@+~-])")


def without_paths(text: str) -> str:
    """Leave out the folders of absolute paths in ``text``; the last name stays."""
    return FOLDERS.sub("…/", text)


class RunnerError(Exception):
    """Base of all errors that the runner raises on purpose.

    ``str(error)`` is a sentence for a person and says what to do next.
    """


class SettingError(RunnerError, ClickException):
    """A setting has a value that is not allowed; the start stops with this one line."""

    def __init__(
        self, name: str, source: str, allowed: str, value: object = None
    ) -> None:
        """Name the setting, the place its value came from, and what is allowed."""
        shown = "" if value is None else f" is {value!r}, which"
        text = f"Setting {name} (from {source}){shown} is not allowed: {allowed}"
        super().__init__(" ".join(text.split()))


class UserError(RunnerError):
    """A job ends with this text, which is meant for the person who started the task."""


class UnavailableError(RunnerError):
    """Something the runner needs does not answer; the same call may work later."""

    retry_after = 5  # seconds, sent as Retry-After


class BrokerUnavailable(UnavailableError):
    """The message broker took no message within the bound (2 s)."""


class StoreError(RunnerError):
    """A file store could not do what it was asked; the cause is chained."""


class FileMissing(StoreError):
    """There are no bytes under this key (they were deleted, or never committed)."""


class UnknownStore(StoreError):
    """No file store of this name is registered."""


class PluginLoadError(RunnerError):
    """A plugin, or a part of it, cannot be used; the text becomes its problem."""


class SourceError(PluginLoadError):
    """A git source cannot be read, fetched or loaded; no text of it has credentials."""


class RequirementError(PluginLoadError):
    """What a plugin requires cannot be read, resolved or installed."""


class TooManyTasks(UnavailableError):
    """A plugin or a user has as many unfinished tasks as a setting allows."""


class TaskNotFound(RunnerError):
    """There is no task of this id."""


class TaskFinished(RunnerError):
    """The task has ended; nothing can be added to it."""


class StepError(RunnerError):
    """A step was added while one still waits, or answered while none waits."""


class JobExited(RunnerError):
    """A job called ``sys.exit``, which would have ended its worker."""


class JobLost(RunnerError):
    """A job is not begun again, because it was lost too often; the text is for people."""


class LeaseLost(RunnerError):
    """The attempt that speaks no longer holds the task; what it says is refused."""
