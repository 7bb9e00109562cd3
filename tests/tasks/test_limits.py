"""What a job may take, how it is measured, and what is said about it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from flask import Flask

from app_runner.tasks.limits import (
    Limits,
    as_bytes,
    limits_of,
    out_of_memory,
    out_of_time,
    resident,
)

HOLDS_50_MB = "kept = bytearray(50_000_000); print(flush=True); input()"
STARTS_A_PROGRAM = """
import subprocess, sys
print(flush=True)
sys.stdin.buffer.raw.read(1)
subprocess.run([sys.executable, "-c", sys.argv[1]])
"""


@pytest.mark.parametrize(
    ("text", "size"),
    [("2 GB", 2 * 10**9), ("1.5kb", 1500), ("7 B", 7), (12, 12), (None, None)],
)
def test_sizes_are_read(text: str | int | None, size: int | None) -> None:
    assert as_bytes(text) == size


@pytest.mark.parametrize("text", ["", "much", "2", "-1 GB", "1 GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        as_bytes(text)


def test_the_reasons_say_how_much_it_was(app: Flask) -> None:
    used = out_of_memory(2_040_000_000, 2_000_000_000)
    assert used == "The task was stopped at 2.0 GB of 2 GB allowed (memory)."
    assert out_of_time(60) == "The task was stopped after 60 s, the time limit."
    assert "0.5 s" in out_of_time(0.5)


def test_limits_of_a_processor_win_over_the_settings(app: Flask) -> None:
    settings = {"TASK_TIME_LIMIT": 9, "TASK_SOFT_TIME_LIMIT": 8, "TASK_MEMORY_LIMIT": 7}
    assert Limits().completed(settings) == Limits(9, 8, 7)  # type: ignore[arg-type]
    assert Limits(0, 1).completed(settings) == Limits(0, 1, 7)  # type: ignore[arg-type]
    assert limits_of("a job that nobody knows") == Limits(0, 0, 0)


def test_the_memory_of_a_job_is_that_of_its_programs_too() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_A_PROGRAM, HOLDS_50_MB],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as job:
        assert job.stdin
        assert job.stdout
        job.stdout.readline()
        before = resident([job.pid])[job.pid]
        job.stdin.write(b"\n")
        job.stdin.flush()
        job.stdout.readline()
        used = resident([job.pid, 2**22 + 1])
        job.communicate(b"\n")
    assert used.keys() == {job.pid}
    assert used[job.pid] > before + 50_000_000
