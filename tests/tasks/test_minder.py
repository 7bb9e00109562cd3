"""The minder of a worker: it calls what is registered, whatever else fails."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from flask import Flask, current_app

from app_runner.tasks.minder import Job, Minder


def test_one_that_fails_stops_no_other_and_is_said_once(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []
    broken = [True, True, False]

    def fails(jobs: Sequence[Job]) -> None:
        if broken.pop(0):
            raise ValueError("no database")

    def works(jobs: Sequence[Job]) -> None:
        calls.append(current_app.name)

    minder = Minder(app, 30)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            minder.round([fails, works])
    assert calls == ["app_runner"] * 3
    said = [r.getMessage() for r in caplog.records if r.name.endswith("minder")]
    assert said == [
        "Minding the jobs fails: ValueError('no database')",
        "Minding the jobs works again",
    ]


def test_nothing_runs_before_a_job_is_accepted(app: Flask) -> None:
    assert Minder(app, 30).jobs() == []
