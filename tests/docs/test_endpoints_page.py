"""Every route of the runner is documented with its methods."""

from __future__ import annotations

import re

from tests.conftest import AppFactory
from tests.docs.pages import DOCS, rows

ADDED_BY_FLASK = {"HEAD", "OPTIONS"}


def documented() -> set[tuple[str, str]]:
    """Give (method, path) of every row, names in the path left out."""
    found = set()
    for paths, methods, *_ in (
        r for r in rows(DOCS / "operating" / "endpoints.md") if len(r) > 2
    ):
        for path in re.findall(r"`(/[^`]*)`", paths):
            found |= {(method, nameless(path)) for method in methods.split(", ")}
    return found


def nameless(path: str) -> str:
    """Write a path with all variable parts alike."""
    return re.sub(r"<[^>]*>", "<>", path)


def test_every_route_and_method_is_documented(make_app: AppFactory) -> None:
    app = make_app(tables=False, DEBUG=True)
    served = {
        (method, nameless(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - ADDED_BY_FLASK
    }
    assert documented() == served
