"""Starts the processes that are measured, and ends them by their process groups."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

END_SECONDS = 10.0
START_SECONDS = 60.0
POLL_SECONDS = 0.05


class StartFailed(Exception):
    """A process ended early or is not ready in time; the text has the end of its log."""


def free_port() -> int:
    """Give a TCP port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(process: subprocess.Popen[bytes], grace: float = END_SECONDS) -> None:
    """End a process with SIGTERM; after `grace` s SIGKILL what is left of its group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def running(
    command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in its own session during the block; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def wait_until(
    ready: Callable[[], bool],
    process: subprocess.Popen[bytes],
    log: Path,
    seconds: float = START_SECONDS,
) -> float:
    """Poll `ready` until it is true and give the seconds; raises StartFailed."""
    start = time.perf_counter()
    while not ready():
        waited = time.perf_counter() - start
        if process.poll() is not None or waited > seconds:
            tail = log.read_text("utf-8", "replace")[-2000:]
            raise StartFailed(f"{process.args!r} ({process.poll()}):\n{tail}")
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - start


def resident_bytes(pid: int) -> int:
    """Give the resident bytes of a process (proc_pid_statm(5)), 0 without /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Give the seconds of CPU that a process and those it started have used so far.

    User and system time are fields 14 and 15 of proc_pid_stat(5), in clock ticks; 0
    without /proc.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cpu_seconds, children(pid)))


def children(pid: int) -> list[int]:
    """Give the process ids of the direct children (proc_pid_task_children)."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]
