"""What jobs print, log and tell, read while they run and after they were killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app_runner.db import DB
from app_runner.db.models import ProcessingTask, TaskLogChunk
from tests.integration.conftest import Runner, running
from tests.integration.talkers import talkers
from tests.polling import wait_for

pytestmark = pytest.mark.integration
TALK = "talker@1-0-0/process/"
SAID = {"printed hello", "WARNING logged hello", "told hello ***", "from a thread"}


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, own_broker: Callable[[], str]
) -> Iterator[Runner]:
    folder = talkers(tmp_path_factory.mktemp("talkers"))
    place = tmp_path_factory.mktemp("site")
    settings: dict[str, Any] = {"pool": "prefork", "BROKER_URL": own_broker()}
    with running(place, [str(folder)], **settings) as found:
        yield found


def log_of(site: Runner, url: str, **query: int) -> dict[str, Any]:
    answer = site.client.get(f"{url}log", query_string=query or None)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_lines_come_while_the_job_runs(site: Runner, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    sent = {"words": "hello", "key": "hunter2", "waitFor": str(go_on)}
    url = site.submit(TALK, **sent)
    wait_for(lambda: set(log_of(site, url)["lines"]) >= SAID, what="the lines")
    running = log_of(site, url)
    assert running["complete"] is False
    assert site.document(url)["progress"] == {
        "start": 0,
        "target": 4,
        "value": 1,
        "unit": "words",
    }
    go_on.touch()
    task = site.ended(url)
    ended = log_of(site, url)
    assert ended["complete"] is True
    assert ended["lines"][: running["next"]] == running["lines"]
    assert ended["lines"][-1] == "begun"
    assert log_of(site, url, offset=1, limit=2)["lines"] == ended["lines"][1:3]
    assert log_of(site, url, offset=99) == {
        **ended,
        "lines": [],
        "offset": 99,
        "next": 99,
    }
    assert task["log"] == "told hello ***\ndone"
    assert task["execution"]["worker"]


def test_a_killed_attempt_keeps_its_lines(site: Runner, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    url = site.submit(TALK, words="hello", end="kill", waitFor=str(go_on))
    wait_for(lambda: "printed hello" in log_of(site, url)["lines"])
    go_on.touch()
    assert site.ended(url)["status"] == "SUCCESS"
    first = log_of(site, url, attempt=1)
    assert first["attempts"] == [1, 2]
    assert "printed hello" in first["lines"]
    assert "begun" not in first["lines"]
    assert "begun" in log_of(site, url)["lines"]


def test_progress_in_a_loop_is_written_seldom_and_its_last_value_always(
    site: Runner,
) -> None:
    task = site.run("talker@1-0-0/count/process/", rounds="300000")
    assert task["progress"]["value"] == 300_000
    seconds = float(task["log"])
    with site.app.app_context():
        revision = DB.session.scalar(
            select(func.max(ProcessingTask.revision)).where(
                ProcessingTask.task_name.endswith("count")
            )
        )
    assert revision is not None
    assert revision <= 4 + 4 * (seconds + 1)  # submit, claim, last value, end


def test_a_flood_of_lines_keeps_the_newest(site: Runner) -> None:
    url = site.submit("talker@1-0-0/chatter/process/", lines="30000")
    site.ended(url)
    end = log_of(site, url, offset=29_999)
    assert end["lines"] == [f"line 29999 {'x' * 80}"]
    assert end["next"] == 30_000
    with site.app.app_context():
        kept = DB.session.scalar(select(func.sum(func.length(TaskLogChunk.content))))
    assert kept is not None
    assert kept < 3_000_000


def test_a_forked_process_writes_nothing_over_the_lines_of_the_job(site: Runner) -> None:
    url = site.submit("talker@1-0-0/family/process/")
    task = site.ended(url)
    told = [f"parent told {number}" for number in range(15)]
    assert task["log"].splitlines() == ["before", *told, "0"]
    assert task["progress"]["unit"] == "parent"
    log = log_of(site, url)
    lines = log["lines"]
    assert len(lines) == log["next"] == 31
    assert not [line for line in lines if line.startswith("child")]


def test_unknown_attempts_are_empty_and_wrong_queries_refused(site: Runner) -> None:
    url = site.submit("talker@1-0-0/chatter/process/", lines="1")
    site.ended(url)
    assert log_of(site, url, attempt=7)["lines"] == []
    for query in ("offset=-1", "limit=0", "attempt=x", "offset=99999999999999999999"):
        assert site.client.get(f"{url}log?{query}").status_code == 422
    assert site.client.get(f"{url}log/").status_code == 200
