"""Pages for plugin authors, in debug mode only: what the app serves, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, current_app, render_template, request
from werkzeug.routing import Rule

from app_runner.babel import lazy_gettext
from app_runner.state import current_runner

BLUEPRINT = Blueprint("debug", __name__, url_prefix="/debug")
#: Endpoint, title and text of each page that the index lists.
PAGES = (
    (
        "debug.routes",
        lazy_gettext("Routes"),
        lazy_gettext("All registered routes, with their endpoints, methods and plugins."),
    ),
)
#: Methods that Flask adds to routes by itself.
ADDED = {"HEAD", "OPTIONS"}
PLUGINS = "/plugins/"


@dataclass(frozen=True)
class Route:
    """A rule of the app's URL map, in the words of the page."""

    rule: str
    endpoint: str
    methods: str
    plugin: str

    def holds(self, words: list[str]) -> bool:
        """Tell whether each of ``words`` (lower case) occurs somewhere in the route."""
        text = " ".join((self.rule, self.endpoint, self.methods, self.plugin)).lower()
        return all(word in text for word in words)


@BLUEPRINT.get("/")
def index() -> str:
    """List the debug pages."""
    return render_template("debug_index.html", pages=PAGES)


@BLUEPRINT.get("/routes/", strict_slashes=False)
def routes() -> str:
    """List the routes in which all words of ``filter`` occur."""
    wanted = request.args.get("filter", "")
    words = wanted.lower().split()
    found = sorted(_routes(), key=lambda route: (route.rule, route.methods))
    shown = [route for route in found if route.holds(words)]
    return render_template(
        "debug_routes.html", routes=shown, total=len(found), filter=wanted
    )


def _routes() -> Iterator[Route]:
    plugins = {plugin.identifier for plugin in current_runner.registry}
    for rule in current_app.url_map.iter_rules():
        methods = " ".join(sorted((rule.methods or set()) - ADDED)) or "OPTIONS"
        yield Route(rule.rule, rule.endpoint, methods, _plugin(rule, plugins))


def _plugin(rule: Rule, plugins: set[str]) -> str:
    if not rule.rule.startswith(PLUGINS):
        return ""
    identifier = rule.rule.removeprefix(PLUGINS).partition("/")[0]
    return identifier if identifier in plugins else ""
