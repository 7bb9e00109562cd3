"""What the bench starts it ends, with everything that came of it and nothing else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app_runner.bench.processes import (
    StartFailed,
    children,
    cpu_seconds,
    resident_bytes,
    running,
    wait_until,
)

STUBBORN = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.integration
def test_the_whole_group_ends_with_the_block(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running([sys.executable, "-c", STUBBORN], tmp_path, log, {}) as process:
        wait_until(lambda: log.read_text().endswith("\n"), process, log)
        child = int(log.read_text())
        assert children(process.pid) == [child]
        assert resident_bytes(process.pid) > 1_000_000
    assert process.returncode == 0
    deadline = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < deadline, "the child outlives the block"


@pytest.mark.integration
def test_a_process_that_ends_early_is_named_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with (
        running(command, tmp_path, log, {}) as process,
        pytest.raises(StartFailed, match="no such thing"),
    ):
        wait_until(lambda: False, process, log)


def test_memory_of_a_process_that_is_gone_is_zero() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert resident_bytes(process.pid) == 0
    assert children(process.pid) == []


def test_cpu_time_counts_the_children_too() -> None:
    burn = (
        "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        used = cpu_seconds(os.getpid()) - sum(os.times()[:2])
        child.communicate(b"\n")
    assert used > 0.1


def test_memory_is_in_bytes() -> None:
    assert 5_000_000 < resident_bytes(os.getpid()) < 5_000_000_000
