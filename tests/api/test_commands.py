"""Commands to a task: subscribe and unsubscribe webhooks."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.db.models import TaskUpdateSubscription
from app_runner.tasks import subscriptions
from tests.api.conftest import assert_error

HOOK = "http://backend:9090/webhooks/7?token=a%20b"


def command(word: str = "subscribe", **more: Any) -> dict[str, Any]:
    return {"command": word, "webhookHref": HOOK, **more}


def subscribed(app: Flask, task_id: int) -> list[tuple[str, str | None]]:
    with app.app_context():
        rows = TaskUpdateSubscription.of_task(task_id)
        return sorted((row.webhook_href, row.event_type) for row in rows)


@pytest.mark.parametrize("event", [None, "status", "steps", "details"])
def test_a_hook_is_subscribed_once_and_unsubscribed(
    app: Flask, client: FlaskClient, task_url: str, task_id: int, event: str | None
) -> None:
    for _ in range(2):
        answer = client.post(task_url, json=command(event=event))
        assert answer.status_code == 200, answer.text
        assert answer.get_json() == client.get(task_url).get_json()
    assert subscribed(app, task_id) == [(HOOK, event)]
    assert client.post(task_url, json=command("unsubscribe")).status_code == 200
    assert subscribed(app, task_id) == []


def test_the_event_may_be_left_out_and_json_may_have_capitals(
    app: Flask, client: FlaskClient, task_url: str, task_id: int
) -> None:
    body = b'{"command": "subscribe", "webhookHref": "http://backend:9090/webhooks/7"}'
    answer = client.post(task_url, data=body, content_type="application/JSON")
    assert answer.status_code == 200
    assert subscribed(app, task_id) == [("http://backend:9090/webhooks/7", None)]


def test_unsubscribing_one_event_leaves_the_others(
    app: Flask, client: FlaskClient, task_url: str, task_id: int
) -> None:
    for event in ("status", "steps"):
        client.post(task_url, json=command(event=event))
    client.post(task_url, json=command("unsubscribe", event="status"))
    assert subscribed(app, task_id) == [(HOOK, "steps")]


def test_unsubscribing_a_stranger_is_fine(client: FlaskClient, task_url: str) -> None:
    assert client.post(task_url, json=command("unsubscribe")).status_code == 200


def test_a_task_has_only_so_many_subscriptions(
    app: Flask,
    client: FlaskClient,
    task_url: str,
    task_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "MOST", 3)
    hooks = [f"http://hook-{number}.example/" for number in range(5)]
    answers = [client.post(task_url, json=command(webhookHref=hook)) for hook in hooks]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 422, 422]
    assert "at most 3 subscriptions" in assert_error(answers[3], 422)["message"]
    again = client.post(task_url, json=command(webhookHref=hooks[0]))
    assert again.status_code == 200
    assert [hook for hook, _ in subscribed(app, task_id)] == hooks[:3]


WRONG: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, {"command", "webhookHref"}),
    "unknown_command": (command("cancel-all"), {"command"}),
    "unknown_event": (command(event="finished"), {"event"}),
    "empty_event": (command(event=""), {"event"}),
    "event_of_another_type": (command(event=["status"]), {"event"}),
    "unknown_field": (command(url="x"), {"url"}),
    "no_url": (command(webhookHref="nowhere"), {"webhookHref"}),
    "relative": (command(webhookHref="/hook"), {"webhookHref"}),
    "null": (command(webhookHref=None), {"webhookHref"}),
    "empty": (command(webhookHref=""), {"webhookHref"}),
    "blank": (command(webhookHref=" "), {"webhookHref"}),
    "object": (command(webhookHref={"a": 1}), {"webhookHref"}),
    "file": (command(webhookHref="file:///etc/passwd"), {"webhookHref"}),
    "data": (command(webhookHref="data:,x"), {"webhookHref"}),
    "script": (command(webhookHref="javascript:alert(1)"), {"webhookHref"}),
    "line_break": (command(webhookHref="http://a/\r\nX: y"), {"webhookHref"}),
    "nul": (command(webhookHref="http://a/\0"), {"webhookHref"}),
    "bad_port": (command(webhookHref="http://a:99999/"), {"webhookHref"}),
    "bad_address": (command(webhookHref="http://[::x]/"), {"webhookHref"}),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_command_names_what_is_wrong(
    app: Flask, client: FlaskClient, task_url: str, task_id: int, case: str
) -> None:
    sent, wrong = WRONG[case]
    errors = assert_error(client.post(task_url, json=sent), 422)["errors"]
    assert set(errors["json"]) == wrong
    assert subscribed(app, task_id) == []


def test_a_wrong_receiver_is_not_called_missing_too(
    client: FlaskClient, task_url: str
) -> None:
    answer = client.post(task_url, json=command(webhookHref="nowhere"))
    errors = assert_error(answer, 422)["errors"]["json"]
    assert errors == {"webhookHref": ["Not a valid URL."]}


@pytest.mark.parametrize("sent", [{"command": "stop"}, {"command": 1}, ["cancel"], "x"])
def test_what_is_no_command_is_not_asked_for_a_receiver(
    client: FlaskClient, task_url: str, sent: object
) -> None:
    errors = assert_error(client.post(task_url, json=sent), 422)["errors"]["json"]
    assert "webhookHref" not in errors
