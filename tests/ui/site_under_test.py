"""A small app of its own with our templates, and a plugin page in the published style."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

from flask import Flask, Response, jsonify, redirect, render_template, request, url_for
from jinja2 import ChoiceLoader, DictLoader
from marshmallow import fields
from marshmallow.validate import Length, Range
from werkzeug.serving import make_server
from werkzeug.wrappers import Response as AnyResponse

import app_runner.ui
from app_runner import babel
from app_runner.api.fields import CSVList, EnumField, FileUrl, PluginUrl
from app_runner.api.schemas import FrontendFormBaseSchema
from app_runner.ui import forms
from app_runner.ui.console import render_console
from app_runner.ui.policy import own_page_policy, plugin_page_policy
from tests.extending_page import extending

UI = Path(app_runner.ui.__file__).parent

EXTENDING = extending(
    "input_str",
    "window.seenState = Object.keys(window._qhana_microfrontend_state);",
)


class Algorithm(Enum):
    fast = "Fast"
    exact = "Exact"


class Parameters(FrontendFormBaseSchema):
    """Each kind of input once."""

    datalists: ClassVar = {"token": ["alpha", "beta"]}

    input_str = fields.String(
        required=True,
        validate=Length(max=200),
        metadata={
            "label": "Input text",
            "description": "The **text** to greet. <script>alert(1)</script>",
            "input_type": "textarea",
        },
    )
    number_of_rounds = fields.Integer(
        load_default=3, validate=Range(min=1, max=10), metadata={"label": "Rounds"}
    )
    tolerance = fields.Float(allow_none=True, validate=Range(min=0, min_inclusive=False))
    algorithm = EnumField(Algorithm, required=True, metadata={"label": "Algorithm"})
    entities_url = FileUrl(
        allow_none=True,
        data_input_type="entity/list",
        data_content_types=["text/csv", "application/json"],
        metadata={"label": "Entities", "description": "Where the *entities* are."},
    )
    attributes_url = FileUrl(
        allow_none=True,
        data_input_type="entity/attribute-metadata",
        data_content_types="application/json",
        metadata={"related_to": "entities_url", "relation": "post"},
    )
    helper = PluginUrl(allow_none=True, plugin_tags=["helper", "!old"])
    columns = CSVList(element_type=fields.String(), allow_none=True)
    is_loud = fields.Boolean(required=True, metadata={"label": "Loud"})
    token = fields.String(allow_none=True, metadata={"input_type": "text_with_datalist"})
    api_key = fields.String(allow_none=True, metadata={"input_type": "password"})
    made_by_us = fields.String(dump_only=True)


class Answer(FrontendFormBaseSchema):
    """The second step."""

    confirmation = fields.String(required=True)


def ui_page(template: str = "simple_template.html") -> str:
    """Render the form as a published plugin does."""
    is_sent = request.method == "POST"
    data = request.form if is_sent else request.args
    schema = Parameters(partial=not is_sent, validate_errors_as_result=True)
    errors = schema.load(data.to_dict()) if data else {}
    return render_template(
        template,
        name="Greeter",
        version="1.0.0",
        schema=Parameters(),
        valid=is_sent and not errors,
        values=data,
        errors=errors,
        process=url_for("process"),
        help_text="Says *hello*. [More](https://example.org)",
        example_values=url_for("ui", inputStr="example"),
    )


class Work:
    """One task that asks one question before it ends."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.answers: list[str] = []
        self.looks = 0

    def document(self) -> dict[str, Any]:
        self.looks += 1
        step = {"stepId": "confirm", "href": "/process-step/", "uiHref": "/step/"}
        document: dict[str, Any] = {"status": "PENDING", "log": "started", "outputs": []}
        if self.looks > 1 and not self.answers:
            document["steps"] = [{**step, "cleared": False}]
            document["progress"] = {"start": 0, "target": 4, "value": 1, "unit": "rounds"}
        if self.answers:
            document["status"] = "SUCCESS"
            document["steps"] = [{**step, "cleared": True}]
            document["outputs"] = [
                {
                    "href": "/files/out.txt",
                    "dataType": "text",
                    "contentType": "text/plain",
                    "name": "out.txt",
                },
                {
                    "href": url_for("file", _external=True).replace(
                        "out.txt", "people.csv"
                    ),
                    "dataType": "entity/list",
                    "contentType": "text/csv",
                    "name": "people.csv",
                },
                {"href": "javascript:alert(1)", "dataType": "x", "contentType": "x/y"},
            ]
        return document


