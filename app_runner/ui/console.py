"""The console: the page that a browser gets at the root.

Knows what it is handed and the templates, nothing of requests, the registry or tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import render_template


def render_console(
    plugins: Iterable[Mapping[str, Any]],
    problem_count: int,
    problems_href: str = "problems/",
    **who: Any,
) -> str:
    """Give the HTML of the console.

    ``plugins`` are entries as in ``GET /plugins/`` (name, version, identifier, apiRoot,
    description, tags), perhaps with ``title`` and ``uiHref``. Links are relative to the
    root, so that it also works below a prefix. ``who``: the ``user`` who is logged in,
    and whether one ``may_log_in``.
    """
    return render_template(
        "console.html",
        plugins=list(plugins),
        problem_count=problem_count,
        problems_href=problems_href,
        **who,
    )
