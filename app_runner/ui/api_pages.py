"""Pages that show the OpenAPI document: Swagger UI, ReDoc and RapiDoc.

Their scripts come from installed packages, never from another server. The packages are
looked up and not imported: all that is used of them are files.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Response, abort, make_response, render_template, request

from app_runner.api.documents import Document
from app_runner.babel import gettext as _
from app_runner.ui.policy import own_page_policy

#: Seconds that a browser may keep an asset whose URL carries the asset's version.
KEPT = 365 * 24 * 3600
CONTENT_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
#: A picture that ReDoc would load from elsewhere; an empty one makes it show none.
STRUCK_OUT = {b"https://cdn.redoc.ly/redoc/logo-mini.svg": b"data:,"}


#: Inline styles that may be used, by their digests (CSP Level 3, section 2.3.1).
EMPTY = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
REDOC_SCROLLBARS = "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"


@dataclass(frozen=True)
class ApiPage:
    """A page and the package that its files come from."""

    path: str  # below the root, and the name by which apipages.js starts it
    title: str
    package: str  # as it is imported
    distribution: str  # as it is installed
    folder: str  # in the package
    script: str
    styles: tuple[str, ...] = ()
    #: Directives that differ from those of our own pages.
    policy: Mapping[str, str] = field(default_factory=dict)

    def asset(self, name: str) -> Document | None:
        """Give a known file of the page; None when the package is not installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).parent / self.folder / name
        return _document(path, path.stat().st_mtime_ns) if path.is_file() else None


# Each policy is the least under which the page renders (tests/ui/test_api_pages.py):
# no page needs inline scripts.
PAGES = (
    ApiPage(
        "swagger-ui",
        "Swagger UI",
        "flask_swagger_ui",
        "flask-swagger-ui",
        "dist",
        "swagger-ui-bundle.js",
        ("swagger-ui.css",),
    ),
    ApiPage(
        "redoc",
        "ReDoc",
        "flask_openapi3_redoc",
        "flask-openapi3-redoc",
        "templates/redoc/js",
        "redoc.standalone.js",
        policy={
            # It makes an empty style element at run time and fills it through the
            # CSSOM; and one with the styles of its scrollbars.
            "style-src": f"'self' {EMPTY} {REDOC_SCROLLBARS}",
            # Its search runs in a worker that is made from text.
            "worker-src": "blob:",
        },
    ),
    ApiPage(
        "rapidoc",
        "RapiDoc",
        "flask_openapi3_rapidoc",
        "flask-openapi3-rapidoc",
        "templates/rapidoc/js",
        "rapidoc-min.js",
        # Its templates hold style elements and attributes, and change with its version.
        policy={"style-src": "'self' 'unsafe-inline'"},
    ),
)


def blueprint_of(pages: Iterable[ApiPage]) -> Blueprint:
    """Serve ``pages``, each with and without a slash at the end, and their files."""
    blueprint = Blueprint("api-pages", __name__)
    for page in pages:
        # `/redoc` is answered like `/redoc/`: clients know both, and a redirect would
        # lose a prefix that a proxy strips without telling.
        blueprint.add_url_rule(
            f"/{page.path}/", page.path, partial(_page_view, page), strict_slashes=False
        )
        blueprint.add_url_rule(
            f"/{page.path}/assets/<name>",
            f"{page.path}-asset",
            partial(_asset_view, page),
        )
    return blueprint


def _page_view(page: ApiPage) -> Response:
    """Show the document."""
    root = "../" if request.path.endswith("/") else "./"
    rendered = render_template(
        "api_page.html",
        page=page,
        root=root,
        script=_asset_url(page, page.script, root),
        styles=[_asset_url(page, style, root) for style in page.styles],
    )
    response = make_response(rendered)
    response.headers["Content-Security-Policy"] = own_page_policy(changed=page.policy)
    response.headers["Cache-Control"] = "no-cache"
    return response


def _asset_view(page: ApiPage, name: str) -> Response:
    """Give a file of a page; for long when its URL says which version it is."""
    if name not in (page.script, *page.styles):
        abort(HTTPStatus.NOT_FOUND)
    asset = _asset(page, name)
    response = asset.response()
    if request.args.get("v") == asset.etag:
        response.headers["Cache-Control"] = f"public, max-age={KEPT}, immutable"
    return response


def _asset_url(page: ApiPage, name: str, root: str) -> str:
    return f"{root}{page.path}/assets/{name}?v={_asset(page, name).etag}"


def _asset(page: ApiPage, name: str) -> Document:
    asset = page.asset(name)
    if asset is None:
        abort(
            HTTPStatus.NOT_IMPLEMENTED,
            _(
                "%(title)s is not installed here. The package %(package)s brings it: "
                "pip install %(package)s",
                title=page.title,
                package=page.distribution,
            ),
        )
    return asset


@lru_cache(maxsize=8)
def _document(path: Path, _modified_at: int) -> Document:
    content = path.read_bytes()
    for address, replacement in STRUCK_OUT.items():
        content = content.replace(address, replacement)
    etag = hashlib.sha256(content).hexdigest()[:32]
    return Document(content, CONTENT_TYPES[path.suffix], etag)
