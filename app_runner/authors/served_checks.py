"""Looks at what a loaded plugin serves: metadata, schemas, names of tasks, routes."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from flask import Flask
from marshmallow import Schema
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from app_runner.api.schemas import FrontendFormBaseSchema
from app_runner.authors.findings import Finding, Source
from app_runner.authors.scratch import PRIVATE
from app_runner.babel import gettext as _
from app_runner.plugins.base import PluginBase
from app_runner.state import state_of

#: Types of plugins that have a page and start no task.
PAGES = {"visualization", "interaction"}
CORE = ("app-runner.", "celery.")


def findings(app: Flask, source: Source) -> Iterator[Finding]:
    """Look at each plugin, and at the schemas of its modules."""
    app.config["PROPAGATE_EXCEPTIONS"] = True
    for plugin in state_of(app).registry:
        if plugin.has_api:
            yield from _routes(app, source, plugin)
            yield from _metadata(app, plugin)
    yield from _task_names(app)
    for schema in _schemas(source):
        yield from _labels(source, schema)


def _routes(app: Flask, source: Source, plugin: PluginBase) -> Iterator[Finding]:
    prefix = f"/plugins/{plugin.identifier}/"
    for rule in app.url_map.iter_rules():
        is_plain = rule.rule.startswith(prefix) and not rule.arguments
        if is_plain and "GET" in (rule.methods or ()):
            try:
                status = app.test_client().get(rule.rule, buffered=True).status_code
            except Exception as error:  # noqa: BLE001 - a route may raise anything
                yield _broken(source, rule.rule, error)
            else:
                if status >= 500:
                    text = _(
                        "GET %(rule)s answers %(code)d.", rule=rule.rule, code=status
                    )
                    yield Finding(plugin.identifier, text)


def _broken(source: Source, rule: str, error: Exception) -> Finding:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if source.holds(f.filename)]
    place = source.at(own[-1].filename, own[-1].lineno) if own else source.path.name
    cause = traceback.format_exception_only(error)[-1].strip()
    return Finding(place, _("GET %(rule)s fails: %(cause)s", rule=rule, cause=cause))


def _metadata(app: Flask, plugin: PluginBase) -> Iterator[Finding]:
    root = f"/plugins/{plugin.identifier}/"
    try:
        answer = app.test_client().get(root, buffered=True)
        told: Any = answer.get_json(silent=True)
    except Exception:  # noqa: BLE001 - told as a broken route
        return
    if answer.status_code != 200 or not isinstance(told, dict):
        text = _("GET %(rule)s does not give the plugin's metadata.", rule=root)
        yield Finding(plugin.identifier, text)
        return
    if not str(told.get("title") or "").strip():
        yield Finding(plugin.identifier, _("Its metadata have no title."))
    if not str(told.get("description") or "").strip():
        text = _("It has no description: a docstring of the function, or `description`.")
        yield Finding(plugin.identifier, text)
    entry = told.get("entryPoint") or {}
    methods = ("POST", "GET") if told.get("type") in PAGES else ("POST",)
    for key, wanted in (("href", methods), ("uiHref", ("GET",))):
        href = str(entry.get(key) or "")
        if not any(_leads_somewhere(app, root, href, method) for method in wanted):
            text = _(
                "The %(key)s of its entry point (%(href)s) leads to no %(method)s route.",
                key=key,
                href=entry.get(key) or _("nothing"),
                method=wanted[0],
            )
            yield Finding(plugin.identifier, text)


def _leads_somewhere(app: Flask, root: str, href: str, method: str) -> bool:
    if not href:
        return False
    parts = urlsplit(urljoin(f"http://localhost{root}", href))
    if parts.hostname != "localhost":
        return True  # served elsewhere, which is not asked
    try:
        app.url_map.bind("localhost").match(unquote(parts.path), method=method)
    except MethodNotAllowed:
        return False
    except HTTPException as error:
        return error.response is not None  # redirects to the path with a slash
    return True


def _task_names(app: Flask) -> Iterator[Finding]:
    """Two versions of a plugin run side by side, so a name must carry the version."""
    identifiers = [plugin.identifier for plugin in state_of(app).registry]
    names = [
        name
        for name in sorted(state_of(app).celery.tasks)
        if not name.startswith(CORE) and not any(one in name for one in identifiers)
    ]
    if names and identifiers:
        text = _(
            "Names of tasks without the plugin's id: %(names)s. Two versions would take "
            'each other\'s jobs; write name=f"{IDENTIFIER}.…".',
            names=", ".join(names),
        )
        yield Finding(identifiers[0], text)


def _schemas(source: Source) -> list[type[Schema]]:
    """Give the schemas of forms that the plugin's own modules declare."""
    modules = [
        module
        for name, module in list(sys.modules.items())
        if PRIVATE.fullmatch(name)
        and source.holds(getattr(module, "__file__", None) or "")
    ]
    values = [(m.__name__, v) for m in modules for v in vars(m).values()]
    return [
        value
        for name, value in values
        if isinstance(value, type)
        and issubclass(value, FrontendFormBaseSchema)
        and value.__module__ == name
    ]


def _labels(source: Source, schema: type[Schema]) -> Iterator[Finding]:
    try:
        lines, first = inspect.getsourcelines(schema)
        place = inspect.getsourcefile(schema) or source.path
    except (OSError, TypeError):
        return  # made by code, not written down
    try:
        fields = schema().fields
    except Exception as error:  # noqa: BLE001 - a schema of a plugin may raise anything
        text = _("The schema cannot be made: %(cause)s", cause=repr(error))
        yield Finding(source.at(place, first), text)
        return
    for name, field in fields.items():
        if field.dump_only or field.metadata.get("input_type") == "hidden":
            continue
        if not str(field.metadata.get("label") or "").strip():
            text = _("The field `%(name)s` has no label in its metadata.", name=name)
            offset = _line_of(lines, name)
            yield Finding(source.at(place, first + offset), text)


def _line_of(lines: list[str], name: str) -> int:
    assigned = re.compile(rf"\s*{re.escape(name)}\s*[:=]")
    return next((n for n, line in enumerate(lines) if assigned.match(line)), 0)
