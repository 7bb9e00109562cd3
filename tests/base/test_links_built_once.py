"""URLs without values are built once; that must show nowhere."""

from __future__ import annotations

from typing import Any

from flask import Flask, url_for

from tests.conftest import AppFactory


def link(app: Flask, root: str = "", **values: Any) -> str:
    with app.test_request_context("/", environ_overrides={"SCRIPT_NAME": root}):
        return url_for("root.root", **values)


def test_each_prefix_has_links_of_its_own(make_app: AppFactory) -> None:
    app = make_app()
    assert [link(app), link(app, "/a"), link(app), link(app, "/b")] == [
        "/",
        "/a/",
        "/",
        "/b/",
    ]


def test_what_is_asked_for_beyond_the_endpoint_is_heeded(make_app: AppFactory) -> None:
    app = make_app()
    link(app)
    assert link(app, _anchor="x") == "/#x"
    assert link(app, _external=True) == "http://localhost/"
    assert link(app, q="1") == "/?q=1"


def test_defaults_that_a_plugin_adds_are_heeded(make_app: AppFactory) -> None:
    app = make_app()
    link(app)

    @app.url_defaults
    def language(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("lang", "de")

    assert link(app) == "/?lang=de"


def test_a_job_without_a_request_gets_absolute_links(make_app: AppFactory) -> None:
    app = make_app(SERVER_NAME="runner.example")
    link(app)
    with app.app_context():
        assert url_for("root.root") == "http://runner.example/"
