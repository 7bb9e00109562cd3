"""Plugins of processors as text, driven over HTTP; their jobs run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import pytest
from celery import signals
from flask import Flask
from flask.testing import FlaskClient

from app_runner.db import DB
from app_runner.db.models import ProcessingTask, Step
from app_runner.state import BASE_URL, CALL_DEPTH, OWNER, state_of
from tests.conftest import AppFactory, PluginFolder

HEAD = """
from __future__ import annotations
from datetime import date, datetime, time
from enum import Enum
from typing import Annotated, Literal
from app_runner.plugin_api import *

plugin = Plugin("p", "1")
"""


@dataclass
class Site:
    """An app with one plugin ``p@1``."""

    app: Flask
    sent: list[dict[str, Any]]
    base: str = "http://localhost"

    @property
    def client(self) -> FlaskClient:
        """Give a client."""
        return self.app.test_client()

    @property
    def problems(self) -> list[str]:
        """Give what did not load."""
        return [problem.message for problem in state_of(self.app).registry.problems]

    def plugins(self) -> list[Any]:
        """Give the objects of what did load."""
        return list(state_of(self.app).registry)

    def get(self, path: str = "", **query: Any) -> Any:
        """GET below the plugin."""
        return self.client.get(f"/plugins/p@1/{path}", query_string=query, buffered=True)

    def post(self, path: str, **options: Any) -> Any:
        """POST below the plugin, or to an absolute URL."""
        url = path if "://" in path else f"/plugins/p@1/{path}"
        return self.client.post(url, buffered=True, **options)

    def submit(self, path: str = "process/", **data: Any) -> str:
        """Start a task and give the URL of its document; nothing runs yet."""
        answer = self.post(path, data=data)
        assert answer.status_code == 303, answer.text
        return str(answer.location)

    def work(self) -> None:
        """Run every job that was published."""
        while self.sent:
            self.step()

    def step(self) -> dict[str, Any]:
        """Run the first job that was published, and give its message."""
        message = self.sent.pop(0)
        depth = CALL_DEPTH.set(message["headers"]["call_depth"])
        owner = OWNER.set(message["headers"]["owner"])
        self.run(message["name"], **message["kwargs"])
        CALL_DEPTH.reset(depth)
        OWNER.reset(owner)
        return message

    def run(self, name: str, **kwargs: Any) -> None:
        """Run a job as a worker would, in a context of its own."""
        token = BASE_URL.set(f"{self.base}/")
        with self.app.app_context():
            state_of(self.app).celery.tasks[name](**kwargs)
        BASE_URL.reset(token)

    def document(self, url: str) -> dict[str, Any]:
        """Give the document of a task."""
        found: dict[str, Any] = self.client.get(url, buffered=True).get_json()
        return found

    def done(self, path: str = "process/", **data: Any) -> dict[str, Any]:
        """Start a task, run its jobs, and give its document."""
        url = self.submit(path, **data)
        self.work()
        return self.document(url)

    def result(self, **data: Any) -> Any:
        """Give the log of a task that must end well, read as JSON."""
        task = self.done(**data)
        assert task["status"] == "SUCCESS", task["log"]
        return json.loads(task["log"])

    def content(self, task: dict[str, Any], name: str) -> bytes:
        """Give the bytes of an output."""
        (href,) = (o["href"] for o in task["outputs"] if o["name"] == name)
        content: bytes = self.client.get(href, buffered=True).data
        return content

    def operation(self, path: str, method: str) -> dict[str, Any]:
        """Give an operation of the OpenAPI document."""
        answer = self.client.get("/api-spec.json")
        assert answer.json is not None
        found: dict[str, Any] = answer.json["paths"][f"/plugins/p@1/{path}"][method]
        return found

    def stored(self) -> str:
        """Give all that the rows of tasks and steps hold, as text."""
        with self.app.app_context():
            texts = []
            for model in (ProcessingTask, Step):
                columns = model.__table__.columns.keys()
                for row in DB.session.scalars(DB.select(model)):
                    texts.append(repr([getattr(row, name) for name in columns]))
            return "\n".join(texts)


Load = Callable[..., Site]


@pytest.fixture
def sent() -> Iterator[list[dict[str, Any]]]:
    """Keep what is published; kombu's in-memory transport delivers it to nobody."""
    published: list[dict[str, Any]] = []

    def note(sender: str, body: Any, headers: Any, **_: Any) -> None:
        published.append({"name": sender, "kwargs": body[1], "headers": headers})

    signals.after_task_publish.connect(note, weak=False)
    yield published
    signals.after_task_publish.disconnect(note)


@pytest.fixture
def load(
    make_app: AppFactory, plugin_folder: PluginFolder, sent: list[dict[str, Any]]
) -> Load:
    """Give a function that loads a plugin; ``plugin`` is there already in its source."""

    def make(source: str, **settings: Any) -> Site:
        plugin_folder.add("p.py", HEAD + dedent(source))
        usual = {"BROKER_URL": "memory://", "EXPOSURE": "public", "LOGIN_REQUIRED": False}
        folders = [str(plugin_folder)]
        return Site(make_app(PLUGIN_FOLDERS=folders, **{**usual, **settings}), sent)

    return make
