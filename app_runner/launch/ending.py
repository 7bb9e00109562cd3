"""Ends families of processes in order; run as a script, it is a supervisor's watchdog.

It stands alone (standard library only, nothing of the package): the watchdog must be
there within milliseconds, before anything else, and work when all the rest is dead.

It reads lines from a pipe whose only lasting writer is the supervisor:
``+ <order> <grace> <pid>`` for a process that was started, ``- <pid>`` for one that has
ended. The end of the pipe is the death of the supervisor, whatever killed it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

HAS_PROC = Path("/proc/self/stat").exists()  # Linux
POLL = 0.05  # seconds between two looks at a process that is asked to end
CENSUS = 0.5  # seconds between two looks at all processes, which costs milliseconds
STUCK = 5.0  # seconds to wait for a killed process; one stuck in the kernel may stay


class Process(NamedTuple):
    """A living process; ``born`` (in the system's unit) guards against reused pids."""

    pid: int
    parent: int
    group: int
    born: str


class Leader(NamedTuple):
    """A process we started as leader of its own group, and how it is ended.

    ``order``: lower ones end first. ``grace``: seconds between SIGTERM and SIGKILL.
    """

    pid: int
    born: str
    order: int
    grace: float


def processes() -> dict[int, Process]:
    """Give all living processes by pid; zombies do not count as living."""
    return from_proc() if HAS_PROC else from_ps()


def born(pid: int) -> str:
    """Give when the process was started, empty when there is no such living process."""
    found = _read_stat(pid) if HAS_PROC else from_ps().get(pid)
    return found.born if found else ""


def is_alive(pid: int, when: str) -> bool:
    """Tell whether this very process (not a later one with its pid) lives."""
    return bool(when) and born(pid) == when


def from_proc() -> dict[int, Process]:
    """Read the process table of Linux."""
    names = (path.name for path in Path("/proc").iterdir())
    found = (_read_stat(int(name)) for name in names if name.isdigit())
    return {process.pid: process for process in found if process}


def _read_stat(pid: int) -> Process | None:
    """Read ``/proc/<pid>/stat``, see proc(5); the name in brackets may hold anything."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if not fields or fields[0] in b"ZX":
        return None
    return Process(pid, int(fields[1]), int(fields[2]), fields[19].decode())


def from_ps() -> dict[int, Process]:
    """Ask ps(1), where there is no /proc (macOS)."""
    command = ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat=,lstart="]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {}
    for line in listing.stdout.splitlines():
        pid, parent, group, state, when = line.split(None, 4)
        if not state.startswith("Z"):
            found[int(pid)] = Process(int(pid), int(parent), int(group), when.strip())
    return found


def family(leader: int) -> dict[int, str]:
    """Give the living members of a group and all that descend from it: pid to birth.

    Descendants count also when they lead sessions of their own (children of a worker do).
    """
    table = processes()
    members = {pid for pid, process in table.items() if process.group == leader}
    before = -1
    while before != len(members):
        before = len(members)
        members |= {pid for pid, process in table.items() if process.parent in members}
    return {pid: table[pid].born for pid in members}


def end_family(
    leader: Leader,
    wait: Callable[[float], None] = time.sleep,
    hurried: Callable[[], bool] = lambda: False,
) -> bool:
    """Ask the leader to end, wait for its grace, kill what is left of its family.

    ``wait`` is called with seconds while there is nothing to do; when ``hurried`` says
    so, the grace is over. Gives whether the leader ended without being killed.
    """
    known: dict[int, str] = {}
    begun = census = time.monotonic()
    if is_alive(leader.pid, leader.born):
        # Descendants first: once the leader is dead nothing links them to it.
        known = family(leader.pid)
        send(signal.SIGTERM, leader.pid)
    while is_alive(leader.pid, leader.born):
        if time.monotonic() > begun + leader.grace or hurried():
            known.update(family(leader.pid))
            break
        if time.monotonic() > census + CENSUS:
            known.update(family(leader.pid))
            census = time.monotonic()
        wait(POLL)
    willing = not is_alive(leader.pid, leader.born)
    known.update(_group_left(leader))
    kill(known)
    _wait_gone(known, wait)
    return willing


def _group_left(leader: Leader) -> dict[int, str]:
    """Give who is left of a group whose leader has ended (its number is still taken)."""
    if born(leader.pid) not in ("", leader.born):
        return {}
    return {p.pid: p.born for p in processes().values() if p.group == leader.pid}


def _wait_gone(known: dict[int, str], wait: Callable[[float], None]) -> None:
    deadline = time.monotonic() + STUCK
    while time.monotonic() < deadline:
        if not any(is_alive(pid, when) for pid, when in known.items()):
            return
        wait(POLL)


def kill(known: dict[int, str]) -> None:
    """Send SIGKILL to those of these processes that still live."""
    for pid, when in known.items():
        if is_alive(pid, when):
            send(signal.SIGKILL, pid)


def send(number: signal.Signals, pid: int) -> None:
    """Send a signal; a process that has gone meanwhile is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def read_leaders(lines: Iterable[str]) -> list[Leader]:
    """Follow what a supervisor tells until it falls silent; give who then still lives."""
    leaders: dict[int, Leader] = {}
    for line in lines:
        sign, *words = line.split()
        if sign == "+":
            order, grace, pid = int(words[0]), float(words[1]), int(words[2])
            leaders[pid] = Leader(pid, born(pid), order, grace)
        else:
            leaders.pop(int(words[0]), None)
    return sorted(leaders.values(), key=lambda leader: leader.order)


def main(pipe: int) -> None:
    """Wait for the supervisor at the pipe's other end to die, then end its children."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with os.fdopen(pipe, encoding="ascii") as lines:
        leaders = read_leaders(lines)
    for leader in leaders:
        end_family(leader)


if __name__ == "__main__":
    main(int(sys.argv[1]))
