"""Content security policies of pages: our own ones, and those that plugins bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_OWN = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "frame-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
}
#: Published plugin pages have inline scripts and styles, take the style sheets of the
#: page around them (load-css), and may show and fetch data from anywhere.
_PLUGIN = {
    "default-src": "'self' data: blob:",
    "script-src": "'self' 'unsafe-inline'",
    "style-src": "* 'unsafe-inline'",
    "img-src": "* data: blob:",
    "font-src": "* data:",
    "connect-src": "*",
    "frame-src": "*",
    "object-src": "'none'",
    "base-uri": "'none'",
}


#: Pages of plugins without anything inline; styles may come from the page around them.
_VIEWER = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' http: https:",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
}


def own_page_policy(
    frame_ancestors: Sequence[str] = ("'self'",), changed: Mapping[str, str] | None = None
) -> str:
    """Give the policy of the console and other pages of ours: nothing inline, only us.

    ``changed`` are directives that a page needs otherwise, because of scripts of others.
    """
    return _written({**_OWN, **(changed or {})}, frame_ancestors)


def plugin_page_policy(
    frame_ancestors: Sequence[str] = ("*",), scripts: Sequence[str] = ()
) -> str:
    """Give the policy of pages that plugins render.

    They may be framed by the given, and load scripts from ``scripts`` besides us.
    """
    sources = " ".join((_PLUGIN["script-src"], *scripts))
    return _written({**_PLUGIN, "script-src": sources}, frame_ancestors)


def viewer_page_policy() -> str:
    """Give the policy of pages of `Viewer`; who may frame them is added as to others."""
    return "; ".join(f"{name} {sources}" for name, sources in _VIEWER.items())


def _written(directives: dict[str, str], frame_ancestors: Sequence[str]) -> str:
    framed_by = " ".join(frame_ancestors) or "'none'"
    every = {**directives, "frame-ancestors": framed_by}
    return "; ".join(f"{name} {sources}" for name, sources in every.items())
