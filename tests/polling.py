"""Waits for what other processes and threads do, without guessing how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds; a loaded machine is slow, a broken promise stays broken.
PATIENCE = 90.0


def wait_for(predicate: Callable[[], T], seconds: float = PATIENCE, what: str = "") -> T:
    """Ask until the answer is true, and give it; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or predicate} did not come true in {seconds} s")
        time.sleep(0.02)
    return found
