"""Plugins and problems over HTTP; the routes of plugins themselves are mounted beside."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin

from flask import Response, abort, current_app, redirect, request, url_for
from flask.views import MethodView
from flask_babel import get_locale
from marshmallow import fields

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.documents import Document, cached
from app_runner.api.schemas import MaBaseSchema
from app_runner.errors import without_paths
from app_runner.plugins import virtual
from app_runner.plugins.base import PluginBase
from app_runner.plugins.problems import current_problems
from app_runner.plugins.registry import Problem
from app_runner.state import current_runner

PLUGINS = SecurityBlueprint(
    "plugins-api", __name__, description="The plugins that are served."
)
PROBLEMS = SecurityBlueprint(
    "problems-api", __name__, description="What did not load, and why."
)
#: Seconds that the lists may be old; that of plugins is kept as long before Flask again.
LIST_AGE = 0.5


class PluginSchema(MaBaseSchema):
    """A plugin in the list; ``apiRoot`` has all that it tells about itself."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    identifier = fields.String(required=True)
    api_root = fields.Url(required=True)
    description = fields.String(required=True)
    tags = fields.List(fields.String(), required=True)
    parent = fields.String(
        metadata={"description": "Id of the plugin that offers it; virtual plugins only."}
    )


class PluginListSchema(MaBaseSchema):
    """All plugins, sorted by name and version."""

    plugins = fields.List(fields.Nested(PluginSchema()), required=True)


class ProblemSchema(MaBaseSchema):
    """Why a plugin, or a part of it, does not work; the traceback only in debug mode."""

    source = fields.String(required=True)
    part = fields.String(required=True)
    message = fields.String(required=True)
    traceback = fields.String()


class ProblemListSchema(MaBaseSchema):
    """All problems, in the order they were met."""

    problems = fields.List(fields.Nested(ProblemSchema()), required=True)


@PLUGINS.route("/")
class PluginsView(MethodView):
    """The list of plugins."""

    @PLUGINS.response(HTTPStatus.OK, PluginListSchema())
    def get(self) -> Response:
        """List the plugins."""
        return cached(
            ("plugins", request.scheme, request.host, request.root_path, _language()),
            _list_document,
            LIST_AGE,
        ).response()


def _language() -> str:
    """Give the language of descriptions; plugins without catalogues have but one."""
    return str(get_locale()) if current_runner.registry.is_translated else ""


def _list_document() -> Document:
    plugins = listed()
    return Document.of_json(current_app.json.dumps({"plugins": plugins}).encode())


def listed() -> list[dict[str, Any]]:
    """Write down all plugins, virtual ones behind others of the same name."""
    plugins = [describe(plugin) for plugin in current_runner.registry]
    plugins += [describe_virtual(one) for one in virtual.offered()]
    return sorted(plugins, key=lambda plugin: plugin["name"])


def describe_virtual(one: virtual.Offered) -> dict[str, Any]:
    """Write a virtual plugin down; its own URL, perhaps relative, is its root."""
    return {
        "name": one.name,
        "version": one.version,
        "identifier": one.identifier,
        "apiRoot": urljoin(url_for("plugins-api.PluginsView", _external=True), one.href),
        "description": one.description,
        "tags": list(one.tags),
        "parent": one.parent,
    }


def describe(plugin: PluginBase) -> dict[str, Any]:
    """Write a plugin down as it stands in the list."""
    root = url_for("plugins-api.PluginView", plugin=plugin.identifier, _external=True)
    return {
        "name": plugin.name,
        "version": plugin.version,
        "identifier": plugin.identifier,
        "apiRoot": root,
        "description": str(plugin.told(plugin.description)),
        "tags": list(plugin.tags),
    }


@PLUGINS.route("/<string:plugin>/")
class PluginView(MethodView):
    """A plugin by its name; by its full id when it is virtual or has no routes."""

    @PLUGINS.doc(
        responses={
            "302": {"description": "To the newest version, or to a virtual plugin."},
            "404": {"description": "There is no such plugin."},
        }
    )
    def get(self, plugin: str) -> Any:
        """Redirect from a plugin's name to its newest version (PEP 440)."""
        newest = current_runner.registry.newest(plugin)
        if newest is None:
            found = virtual.find(plugin)
            if found is None:
                abort(HTTPStatus.NOT_FOUND)
            return redirect(describe_virtual(found)["apiRoot"])
        return redirect(url_for("plugins-api.PluginView", plugin=newest.identifier))


@PROBLEMS.route("/")
class ProblemsView(MethodView):
    """The list of problems."""

    @PROBLEMS.response(HTTPStatus.OK, ProblemListSchema())
    def get(self) -> Response:
        """List what did not load, and tables that are not up to date, with the cause."""
        key = ("problems", str(get_locale()))
        return cached(key, _problems_document, LIST_AGE).response()


def _problems_document() -> Document:
    problems = [_problem(problem) for problem in current_problems()]
    return Document.of_json(current_app.json.dumps({"problems": problems}).encode())


def _problem(problem: Problem) -> dict[str, str]:
    """Write a problem down; paths of the machine are for its own people only."""
    open_ = current_app.debug or current_runner.settings["EXPOSURE"] == "local"
    source = problem.source if open_ else problem.source.rpartition("/")[2]
    found = {"source": source, "part": problem.part, "message": problem.message}
    if not open_:
        found["message"] = without_paths(problem.message)
    elif problem.traceback:
        found["traceback"] = problem.traceback
    return found
