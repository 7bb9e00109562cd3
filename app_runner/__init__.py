"""App Runner: finds plugins, serves their APIs and forms, and runs their long work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from app_runner import answers, application, babel, compat, dispatch, hosting, hot, logs
from app_runner.api import (
    deleted_tasks,
    documents,
    gate,
    idempotency,
    identity,
    login,
    openapi,
    places,
    schedule_cli,
    scheduling,
    task_document,
)
from app_runner.api import errors as api_errors
from app_runner.authors import cli as authors_cli
from app_runner.config import load_settings
from app_runner.db import access_cli, engine
from app_runner.db import cli as db_cli
from app_runner.files import registry as stores
from app_runner.plugins import catalogue
from app_runner.plugins import cli as plugins_cli
from app_runner.tasks import cleaning_up as _cleaning_up  # noqa: F401 - declares jobs
from app_runner.tasks import cli as tasks_cli
from app_runner.tasks import (
    files_cli,
    news,
    queue,
    signing,
    uploads,
    watching,
    webhook_cli,
)
from app_runner.tasks import monitors as _monitors  # noqa: F401 - declares jobs
from app_runner.tasks import plugin_registry as _registry  # noqa: F401 - declares jobs
from app_runner.ui import pages

#: In the order in which they are initialised.
EXTENSIONS = (
    dispatch,  # innermost: it sees what the proxy below has made of the request
    hot,
    application,  # the proxy comes first: everything else sees the client's address
    answers,
    logs,
    babel,
    engine,
    login,
    identity,
    gate,
    deleted_tasks,
    api_errors,
    idempotency,
    documents,
    task_document,
    stores,
    queue,
    news,
    watching,
    scheduling,
    places,
    signing,
    uploads,
    openapi,  # after converters of ids, which rules need
    hosting,  # our own resources, then the plugins: they may use everything above
    pages,
    catalogue,
    db_cli,
    files_cli,
    access_cli,
    plugins_cli,
    tasks_cli,
    webhook_cli,
    schedule_cli,
    authors_cli,
)


def create_app(settings: Mapping[str, Any] | None = None) -> Flask:
    """Make an independent runner; ``settings`` win over all other sources.

    Raises `SettingError` when a setting has a value that is not allowed.
    """
    app = application.build(load_settings(settings), Path(__file__).parent)
    for extension in EXTENSIONS:
        extension.init_app(app)
    return app


compat.install()
