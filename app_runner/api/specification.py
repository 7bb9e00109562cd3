"""The OpenAPI document; the pages that show it are in `app_runner.ui`."""

from __future__ import annotations

from flask import Blueprint, Response

from app_runner.api.documents import cached
from app_runner.state import current_runner

BLUEPRINT = Blueprint("specification", __name__)


@BLUEPRINT.get("/api-spec.json")
def api_spec() -> Response:
    """Give the OpenAPI document."""
    return cached(("openapi",), lambda: current_runner.api.document()).response()
