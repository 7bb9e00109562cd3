"""What the main process of a real worker knows of its jobs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.conftest import Runner
from tests.polling import wait_for

pytestmark = pytest.mark.integration


def children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def test_each_child_leads_a_group_of_its_own(runner: Runner) -> None:
    children = wait_for(lambda: children_of(runner.worker.pid))
    assert len(children) == 2
    assert {os.getpgid(child) for child in children} == set(children)
    assert {os.getsid(child) for child in children} == set(children)
