"""Plugins and problems over HTTP; the routes of plugins themselves are mounted beside."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, abort, current_app, redirect, request, url_for
from flask.views import MethodView
from marshmallow import fields

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.documents import Document, cached
from app_runner.api.schemas import MaBaseSchema
from app_runner.errors import without_paths
from app_runner.plugins.base import PluginBase
from app_runner.plugins.registry import Problem
from app_runner.state import current_runner

PLUGINS = SecurityBlueprint(
    "plugins-api", __name__, description="The plugins that are served."
)
PROBLEMS = SecurityBlueprint(
    "problems-api", __name__, description="What did not load, and why."
)
#: Seconds that the list of plugins may be old; it is kept as long again before Flask.
LIST_AGE = 0.5


class PluginSchema(MaBaseSchema):
    """A plugin in the list; ``apiRoot`` has all that it tells about itself."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    identifier = fields.String(required=True)
    api_root = fields.Url(required=True)
    description = fields.String(required=True)
    tags = fields.List(fields.String(), required=True)


class PluginListSchema(MaBaseSchema):
    """All plugins, sorted by name and version."""

    plugins = fields.List(fields.Nested(PluginSchema()), required=True)


class ProblemSchema(MaBaseSchema):
    """Why a plugin, or a part of it, did not load; the traceback only in debug mode."""

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
            ("plugins", request.scheme, request.host, request.root_path),
            _list_document,
            LIST_AGE,
        ).response()


def _list_document() -> Document:
    plugins = [describe(plugin) for plugin in current_runner.registry]
    return Document.of_json(current_app.json.dumps({"plugins": plugins}).encode())


def describe(plugin: PluginBase) -> dict[str, Any]:
    """Write a plugin down as it stands in the list."""
    root = url_for("plugins-api.PluginView", plugin=plugin.identifier, _external=True)
    return {
        "name": plugin.name,
        "version": plugin.version,
        "identifier": plugin.identifier,
        "apiRoot": root,
        "description": str(plugin.description),
        "tags": list(plugin.tags),
    }


@PLUGINS.route("/<string:plugin>/")
class PluginView(MethodView):
    """A plugin by its name; by its full id when it has no routes of its own."""

    @PLUGINS.doc(
        responses={
            "302": {"description": "To the newest version of the plugin."},
            "404": {"description": "There is no such plugin."},
        }
    )
    def get(self, plugin: str) -> Any:
        """Redirect from a plugin's name to its newest version (PEP 440)."""
        newest = current_runner.registry.newest(plugin)
        if newest is None:
            abort(HTTPStatus.NOT_FOUND)
        return redirect(url_for("plugins-api.PluginView", plugin=newest.identifier))


@PROBLEMS.route("/")
class ProblemsView(MethodView):
    """The list of problems."""

    @PROBLEMS.response(HTTPStatus.OK, ProblemListSchema())
    def get(self) -> Response:
        """List what did not load, with its cause."""
        return cached(("problems",), _problems_document).response()


def _problems_document() -> Document:
    problems = [_problem(problem) for problem in current_runner.registry.problems]
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
