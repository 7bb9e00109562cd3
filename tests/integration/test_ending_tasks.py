"""Running jobs that must end: cancelled, over a limit, or by their own hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import Runner, RunnerFactory
from tests.polling import wait_for

pytestmark = pytest.mark.integration
CANCEL = {"command": "cancel"}


def begin(runner: Runner, path: str, begun: Path, **data: str) -> tuple[str, list[int]]:
    """Submit, wait until the job runs, and give task URL and processes."""
    url = runner.submit(path, begun=str(begun), **data)
    wait_for(begun.exists, what="the begin of the job")
    return url, [int(pid) for pid in begun.read_text().split()]


def cancelled(runner: Runner, url: str) -> None:
    """Cancel a task and wait for its end."""
    answer = runner.client.post(url, json=CANCEL, buffered=True)
    assert answer.status_code == 200, answer.text
    task = runner.ended(url)
    assert (task["status"], task["execution"]["state"]) == ("FAILURE", "cancelled")
    assert "The task was cancelled." in task["log"]
    assert task["outputs"] == []


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # while it was read
        return True


def test_a_job_that_heeds_ends_and_its_plugin_is_told(
    runner: Runner, tmp_path: Path
) -> None:
    url, (pid,) = begin(runner, "endings@1/process/", tmp_path / "begun")
    points = Path(f"/proc/{pid}/oom_score_adj").read_text()
    assert points == "500\n", "jobs go before workers when memory runs out"
    cancelled(runner, url)
    wait_for(lambda: "tidied up" in runner.document(url)["log"], what="on_cancel")
    assert not is_gone(pid), "a job that heeds keeps its process"


def test_a_deaf_job_is_ended_with_all_it_has_started(
    runner: Runner, tmp_path: Path
) -> None:
    url, pids = begin(runner, "endings@1/deaf/process/", tmp_path / "begun")
    cancelled(runner, url)
    wait_for(lambda: all(map(is_gone, pids)), what="the end of all processes")
    wait_for(lambda: "tidied up" in runner.document(url)["log"], what="on_cancel")
    assert not is_gone(runner.worker.pid)


def test_a_chain_that_is_cancelled_does_not_go_on(runner: Runner, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    url, pids = begin(runner, "chains@1/run/", begun)
    cancelled(runner, url)
    wait_for(lambda: all(map(is_gone, pids)), what="the end of the job")
    assert runner.run("jobs@1/run/nothing/")["status"] == "SUCCESS"
    assert not Path(f"{begun}.second").exists()


@pytest.mark.parametrize(
    ("path", "data", "said"),
    [
        ("slow", {}, "The task was stopped after 1 s, the time limit."),
        ("told", {"listen": "false"}, "The task was stopped after 1 s, the time limit."),
        ("greedy", {}, "of 300 MB allowed"),
    ],
)
def test_over_a_limit_a_task_ends_with_the_reason_and_for_good(
    runner: Runner, path: str, data: dict[str, str], said: str
) -> None:
    task = runner.run(f"endings@1/{path}/process/", **data)
    assert task["status"] == "FAILURE"
    assert said in task["log"]
    assert "Traceback" not in task["log"]
    assert task["execution"]["attempt"] == 1


def test_a_job_that_is_told_in_time_can_give_what_it_has(runner: Runner) -> None:
    task = runner.run("endings@1/told/process/", listen="true")
    assert (task["status"], task["log"]) == ("SUCCESS", "half of it")


@pytest.mark.parametrize("way", ["exit", "kill"])
def test_a_job_that_ends_its_process_each_time_fails_and_harms_nobody(
    runner: Runner, way: str, tmp_path: Path
) -> None:
    neighbour, _pids = begin(runner, "endings@1/process/", tmp_path / "begun")
    task = runner.run("endings@1/kills_itself/process/", way=way)
    assert task["status"] == "FAILURE"
    assert "It was tried 3 times; each time" in task["log"]
    assert ("signal 9" if way == "kill" else "code 3") in task["log"]
    assert runner.document(neighbour)["execution"]["attempt"] == 1
    cancelled(runner, neighbour)


def test_a_thread_cannot_be_ended_but_what_it_gives_is_refused(
    make_runner: RunnerFactory, broker_url: str, tmp_path: Path
) -> None:
    runner = make_runner(BROKER_URL=broker_url, pool="threads")
    gate = tmp_path / "gate"
    url = runner.submit("report@1/process/", word="x", fail=str(gate))
    wait_for(lambda: runner.document(url)["execution"]["state"] == "running")
    cancelled(runner, url)
    gate.touch()
    gate.touch()
    wait_for(lambda: "no longer holds task" in runner.worker.printed, what="a refusal")
    assert runner.document(url)["execution"]["state"] == "cancelled"
