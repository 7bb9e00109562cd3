"""Tasks as the drill's checker sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from app_runner.db import DB
from app_runner.drill.clients import Accepted
from app_runner.tasks import records
from app_runner.tasks.records import Attempt

TaskMaker = Callable[..., Accepted]


@pytest.fixture
def engine(shared_app: Flask) -> Iterator[Engine]:
    """Give the database of the app, whose context is entered."""
    with shared_app.app_context():
        yield DB.engine


@pytest.fixture
def make_task(engine: Engine) -> TaskMaker:
    """Make a task of the drill's plugin and do with its attempt what is asked."""

    def make(
        end: Callable[[int, Attempt], Any] = lambda task_id, attempt: None
    ) -> Accepted:
        task_id = records.start("drill@1-0-0.work", plugin="drill@1-0-0")
        attempt = records.claim(task_id, worker="w", publication_key=None)
        assert attempt is not None
        if end is not None:
            end(task_id, attempt)
        return Accepted(task_id, f"http://runner/tasks/{task_id}-x/", task_id)

    return make
