"""The root: a title for clients, the console for browsers."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request
from werkzeug.datastructures import MIMEAccept

from app_runner.api.documents import Document, cached
from app_runner.state import current_runner

BLUEPRINT = Blueprint("root", __name__)
KINDS = ("application/json", "text/html")


def wants_html(accept: MIMEAccept) -> bool:
    """Tell whether the caller is a browser that wants a page."""
    return (
        accept.best_match(KINDS) == "text/html"
        and accept["text/html"] > accept["application/json"]
    )


@BLUEPRINT.get("/")
def root() -> Response:
    """Give the runner's title and where its parts are."""
    console = current_runner.caches.get("console")
    if console is not None and wants_html(request.accept_mimetypes):
        page: Response = current_app.make_response(console())
        page.vary.add("Accept")
        return page
    response = cached(("root",), _document).response()
    response.vary.add("Accept")
    return response


def _document() -> Document:
    content = {
        "title": current_app.config["API_TITLE"],
        "version": current_app.config["API_VERSION"],
        "plugins": "/plugins/",
        "problems": "/problems/",
        "openapi": "/api-spec.json",
        "health": "/health/ready",
    }
    return Document.of_json(current_app.json.dumps(content).encode())
