"""A client of one plugin: its form, its entry point, its tasks and their files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app_runner.plugins.base import PluginBase
from app_runner.state import state_of
from app_runner.ui.input_values import field_value

#: Runs or awaits jobs until the function it is given says that enough is done.
Work = Callable[[Callable[[], bool]], object]


class Refused(AssertionError):
    """The plugin did not take what was sent; ``errors`` has a list of texts per field."""

    def __init__(self, answer: TestResponse) -> None:
        """Take the answer."""
        body = answer.get_json(silent=True) or {}
        by_location = (body.get("errors") or {}).values()
        self.status: int = answer.status_code
        self.errors: dict[str, Any] = {
            name: texts for found in by_location for name, texts in dict(found).items()
        }
        super().__init__(f"{answer.status}: {answer.text}")


@dataclass(frozen=True)
class Outcome:
    """A task after its jobs ran: what its document says, and its result files."""

    url: str
    document: dict[str, Any]
    files: dict[str, bytes]  # by name

    @property
    def status(self) -> str:
        """Give ``SUCCESS`` or ``FAILURE``; ``PENDING`` while a step waits."""
        return str(self.document["status"])

    @property
    def log(self) -> str:
        """Give the log that the user sees."""
        return str(self.document.get("log") or "")

    @property
    def step(self) -> dict[str, Any] | None:
        """Give the step that waits for the user, if one does (href, uiHref, stepId)."""
        steps = self.document.get("steps") or []
        waiting = [step for step in steps if not step.get("cleared")]
        return waiting[-1] if waiting else None

    def text(self, name: str) -> str:
        """Give a result file as text."""
        return self.files[name].decode()

    def json(self, name: str) -> Any:
        """Give what is in a JSON result file."""
        return json.loads(self.files[name])


class PluginClient:
    """Talks to a plugin as a browser does; ``http`` is the client for everything else."""

    def __init__(self, app: Flask, name: str | None, work: Work) -> None:
        """Take the app, the name of the plugin (None: the only one) and who does jobs."""
        self.app, self._work = app, work
        self.plugin = _plugin(app, name)
        self.root = f"/plugins/{self.plugin.identifier}/"
        self.http: FlaskClient = app.test_client()

    def get(self, path: str = "", **query: Any) -> TestResponse:
        """GET a path below the plugin's root."""
        return self.http.get(
            urljoin(self.root, path), query_string=_sent(query), buffered=True
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """Give what the plugin tells about itself."""
        found: dict[str, Any] = _good(self.get()).get_json()
        return found

    def form(self, **query: Any) -> str:
        """Give the page of the form, filled in from ``query``."""
        return _good(self.get(self.metadata["entryPoint"]["uiHref"], **query)).text

    def submit(self, values: Mapping[str, Any], path: str | None = None) -> Outcome:
        """Send the form to the entry point (or to ``path``) and give what came of it.

        Keys are those of the wire. Values may be Python values; an upload is a tuple of
        a binary stream and a file name. Raises `Refused` unless a task was started.
        """
        href = self.metadata["entryPoint"]["href"] if path is None else path
        return self._post(href, values)

    def answer(self, waiting: Outcome, values: Mapping[str, Any]) -> Outcome:
        """Answer the step that a task waits for, and give what came of it."""
        if waiting.step is None:
            raise AssertionError(f"no step waits; the task says: {waiting.document}")
        return self._post(waiting.step["href"], values)

    def outcome(self, task_url: str) -> Outcome:
        """Give the outcome of a task as it is now."""
        document = _good(self.http.get(task_url, buffered=True)).get_json()
        files = {
            output["name"]: _good(self.http.get(output["href"], buffered=True)).data
            for output in document.get("outputs") or ()
        }
        return Outcome(task_url, document, files)

    def _post(self, path: str, values: Mapping[str, Any]) -> Outcome:
        answer = self.http.post(
            urljoin(self.root, path), data=_sent(values), buffered=True
        )
        if answer.status_code != HTTPStatus.SEE_OTHER:
            raise Refused(answer)
        url = str(answer.location)

        def is_done() -> bool:
            found = Outcome(url, self.http.get(url, buffered=True).get_json(), {})
            return found.status != "PENDING" or found.step is not None

        self._work(is_done)
        return self.outcome(url)


def _plugin(app: Flask, name: str | None) -> PluginBase:
    found = [p for p in state_of(app).registry if name in (None, p.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(p.name for p in state_of(app).registry)
    raise AssertionError(f"override plugin_name with one of: {names or 'none is loaded'}")


def _sent(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give values as a form sends them; None is an input that is not there."""
    return {
        name: value if _is_upload(value) else field_value(value)
        for name, value in values.items()
        if value is not None
    }


def _is_upload(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and hasattr(value[0], "read")


def _good(answer: TestResponse) -> TestResponse:
    if answer.status_code != HTTPStatus.OK:
        raise AssertionError(f"{answer.request.url}: {answer.status}\n{answer.text}")
    return answer
