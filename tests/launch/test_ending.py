"""Processes are named by pid and birth; both ways to read the process table agree."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from app_runner.launch import ending
from app_runner.launch.ending import Leader, born, family, is_alive, read_leaders


@pytest.mark.skipif(not ending.HAS_PROC, reason="there is no /proc to compare with")
def test_ps_says_what_proc_says() -> None:
    me = os.getpid()
    by_proc, by_ps = ending.from_proc()[me], ending.from_ps()[me]
    assert by_proc[:3] == by_ps[:3] == (me, os.getppid(), os.getpgrp())
    assert by_ps.born


def test_a_zombie_does_not_live() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not born(child.pid)
    child.wait()
    child.stdout.close()


def test_a_birth_belongs_to_one_process() -> None:
    assert is_alive(os.getpid(), born(os.getpid()))
    assert not is_alive(os.getpid(), "1")
    assert not is_alive(os.getpid(), "")


def test_a_family_has_children_in_sessions_of_their_own() -> None:
    code = "import signal; signal.pause()"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        assert child.pid in family(os.getpgrp())
        assert family(child.pid) == {child.pid: born(child.pid)}
    finally:
        child.kill()
        child.wait()


def test_the_watchdog_follows_who_came_and_went() -> None:
    me, parent = os.getpid(), os.getppid()
    lines = [f"+ 3 10.0 {me}\n", f"+ 1 2.5 {parent}\n", "+ 2 1 1\n", "- 1\n"]
    assert read_leaders(lines) == [
        Leader(parent, born(parent), 1, 2.5),
        Leader(me, born(me), 3, 10.0),
    ]
