"""The supervisor keeps its children running, passes on what they say, ends them."""

from __future__ import annotations

import os
import random
import re
import signal
import time

import pytest

from app_runner.launch.ending import born
from tests.launch.conftest import Started, Starter, until

pytestmark = pytest.mark.integration
IN_ORDER = ["scheduler", "server", "worker", "broker"]


def watchdog_of(started: Started) -> int:
    """Give the watchdog's pid."""
    found = re.search(r"watchdog (\d+)", started.printed)
    assert found
    return int(found[1])


def _serving(start: Starter, *traits: str) -> Started:
    started = start("serving", *traits)
    for name in IN_ORDER:
        started.wait_for(f"began {name}")
    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_in_order(start: Starter, number: signal.Signals) -> None:
    started = _serving(start)
    started.send(number)
    assert started.process.wait(30) == 0
    assert started.asked() == IN_ORDER
    assert started.left() == []
    assert not born(watchdog_of(started))


def test_lines_carry_the_name_of_who_wrote_them(start: Starter) -> None:
    started = _serving(start)
    started.wait_for("worker    | worker is up")
    started.wait_for("worker    | red")
    assert "\x1b" not in started.printed


def test_who_does_not_end_is_killed_with_all_it_has_started(start: Starter) -> None:
    started = _serving(start, "worker:stubborn", "worker:family")
    started.wait_for("began worker-child")
    started.send(signal.SIGTERM)
    assert started.process.wait(30) == 0
    assert started.left() == []
    assert "worker (pid" in started.printed
    assert "did not end and was killed" in started.printed


def test_what_a_willing_child_leaves_behind_is_killed(start: Starter) -> None:
    started = _serving(start, "worker:family")
    started.wait_for("began worker-child")
    started.send(signal.SIGTERM)
    assert started.process.wait(30) == 0
    assert started.left() == []
    assert "was killed" not in started.printed


def test_a_second_signal_hurries(start: Starter) -> None:
    started = _serving(start, "scheduler:stubborn", "server:stubborn", "worker:stubborn")
    begun = time.monotonic()
    started.send(signal.SIGINT)
    started.wait_for("asked scheduler")
    started.send(signal.SIGINT)
    assert started.process.wait(30) == 0
    assert time.monotonic() - begun < 2.5  # three graces of a second otherwise
    assert "asked broker" in started.log


@pytest.mark.parametrize("phase", ["first", "once", "waiting", "serving"])
def test_killed_in_a_phase_it_leaves_nothing(start: Starter, phase: str) -> None:
    started = start(phase)
    begun = {"first": ["broker"], "once": ["broker", "migration"]}.get(phase, IN_ORDER)
    for name in begun:
        started.wait_for(f"began {name}")
    started.send(signal.SIGKILL)
    started.process.wait()
    until(lambda: not started.left())
    assert sorted(started.asked()) == sorted(begun)
    assert started.asked()[-1] == "broker"
    if phase == "serving":
        assert started.asked() == IN_ORDER
        until(lambda: not born(watchdog_of(started)))


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment_it_leaves_nothing(start: Starter, seed: int) -> None:
    started = start("serving", "worker:family", "server:stubborn")
    time.sleep(random.Random(seed).uniform(0, 1.2))  # the moment is what is tested
    started.send(signal.SIGKILL)
    started.process.wait()
    until(lambda: not started.left())


def test_killed_while_ending_it_leaves_nothing(start: Starter) -> None:
    started = _serving(start, "scheduler:stubborn", "worker:stubborn")
    started.send(signal.SIGTERM)
    started.wait_for("asked scheduler")
    started.send(signal.SIGKILL)
    started.process.wait()
    until(lambda: not started.left())


def test_a_killed_watchdog_runs_again_and_does_its_work(start: Starter) -> None:
    started = _serving(start)
    started.wait_for("ready, watchdog")
    os.kill(watchdog_of(started), signal.SIGKILL)
    started.wait_for("The watchdog was killed; it runs again.")
    started.send(signal.SIGKILL)
    started.process.wait()
    until(lambda: not started.left())
    assert started.asked() == IN_ORDER


def test_a_child_that_dies_is_started_again(start: Starter) -> None:
    started = _serving(start)
    started.wait_for("ready")
    os.kill(started.pid_of("worker"), signal.SIGKILL)
    started.wait_for("killed by SIGKILL")
    started.wait_for("worker runs again")
    started.send(signal.SIGTERM)
    assert started.process.wait(30) == 0
    assert started.left() == []


def test_a_child_that_keeps_dying_stops_everything(start: Starter) -> None:
    started = start("serving", "worker:mortal")
    assert started.process.wait(30) == 1
    assert started.printed.count("worker (pid") == 3
    assert "worker keeps dying, so everything stops." in started.printed
    assert "exit code 3" in started.printed
    assert started.left() == []


def test_a_child_that_dies_while_starting_stops_the_start(start: Starter) -> None:
    started = start("waiting", "server:mortal")
    assert started.process.wait(30) == 1
    assert "server ended while starting: exit code 3." in started.printed
    assert started.left() == []


def test_a_command_that_fails_stops_the_start(start: Starter) -> None:
    started = start("once", "migration:mortal")
    assert started.process.wait(30) == 1
    assert "migration failed: exit code 3." in started.printed
    assert started.left() == []


def test_what_is_missing_is_said_when_time_is_over(start: Starter) -> None:
    started = start("late")
    assert started.process.wait(30) == 1
    assert started.printed.rstrip().endswith("last answer: 503")
    assert started.left() == []
