"""What is deleted, by whom, and what stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, update

from app_runner.db import DB
from app_runner.db.models import ProcessingTask, TaskFile
from app_runner.db.types import now
from app_runner.state import state_of
from app_runner.tasks import cli, deleting, publication, records, results
from app_runner.tasks.records import TASK
from app_runner.tasks.retention import Purged, Purger, Rule, purge, rule_for, would_purge
from tests.api.conftest import assert_error, path_of

KEEP_ALL = {"RETENTION_AGE": 0, "RETENTION_COUNT": 0, "RETENTION_SIZE": 0}


@pytest.fixture(autouse=True)
def settings(app: Flask) -> Iterator[dict[str, Any]]:
    """Give settings that keep everything, and tables without tasks; restore the first."""
    DB.session.execute(delete(TASK))
    DB.session.commit()
    found = state_of(app).settings
    before = {**found}
    found.update(KEEP_ALL)
    yield found
    found.update(before)


def ended(days: float = 0, plugin: str = "works@1", content: bytes = b"") -> int:
    """Make a task that has ended so many days ago, perhaps with a file."""
    task_id = records.start("x", plugin=plugin)
    if content:
        results.save_file(task_id, content, "out.txt", "custom", "text/plain")
    records.succeed(task_id, "done")
    moment = now() - timedelta(days=days)
    DB.session.execute(
        update(TASK).where(TASK.c.id == task_id).values(finished_at=moment)
    )
    DB.session.commit()
    return task_id


def started(parameters: str = "") -> int:
    """Make a task that waits for a job; its message counts as published."""
    task_id = records.start("x", plugin="works@1", parameters=parameters)
    publication.published(task_id)
    return task_id


def left() -> list[int]:
    DB.session.rollback()
    return [row.id for row in DB.session.query(ProcessingTask).order_by(TASK.c.id)]


def purged() -> Purged:
    counted = Purged()
    for _step in purge(counted):
        pass
    return counted


def file_url(app: Flask, task_id: int) -> str:
    task = records.get(task_id)
    tag = {"file-id": task.files[0].security_tag}
    return path_of(app, "files-api.FileView", file_id=task.files[0].id, **tag)


def test_old_tasks_go_with_their_files(app: Flask, settings: dict[str, Any]) -> None:
    settings["RETENTION_AGE"] = 30
    old, young = ended(31, content=b"12345"), ended(29, content=b"1")
    store = state_of(app).stores[None]
    url, kept = file_url(app, old), set(store.keys())
    assert would_purge() == Purged(1, 5)
    assert left() == [old, young]
    assert purged() == Purged(1, 5)
    assert left() == [young]
    assert len(kept - set(store.keys())) == 1
    client = app.test_client()
    assert_error(client.get(url), 410)
    assert_error(client.get(path_of(app, "tasks-api.TaskView", task_id=old)), 410)
    assert purged() == Purged(0, 0)


def test_the_command_counts_and_deletes(
    app: Flask, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings["RETENTION_AGE"] = 1
    ended(2, content=b"123")
    run = app.test_cli_runner().invoke
    said = run(args=["tasks", "purge", "--dry-run"]).output
    assert said == "1 tasks with 3 bytes of files would be deleted.\n"
    assert len(left()) == 1
    monkeypatch.setattr(cli, "TOLD_EVERY", 0)
    done = run(args=["tasks", "purge"])
    assert done.stdout == "1 tasks with 3 bytes of files were deleted.\n"
    assert done.stderr.splitlines()[-1] == "1 tasks …"
    assert left() == []


def test_the_newest_are_kept_of_each_plugin(settings: dict[str, Any]) -> None:
    settings["RETENTION_COUNT"] = 2
    many = [ended(days) for days in (5, 4, 3, 2)]
    other = ended(9, plugin="other@1")
    assert purged().tasks == 2
    assert left() == sorted([*many[2:], other])


def test_files_are_kept_up_to_a_size(settings: dict[str, Any]) -> None:
    settings["RETENTION_SIZE"] = 10
    small = [ended(days, content=b"12345") for days in (5, 4, 3)]
    nothing = ended(2)
    assert purged() == Purged(1, 5)
    assert left() == sorted([*small[1:], nothing])


def test_a_plugin_may_have_a_rule_of_its_own(
    app: Flask, settings: dict[str, Any]
) -> None:
    settings["RETENTION_AGE"] = 30
    settings["RETENTION_PLUGINS"] = (("works", {"age": 0}), ("o*", {"count": 7}))
    assert rule_for("works@1") == Rule(0, 0, 0)
    assert rule_for("other@1") == Rule(30, 7, 0)
    assert rule_for(None) == Rule(30, 0, 0)
    kept = ended(99)
    ended(99, plugin="other@1")
    assert purged().tasks == 1
    assert left() == [kept]


def test_what_has_not_ended_stays_with_all_that_it_reads(
    app: Flask, settings: dict[str, Any]
) -> None:
    settings["RETENTION_AGE"] = 1
    source = ended(9, content=b"read")
    ended(9, content=b"not read")
    url = f"http://localhost{file_url(app, source)}"
    reader = started(f'{{"table": "{url}"}}')
    assert purged().tasks == 1
    assert left() == [source, reader]
    task_url = path_of(app, "tasks-api.TaskView", task_id=source)
    said = assert_error(app.test_client().delete(task_url), 409)["message"]
    assert said == "A task that has not ended reads its files."
    records.succeed(reader, "read it")
    assert purged().tasks >= 1
    assert left() == [reader]


def test_urls_of_files_are_found_in_any_dress(app: Flask) -> None:
    signed = path_of(app, "files-api.FileView", file_id=7)
    assert re.search("/files/7-", signed)
    for text in (f'"{signed}?file-id=x"', signed.replace("/", "%2F"), str({"a": signed})):
        assert deleting.files_named(text) == {7}
    assert deleting.files_named(signed.replace("7-", "8-")) == set()


def test_a_finished_task_is_deleted_on_request(app: Flask) -> None:
    task_id = started()
    results.save_file(task_id, b"x", "out.txt", "custom", "text/plain")
    url, file = path_of(app, "tasks-api.TaskView", task_id=task_id), file_url(
        app, task_id
    )
    client = app.test_client()
    assert_error(client.delete(url), 409)
    records.succeed(task_id, "done")
    assert client.get(url, buffered=True).status_code == 200
    answer = client.delete(url)
    assert (answer.status_code, answer.data) == (204, b"")
    for method in ("get", "delete"):
        assert_error(getattr(client, method)(url), 410)
    assert_error(client.post(url, json={"command": "cancel"}), 410)
    assert_error(client.get(file), 410)
    never = path_of(app, "tasks-api.TaskView", task_id=task_id + 1)
    assert_error(client.get(never), 404)


def test_ids_of_deleted_rows_are_known_to_have_been(app: Flask) -> None:
    last = ended(content=b"x")
    file_id = records.get(last).files[0].id
    deleting.delete_task(records.get(last))
    assert deleting.was_deleted(ProcessingTask, last)
    assert deleting.was_deleted(TaskFile, file_id)
    assert not deleting.was_deleted(ProcessingTask, last + 1)
    again = ended()
    assert again > last
    assert not deleting.was_deleted(ProcessingTask, again)


def test_one_of_all_workers_purges_when_it_is_due(
    app: Flask, settings: dict[str, Any]
) -> None:
    settings["RETENTION_AGE"] = 1
    first, second = Purger(600), Purger(600)
    ended(2)
    for purger in (first, second):
        purger.tick([])
    assert left() == []
    ended(2)
    for purger in (Purger(600), second):  # both have just looked, and it is not due
        purger.tick([])
    assert len(left()) == 1
