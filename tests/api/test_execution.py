"""What the document of a task says of its execution: origin, parameters, place."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.api.task_execution import masked, shown_parameters
from app_runner.db import DB
from app_runner.db.models import ProcessingTask
from app_runner.plugins.git import commit_of
from tests.api.conftest import PROCESS
from tests.fixtures import PUBLISHED
from tests.plugins.conftest import app_with


def test_a_submitted_task_knows_its_plugin_and_place(
    client: FlaskClient,
) -> None:
    places = []
    for _ in range(2):
        answer = client.post(PROCESS, data={"title": "ode", "lines": "3"})
        document = client.get(answer.location).get_json()
        execution = document["execution"]
        places.append(execution["queuePosition"])
    assert places == [1, 2]
    assert execution["plugin"] == "poet@1-0-0"
    assert execution["pluginName"] == "poet"
    assert execution["pluginVersion"] == "1.0.0"
    assert execution["pluginCommit"] is None
    assert execution["parameters"] == {"title": "ode", "lines": 3, "rhymes": False}
    assert (execution["state"], execution["worker"]) == ("queued", None)


def test_the_commit_is_that_of_the_fetched_source(tmp_path: Path) -> None:
    (tmp_path / "one.py").touch()
    assert commit_of(tmp_path / "one.py") is None

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    git("checkout", "-q", "--detach")
    assert commit_of(tmp_path / "one.py") == git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ({"text": "a", "n": 1}, {"text": "a", "n": 1}),
        ({"key": {"sealed": "abc"}}, {"key": "***"}),
        ({"file": {"uploaded": 7}}, {"file": {"uploaded": True}}),
        (
            {"dbPassword": "x", "ibmqToken": "y"},
            {"dbPassword": "***", "ibmqToken": "***"},
        ),
        ({"password": "", "maxTokens": 3}, {"password": "", "maxTokens": 3}),
        ({"deep": [{"api_key": "x"}]}, {"deep": [{"api_key": "***"}]}),
        ({"pin": "1234"}, {"pin": "***"}),
        ({"url": "http://me:pw@host/x"}, {"url": "http://***@host/x"}),
    ],
)
def test_secrets_are_not_shown(kept: Any, shown: Any) -> None:
    assert masked(kept, ["pin"]) == shown


def test_text_that_is_no_json_is_not_shown(app: Flask) -> None:
    with app.app_context():
        assert shown_parameters(ProcessingTask("a", parameters="password=x")) is None
        assert shown_parameters(ProcessingTask("a")) is None


def test_a_published_plugins_task_has_its_plugin(tmp_path: Path) -> None:
    with app_with([str(PUBLISHED)], tmp_path, BROKER_URL="memory://") as app:
        client = app.test_client()
        process = "/plugins/greeting@v0-3-0/process/"
        sent = {"inputStr": "you", "apiToken": "abc"}
        answer = client.post(process, data=sent, buffered=True)
        assert answer.status_code == 303, answer.text
        execution = client.get(answer.location, buffered=True).get_json()["execution"]
        with app.app_context():
            kept = DB.session.scalars(DB.select(ProcessingTask)).one().origin
    assert execution["plugin"] == "greeting@v0-3-0"
    assert execution["pluginVersion"] == "v0.3.0"
    assert execution["parameters"] == {"inputStr": "you", "apiToken": "***"}
    assert kept["entryPoint"] == process
    assert "abc" not in json.dumps(kept)
