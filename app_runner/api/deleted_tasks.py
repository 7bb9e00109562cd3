"""Answers 410 in the place of pages of plugins about tasks that were deleted.

A plugin that brings routes of its own may show a step from what is in the URL, and has
then never asked whether the task is still there.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Flask, abort, request

from app_runner.api.converters import SignedIdConverter
from app_runner.babel import gettext as _
from app_runner.db.models import ProcessingTask
from app_runner.tasks.deleting import was_deleted

PLUGINS = "/plugins/"


def refuse_deleted() -> None:
    """Refuse a request below a plugin that names a task which was deleted."""
    if not (request.view_args and request.path.startswith(PLUGINS)):
        return
    rule: Any = request.url_rule
    for name, value in request.view_args.items():
        converter = rule._converters.get(name)
        is_task = isinstance(converter, SignedIdConverter) and converter.kind == "task"
        if is_task and was_deleted(ProcessingTask, int(value)):
            abort(HTTPStatus.GONE, _("The task was deleted."))


def init_app(app: Flask) -> None:
    """Stand before the views, behind who may use them."""
    app.before_request(refuse_deleted)
