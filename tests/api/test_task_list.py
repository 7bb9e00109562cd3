"""The list of tasks: its pages, its filters, and whose tasks it has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token
from sqlalchemy import text

from app_runner.db import DB
from app_runner.db.models import ProcessingTask
from app_runner.state import state_of
from app_runner.tasks import records
from tests.api.conftest import assert_error
from tests.conftest import AppFactory

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    """Give an app whose tables are empty."""
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def add(number: int, **columns: Any) -> int:
    """Add a task that was submitted ``number`` minutes after the start."""
    at = START + timedelta(minutes=number)
    task = ProcessingTask(f"task {number}", **{"started_at": at, **columns})
    task.save(commit=True)
    return task.id


def names(client: FlaskClient, url: str = "/tasks/", **query: Any) -> list[str]:
    answer = client.get(url, query_string=query or None)
    assert answer.status_code == 200, answer.text
    return [task["name"] for task in answer.get_json()["tasks"]]


def test_pages_go_on_where_they_ended_whatever_is_added(
    app: Flask, client: FlaskClient
) -> None:
    with app.app_context():
        for number in (1, 2, 2, 3, 4):  # two of one time
            add(number)
        first = client.get("/tasks/?limit=2").get_json()
        add(9)
    assert [task["name"] for task in first["tasks"]] == ["task 4", "task 3"]
    second = client.get(first["next"]).get_json()
    assert [task["name"] for task in second["tasks"]] == ["task 2", "task 2"]
    third = client.get(second["next"]).get_json()
    assert [task["name"] for task in third["tasks"]] == ["task 1"]
    assert "next" not in third
    hrefs = [task["href"] for page in (first, second, third) for task in page["tasks"]]
    assert len(set(hrefs)) == 5
    assert all(client.get(href).status_code == 200 for href in hrefs)


def test_filters(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        add(1, plugin="a@1")
        records.succeed(add(2, plugin="a@1"))
        records.fail(add(3, plugin="b@1"), "no")
    assert names(client, plugin="a@1") == ["task 2", "task 1"]
    assert names(client, status="PENDING") == ["task 1"]
    assert names(client, status="SUCCESS", plugin="a@1") == ["task 2"]
    assert names(client, status="FAILURE") == ["task 3"]
    at = (START + timedelta(minutes=2)).isoformat()
    assert names(client, since=at) == ["task 3", "task 2"]
    assert names(client, until=at.replace("+00:00", "Z")) == ["task 1"]
    assert names(client, plugin="c@1") == []


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=201", "limit=x", "status=DONE", "since=yesterday"),
        *("cursor=1", "cursor=999999999999999999-1", "cursor=1-%FF"),
        *("since=0001-01-01T00:00:00%2B23:59", "until=9999-12-31T23:59:59-23:59"),
    ],
)
def test_wrong_queries_are_refused(client: FlaskClient, query: str) -> None:
    assert_error(client.get(f"/tasks/?{query}"), 422)


def test_users_see_their_own_tasks_and_strangers_none(app: Flask) -> None:
    state_of(app).settings["EXPOSURE"] = "private"
    with app.app_context():
        add(1, owner="ada")
        add(2, owner="bob")
        token = create_access_token("ada")
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    assert names(client) == ["task 1"]
    assert_error(app.test_client().get("/tasks/"), 401)


@pytest.mark.parametrize(
    ("narrowed", "index"),
    [
        ("", "ix_task_started"),
        ("plugin = 'a@1' AND", "ix_task_plugin_started"),
        ("owner = 'ada' AND", "ix_task_owner_started"),
        ("task_status = 'FAILURE' AND", "ix_task_status_started"),
    ],
)
def test_each_page_is_one_range_of_an_index(
    app: Flask, narrowed: str, index: str
) -> None:
    """Nothing is sorted or skipped, so the number of finished tasks does not matter."""
    query = f"""EXPLAIN QUERY PLAN SELECT * FROM task WHERE {narrowed}
        started_at <= '2026-01-01' AND (started_at < '2026-01-01' OR id < 7)
        ORDER BY started_at DESC, id DESC LIMIT 50"""  # noqa: S608 - our own texts
    with app.app_context():
        plan = " ".join(str(row) for row in DB.session.execute(text(query)))
    assert index in plan
    assert "TEMP B-TREE" not in plan
