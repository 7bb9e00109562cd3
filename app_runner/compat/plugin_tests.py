"""A session of pytest in which the modules of a plugin are imported by their own names.

There is one app, whose context is entered for the whole session, because published
plugins use their object and declare tasks while they are imported.
"""

from __future__ import annotations

from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Any

from app_runner.compat import sources
from app_runner.state import Loading, loading, state_of


class BoundAtOnce(list[Any]):
    """Takes the tasks that are declared and binds each of them."""

    def __init__(self, record: Loading) -> None:
        """Bind to the Celery of the app that modules are imported for."""
        super().__init__()
        self._celery = state_of(record.app).celery

    def append(self, task: Any) -> None:
        """Bind the task; a plugin that is imported anew replaces its tasks."""
        super().append(task)
        self._celery.tasks.pop(task.name, None)
        task.bind(self._celery)


def begin(config: Any) -> None:
    """Make the app and enter it until pytest ends."""
    from app_runner import create_app
    from app_runner.db.engine import DB

    stack = ExitStack()
    config.add_cleanup(stack.close)
    settings = {
        "APP_RUNNER_INSTANCE_FOLDER": stack.enter_context(TemporaryDirectory()),
        "PLUGIN_FOLDERS": [],
        "BROKER_URL": "memory://",
        "EXPOSURE": "local",
    }
    app = create_app(settings)
    sources.install(everywhere=True)
    record = stack.enter_context(loading(app))
    record.tasks = BoundAtOnce(record)
    DB.create_all()

    @stack.callback
    def close() -> None:
        DB.session.remove()
        for engine in DB.engines.values():
            engine.dispose()
