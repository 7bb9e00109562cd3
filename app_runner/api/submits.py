"""What every POST to a plugin has, whatever the plugin: tasks know their origin."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache, wraps
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any

from apispec.ext.marshmallow.common import resolve_schema_instance
from flask import Blueprint, Flask, abort, after_this_request, current_app, g, request
from marshmallow import Schema

from app_runner import submission
from app_runner.api import idempotency
from app_runner.api.arguments import is_json
from app_runner.api.kept_parameters import SEALED
from app_runner.api.passwords import is_password
from app_runner.api.task_execution import is_secret
from app_runner.application import blocking
from app_runner.babel import gettext as _
from app_runner.plugins.base import PluginBase
from app_runner.plugins.git import commit_of
from app_runner.state import current_runner
from app_runner.tasks.calls import DEPTH_HEADER
from app_runner.tasks.sealing import seal

#: Bytes of a body whose fields are kept with the task, to run it again.
MOST_KEPT = 1_000_000


def watch(app: Flask, blueprint: Blueprint, plugin: PluginBase, before: int) -> None:
    """Let tasks that start at ``blueprint`` know plugin, version, commit, entry point.

    The blueprint itself is left alone: it may be served by several apps. ``before`` is
    how many views the app had without it.
    """
    identifier = plugin.identifier

    @cache
    def origin() -> dict[str, Any]:
        loaded = current_runner.registry.get(identifier)
        commit = commit_of(Path(loaded.source)) if loaded else None
        known = {"name": plugin.name, "version": plugin.version, "commit": commit}
        secrets = _secret_names(blueprint)
        return known | ({"secrets": secrets} if secrets else {})

    def begin() -> Any:
        note_call_depth()
        came_to = {**origin(), "entryPoint": request.path}
        begun = submission.Submission(identifier, came_to)
        if not plugin.declared_by_object:  # its rows have the parameters as sent
            begun.sent = lambda: _sent(origin().get("secrets", ()))
        submission.begin(begun)
        after_this_request(idempotency.end)
        return idempotency.begin(begun)

    for endpoint, view in islice(app.view_functions.items(), before, None):
        if endpoint.startswith(f"{blueprint.name}.") and _may_take_posts(view):
            app.view_functions[endpoint] = _after(begin, view)


def _may_take_posts(view: Callable[..., Any]) -> bool:
    """Tell it by the view: asking the map of URLs for each would sort it each time."""
    methods = getattr(view, "methods", None)
    return methods is None or "POST" in methods


def _after(begin: Callable[[], Any], view: Callable[..., Any]) -> Callable[..., Any]:
    """Let a POST begin before it reaches the view; other requests pay nothing."""
    called = blocking(view)

    @wraps(view)
    def submit(*args: Any, **kwargs: Any) -> Any:
        answer = begin() if request.method == "POST" else None
        if answer is not None:
            return answer
        return called(*args, **kwargs)

    return submit


def note_call_depth() -> None:
    """Remember how many tasks stand above what this request starts; 400 for nonsense."""
    if (told := request.headers.get(DEPTH_HEADER)) is None:
        return
    if not (told.isascii() and told.isdigit() and len(told) <= 4):
        abort(HTTPStatus.BAD_REQUEST, _("The depth of calls must be a number."))
    g.call_depth = int(told)


def _sent(secret_names: Collection[str]) -> dict[str, Any] | None:
    """Give the body's fields, secrets sealed; None for what is too large, or no form."""
    if is_json(request.mimetype):
        given = request.get_json(silent=True)
    else:
        lists = request.form.to_dict(flat=False)
        given = {name: v if len(v) > 1 else v[0] for name, v in lists.items()}
    if not isinstance(given, dict) or (request.content_length or 0) > MOST_KEPT:
        return None
    return {
        name: {SEALED: seal(value)} if is_secret(name, value, secret_names) else value
        for name, value in given.items()
    }


def secret_names_of(plugin: str) -> list[str]:
    """Give the names of password fields of a plugin (id)."""
    blueprint = current_app.blueprints.get(plugin)
    return _secret_names(blueprint) if isinstance(blueprint, Blueprint) else []


def _secret_names(blueprint: Blueprint) -> list[str]:
    """Give the names on the wire of password fields in the bodies that are documented."""
    documented = getattr(blueprint, "_docs", {})
    operations = (info for view in documented.values() for info in view.values())
    found = set()
    for operation in operations:
        arguments = operation.get("arguments", {}) if isinstance(operation, dict) else {}
        for argument in arguments.get("parameters", ()):
            schema = resolve_schema_instance(argument.get("schema", Schema()))
            passwords = filter(is_password, schema.fields.values())
            found |= {field.data_key or field.name for field in passwords}
    return sorted(map(str, found))
