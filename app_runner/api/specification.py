"""The OpenAPI document; the pages that show it are in `app_runner.ui`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app_runner.api.documents import cached
from app_runner.state import current_runner

BLUEPRINT = Blueprint("specification", __name__)


@BLUEPRINT.get("/api-spec.json")
def api_spec() -> Response:
    """Give the OpenAPI document; its paths are below what is before them here."""
    root = request.script_root
    return cached(("openapi", root), lambda: current_runner.api.document(root)).response()
