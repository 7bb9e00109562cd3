"""What a request that may start tasks brings along for their rows.

The HTTP layer notes it before a view of a plugin runs; the row of a task takes it over
when it is made, whoever makes it. So published plugins, which know nothing of it, have it
too, and it costs no statement of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import g, has_app_context


@dataclass
class Submission:
    """A request to plugin ``plugin`` (id); ``origin`` is kept with its tasks.

    ``sent`` gives the parameters as they came, for plugins that keep them in a form of
    their own. ``key`` and ``digest`` are those of ``Idempotency-Key``, for one task.
    """

    plugin: str
    origin: Mapping[str, Any] = field(default_factory=dict)
    sent: Callable[[], Any] = lambda: None
    key: str | None = None
    digest: str | None = None
    taken_key: str | None = None  # the same, after a task has taken them
    taken_digest: str | None = None

    def columns(self) -> dict[str, Any]:
        """Give what the row of a new task takes over."""
        sent = self.sent()
        columns = {
            "plugin": self.plugin,
            "origin": {**self.origin, **({} if sent is None else {"sent": sent})},
            "submit_key": self.key,
            "submit_digest": self.digest,
        }
        self.key = self.digest = None  # a second task of the same request has none
        return columns


def begin(submission: Submission | None) -> None:
    """Note what the request that is worked on submits; None: nothing."""
    g.submission = submission


def current() -> Submission | None:
    """Give what is being submitted, if anything is."""
    return g.get("submission") if has_app_context() else None
