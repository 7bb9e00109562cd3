"""Pages for plugin authors, in debug mode only: what the app serves, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.routing import Rule

from app_runner.babel import lazy_gettext
from app_runner.state import current_runner
from app_runner.ui.policy import own_page_policy

BLUEPRINT = Blueprint("debug", __name__, url_prefix="/debug")
#: Endpoint, title and text of each page that the index lists.
PAGES = (
    (
        "debug.routes",
        lazy_gettext("Routes"),
        lazy_gettext("All registered routes, with their endpoints, methods and plugins."),
    ),
    (
        "debug.frontend",
        lazy_gettext("Micro frontend debugger"),
        lazy_gettext("Hosts a form, shows its messages, and answers as a page would."),
    ),
)
#: Forms of other servers may be hosted too; all else is as on every page of ours.
FRAMES = {"frame-src": "'self' http: https:"}
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


@BLUEPRINT.get("/microfrontend/", strict_slashes=False)
def frontend() -> Response:
    """Host the form at ``url`` and play the part of the page around it."""
    root = request.host_url.rstrip("/")
    rules = (rule.rule for rule in current_app.url_map.iter_rules())
    forms = sorted(root + rule for rule in rules if _is_form(rule))
    page = render_template(
        "debug_frontend.html", forms=forms, url=request.args.get("url", "")
    )
    response = current_app.make_response(page)
    response.headers["Content-Security-Policy"] = own_page_policy(changed=FRAMES)
    return response


def _is_form(rule: str) -> bool:
    return rule.startswith(PLUGINS) and rule.endswith("/ui/") and "<" not in rule


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
