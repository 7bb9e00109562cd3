"""The pages of an app: form functions in templates, the console, headers of answers."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, url_for

from app_runner.api.identity import current_caller
from app_runner.api.plugins import describe, describe_virtual
from app_runner.api.tasks import PAGE_OF_TASK
from app_runner.plugins import virtual
from app_runner.plugins.base import PluginBase
from app_runner.plugins.problems import current_problems
from app_runner.state import current_runner, state_of
from app_runner.ui import api_pages, console, debug, forms, login_pages, task_page
from app_runner.ui.headers import PageHeaders
from app_runner.ui.policy import own_page_policy


def init_app(app: Flask) -> None:
    """Prepare templates and headers, and offer pages to the views of root and tasks."""
    forms.init_app(app)
    state_of(app).caches["console"] = show_console
    state_of(app).caches[PAGE_OF_TASK] = task_page.show_task
    app.register_blueprint(login_pages.BLUEPRINT)
    app.register_blueprint(api_pages.blueprint_of(api_pages.PAGES))
    if app.debug:
        app.register_blueprint(debug.BLUEPRINT)
    app.after_request(PageHeaders(state_of(app).settings))


def show_console() -> Response:
    """Render the console for the plugins of the current runner."""
    registry = current_runner.registry
    plugins = [_shown(plugin) for plugin in registry]
    plugins += [describe_virtual(one) for one in virtual.offered()]
    plugins.sort(key=lambda plugin: str(plugin["name"]))
    problems = url_for("problems-api.ProblemsView")
    page = console.render_console(
        plugins,
        len(current_problems()),
        problems,
        user=current_caller().user,
        may_log_in=current_runner.settings["EXPOSURE"] != "local",
    )
    response = current_app.make_response(page)
    response.headers["Content-Security-Policy"] = own_page_policy()
    return response


def _shown(plugin: PluginBase) -> dict[str, Any]:
    """Describe a plugin for people: with its title, and its form where it has one."""
    title = plugin.told(getattr(plugin, "title", "")) or plugin.name
    entry = describe(plugin) | {"title": title}
    rules = current_app.url_map.iter_rules()
    if any(rule.rule == f"/plugins/{plugin.identifier}/ui/" for rule in rules):
        entry["uiHref"] = f"{entry['apiRoot']}ui/"
    return entry