def build_app() -> Flask:
    """Make the app; `app.extensions["work"]` is its only task."""
    app = Flask(
        "pages", static_folder=str(UI / "static"), template_folder=str(UI / "templates")
    )
    babel.init_app(app)
    forms.init_app(app)
    app.extensions["work"] = Work()
    loader: Any = app.jinja_loader
    own = DictLoader({"extending.html": EXTENDING})
    app.jinja_loader = ChoiceLoader([own, loader])
    _add_pages(app)
    _add_plugin(app)
    _add_tasks(app)
    app.after_request(_add_headers)
    return app


def _add_headers(response: Response) -> Response:
    response.headers["Access-Control-Allow-Origin"] = "*"
    if response.mimetype == "text/html":
        own = request.endpoint == "console"
        policy = own_page_policy() if own else plugin_page_policy()
        # The page that is only ours must do without anything inline.
        if request.endpoint in ("ui", "step"):
            policy = policy.replace(" 'unsafe-inline'", "")
        response.headers["Content-Security-Policy"] = policy
    return response


def _add_pages(app: Flask) -> None:
    @app.get("/")
    def console() -> str:
        plugin = {
            "name": "greeter",
            "version": "1.0.0",
            "identifier": "greeter@1-0-0",
            "apiRoot": url_for("metadata", _external=True),
            "description": "Greets **politely**.",
            "tags": ["text", "example"],
        }
        other = {
            **plugin,
            "name": "silent",
            "identifier": "silent@1-0-0",
            "title": "Silent",
        }
        return render_console([plugin, {**other, "tags": []}], 2)

    @app.route("/ui/", methods=["GET", "POST"])
    def ui() -> str:
        return ui_page()

    @app.route("/extending/", methods=["GET", "POST"])
    def extending() -> str:
        return ui_page("extending.html")


def _add_plugin(app: Flask) -> None:
    @app.get("/plugins/greeter@1-0-0/")
    def metadata() -> Response:
        return jsonify(
            title="Greeter", entryPoint={"href": "/process/", "uiHref": "../../ui/"}
        )

    @app.post("/process/")
    def process() -> AnyResponse | tuple[Response, int]:
        errors = Parameters().validate(request.form.to_dict())
        if errors:
            body = {
                "code": 422,
                "status": "Unprocessable Entity",
                "errors": {"form": errors},
            }
            return jsonify(body), 422
        app.extensions["work"].started.append(request.form.to_dict())
        return redirect("/tasks/1-abc/", 303)


def _add_tasks(app: Flask) -> None:
    @app.get("/tasks/1-abc/")
    def task() -> Response:
        return jsonify(app.extensions["work"].document())

    @app.get("/step/")
    def step() -> str:
        process = url_for("process_step")
        return render_template("simple_template.html", schema=Answer(), process=process)

    @app.post("/process-step/")
    def process_step() -> AnyResponse:
        app.extensions["work"].answers.append(request.form["confirmation"])
        return redirect("/tasks/1-abc/", 303)

    @app.get("/files/out.txt")
    def file() -> Response:
        return Response("hello world\n", mimetype="text/plain")


HOST_PAGE = """<!DOCTYPE html><title>Host</title>
<iframe id="form" src="{form}" sandbox="allow-forms allow-downloads allow-scripts
allow-same-origin"></iframe>
<script>
  window.received = [];
  window.addEventListener("message", (event) => {{
    const fromForm = event.source === document.getElementById("form").contentWindow;
    received.push({{ data: event.data, origin: event.origin, fromForm }});
  }});
  window.tell = (message) =>
    document.getElementById("form").contentWindow.postMessage(message, "*");
</script>"""


def build_host(form_url: str) -> Flask:
    """Make an app whose page frames the form at ``form_url`` and keeps its messages."""
    app = Flask("host")

    @app.get("/")
    def host() -> str:
        return HOST_PAGE.format(form=form_url)

    @app.get("/extra.css")
    def styles() -> Response:
        return Response(".qhana-form { outline: 7px solid }", mimetype="text/css")

    return app


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve ``app`` on a free loopback port; give its base URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, name="pages")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
