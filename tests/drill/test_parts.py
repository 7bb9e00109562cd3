"""The parts of the drill: its log, its crash points, its plugin, its command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_runner.drill import __main__ as command
from app_runner.drill.log import EventLog
from app_runner.drill.programs import NotInTime, wait_until
from app_runner.drill.scene import FULL, SHORT, Drill, Result, percentile

CALL = "from app_runner.crash_points import crash_point; crash_point('here'); print(1)"


def test_events_come_back_in_order(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    assert list(log.read()) == []
    log.add("killed", pid=1)
    log.add("seen", task=2)
    log.add("killed", pid=3)
    assert [event["pid"] for event in log.read("killed")] == [1, 3]
    assert [event["event"] for event in log.read()] == ["killed", "seen", "killed"]


def at_the_point(folder: Path | None) -> subprocess.CompletedProcess[str]:
    variables = {} if folder is None else {"APP_RUNNER_CRASH_POINTS": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", CALL],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )


def test_one_process_dies_at_a_point_for_each_order(tmp_path: Path) -> None:
    (tmp_path / "here.0").touch()
    (tmp_path / "there.0").touch()
    assert at_the_point(tmp_path).returncode == -signal.SIGKILL
    assert at_the_point(tmp_path).stdout == "1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["there.0"]


def test_points_are_inert_without_a_drill() -> None:
    assert at_the_point(None).stdout == "1\n"


def test_waiting_ends() -> None:
    with pytest.raises(NotInTime, match="the moon: not within 0 s"):
        wait_until(lambda: False, 0.1, "the moon")


def test_percentiles_of_few_and_of_no_figures() -> None:
    assert percentile([], 0.99) == 0
    assert percentile([3, 1, 2], 0.99) == 3
    assert percentile(list(range(200)), 0.99) == 198


def test_the_short_drill_dies_at_all_points_in_one_go() -> None:
    short = command.exercises(command.arguments(["--short"]))
    full = command.exercises(command.arguments([]))
    assert {*short, "webhooks"} == full.keys()  # while tasks outlast the visibility
    assert list(command.exercises(command.arguments(["--short", "--only", "webhooks"])))
    assert short["points"] is not full["points"]
    assert list(command.exercises(command.arguments(["--soak"]))) == ["soak"]
    assert command.effort_of(command.arguments(["--short"])).seeds == SHORT.seeds
    assert command.effort_of(command.arguments(["--seeds", "7"])).seeds == 7
    assert command.effort_of(command.arguments([])).kill_tasks == FULL.kill_tasks


def test_exercises_at_once_give_all_their_results() -> None:
    ran = threading.Barrier(2, timeout=20)

    def one(drill: Drill) -> Iterator[Result]:
        """Wait."""
        ran.wait()
        yield Result("one", True, "")

    def other(drill: Drill) -> Iterator[Result]:
        """Wait too."""
        ran.wait()
        yield Result("other", False, "")
        yield Result("more", True, "")

    both = command.at_once(one, other)
    results = list(both(None))  # type: ignore[arg-type]
    assert [result.name for result in results] == ["one", "other", "more"]
    assert both.__doc__ == "Wait.\nWait too."
