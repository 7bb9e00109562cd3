"""What the document of a task says of its execution: origin, parameters, place."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app_runner.api import task_document
from app_runner.api.task_document import CACHE
from app_runner.api.task_events import Stream
from app_runner.api.task_execution import masked, shown_parameters
from app_runner.db import DB
from app_runner.db.models import Message, ProcessingTask
from app_runner.db.types import now
from app_runner.plugins.git import commit_of
from app_runner.state import state_of
from app_runner.tasks import records
from app_runner.tasks.watching import Seen
from tests.api.conftest import PROCESS, Client
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


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_browser_gets_a_page_of_the_task_and_others_its_document(
    client: FlaskClient,
) -> None:
    url = client.post(PROCESS, data={"title": "ode", "lines": "3"}).location
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = client.get(url, headers=headers)
        assert (answer.mimetype, answer.headers["Vary"]) == ("application/json", "Accept")
    assert client.get(f"{url}?format=json", headers=BROWSER).is_json
    page = client.get(url, headers=BROWSER)
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "Accept" in page.headers["Vary"]
    assert ">poet <small>1.0.0<" in page.text.replace("\n", "").replace("    ", "")
    assert "The task is running." in page.text
    assert '<meta http-equiv="refresh"' in page.text


def test_the_page_of_a_task_links_only_to_the_web(
    app: Flask, client: FlaskClient
) -> None:
    with app.test_request_context():
        task = ProcessingTask("t", data={})
        task.add_next_step("/answer", "javascript:alert(1)", "a", commit=True)
        href = app.url_for("tasks-api.TaskView", task_id=task.id)
    page = client.get(href, headers=BROWSER).text
    assert "The task waits for your input." in page
    assert "javascript:" not in page
    with app.test_request_context():
        records.fail(task.id, "<b>stopped</b>")
    page = client.get(href, headers=BROWSER).text
    assert "&lt;b&gt;stopped" in page
    assert 'data-state="FAILURE">The task failed.' in page
    assert '<meta http-equiv="refresh"' not in page
    assert client.delete(href).status_code == 204
    gone = client.get(href, headers=BROWSER)
    assert (gone.status_code, gone.mimetype) == (410, "text/html")
    assert client.get(href).get_json()["code"] == 410


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


@pytest.fixture
def chains(tmp_path: Path) -> Iterator[FlaskClient]:
    """Give a client of an app with a plugin that starts its own jobs."""
    with app_with([str(PUBLISHED)], tmp_path, BROKER_URL="memory://") as app:
        app.test_client_class = Client
        yield app.test_client()


def greet(client: FlaskClient) -> str:
    sent = {"inputStr": "you"}
    answer = client.post("/plugins/greeting@v0-3-0/process/", data=sent)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def claim_first(client: FlaskClient, **values: Any) -> None:
    """Claim the message of the oldest task, as a worker does."""
    with client.application.app_context():
        first = DB.session.scalars(DB.select(Message).order_by(Message.id)).first()
        assert first is not None
        assert first.task_id is not None
        claimed = {"state": "running", "attempt": 2, "worker": "me@here", **values}
        for name, value in claimed.items():
            setattr(first, name, value)
        DB.session.commit()


def forget_documents(client: FlaskClient) -> None:
    """Let the second pass for which a document of a queued task holds."""
    state_of(client.application).caches[CACHE].clear()


def test_a_task_whose_own_job_runs_is_running(chains: FlaskClient) -> None:
    first, second = greet(chains), greet(chains)
    waiting = chains.get(first).get_json()["execution"]
    assert (waiting["state"], waiting["queuePosition"]) == ("queued", 1)
    assert chains.get(second).get_json()["execution"]["queuePosition"] == 2
    begun = now()
    claim_first(chains, begun_at=begun)
    forget_documents(chains)
    found = chains.get(first).get_json()["execution"]
    assert (found["state"], found["queuePosition"]) == ("running", None)
    assert (found["attempt"], found["maxAttempts"]) == (2, 3)
    assert (found["worker"], found["attempts"]) == ("me@here", [])
    assert found["runningSince"] == begun.isoformat()
    found = chains.get(second).get_json()["execution"]
    assert (found["state"], found["queuePosition"]) == ("queued", 1)
    claim_first(chains, state="queued")  # it was lost
    forget_documents(chains)
    assert chains.get(first).get_json()["execution"] == waiting


def test_a_running_document_of_a_chain_is_short_lived(
    chains: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = greet(chains)
    claim_first(chains)
    monkeypatch.setattr(task_document, "PLACE_SECONDS", 0.0)
    assert chains.get(url).get_json()["execution"]["state"] == "running"
    claim_first(chains, state="queued")
    assert chains.get(url).get_json()["execution"]["state"] == "queued"


def test_lists_and_events_know_jobs_of_chains_too(chains: FlaskClient) -> None:
    greet(chains), greet(chains)
    claim_first(chains)
    newest, oldest = chains.get("/tasks/").get_json()["tasks"]
    assert (newest["state"], newest["attempt"]) == ("queued", 0)
    assert (oldest["state"], oldest["attempt"]) == ("running", 2)
    with chains.application.test_request_context():
        stream = Stream(task_ids(chains)[0], Seen())
        told = [e for e in stream.news() if e.startswith(b"event: status")]
    data = json.loads(told[0].split(b"data: ")[1])
    assert (data["state"], data["worker"]) == ("running", "me@here")
    assert (data["attempt"], data["queuePosition"]) == (2, None)


def task_ids(client: FlaskClient) -> list[int]:
    with client.application.app_context():
        ordered = DB.select(ProcessingTask.id).order_by(ProcessingTask.id)
        return list(DB.session.scalars(ordered))


def test_processors_do_not_ask_the_journal(app: Flask, client: FlaskClient) -> None:
    url = client.post(PROCESS, data={"title": "ode", "lines": "3"}).location
    ran: list[str] = []

    def note(*args: Any) -> None:
        ran.append(args[2])

    with app.app_context():
        engine = DB.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert client.get(url).get_json()["execution"]["state"] == "queued"
        assert client.get("/tasks/").status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert ran
    assert not [sql for sql in ran if "message.begun_at" in sql]
