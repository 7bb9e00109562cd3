"""The short drill, on an installation of its own: nothing of it may fail."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.integration
@pytest.mark.timeout(400)
def test_no_task_suffers_from_deaths_and_outages() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app_runner.drill", "--short"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=390,
    )
    assert done.returncode == 0, done.stdout
