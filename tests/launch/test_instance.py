"""One start per instance folder; what a killed one leaves is ended by the next."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app_runner.launch.ending import born
from app_runner.launch.instance import (
    InstanceLock,
    StartRecord,
    read_record,
    record_path,
    write_record,
)
from app_runner.launch.supervisor import LaunchError


def test_a_second_start_is_refused_and_told_who_has_the_folder(tmp_path: Path) -> None:
    with (
        InstanceLock(tmp_path),
        pytest.raises(LaunchError, match=rf"in use by a runner \(pid {os.getpid()}\)"),
    ):
        InstanceLock(tmp_path).__enter__()
    with InstanceLock(tmp_path):
        pass


def test_another_folder_is_free(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with InstanceLock(tmp_path), InstanceLock(tmp_path / "other"):
        assert read_record(tmp_path).is_current


def test_the_record_is_gone_afterwards(tmp_path: Path) -> None:
    with InstanceLock(tmp_path):
        assert record_path(tmp_path).stat().st_mode & 0o077 == 0
    assert not record_path(tmp_path).exists()


def test_a_record_of_a_dead_runner_locks_nothing(tmp_path: Path) -> None:
    # The pid lives (it is ours), but was not born when the record says.
    write_record(tmp_path, StartRecord(os.getpid(), "1"))
    assert not read_record(tmp_path).is_current
    with InstanceLock(tmp_path):
        assert read_record(tmp_path).is_current


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pid": 1, "strange": 2}', "null"])
def test_a_broken_record_counts_as_none(tmp_path: Path, text: str) -> None:
    record_path(tmp_path).write_text(text)
    assert read_record(tmp_path) == StartRecord()


def test_a_lock_that_a_dying_runner_still_holds_is_waited_for(tmp_path: Path) -> None:
    with (tmp_path / "start.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LaunchError, match="earlier start still use"):
            InstanceLock(tmp_path, seconds=0.2).__enter__()


def test_what_outlived_a_killed_runner_is_ended(tmp_path: Path) -> None:
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True
    )
    record = StartRecord(
        1, "never", processes=[("worker", sleeper.pid, born(sleeper.pid))]
    )
    write_record(tmp_path, record)
    with InstanceLock(tmp_path):
        assert sleeper.wait(10) == -15


def test_a_reused_pid_is_left_alone(tmp_path: Path) -> None:
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True
    )
    try:
        write_record(
            tmp_path, StartRecord(1, "", processes=[("worker", sleeper.pid, "1")])
        )
        with InstanceLock(tmp_path):
            assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()
