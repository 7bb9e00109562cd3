"""The page of a task: what a browser gets at its URL, also one without JavaScript."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from flask import Response, render_template

from app_runner.api.documents import Document
from app_runner.api.identity import current_caller
from app_runner.ui.texts import script_texts


def show_task(document: Document) -> Response:
    """Render the page for the document of a task."""
    task: dict[str, Any] = json.loads(document.content)
    steps = (step for step in task.get("steps", ()) if not step["cleared"])
    pending = task["status"] == "PENDING"
    step = next(steps, None) if pending else None
    page = render_template(
        "task.html",
        task=task,
        pending=pending,
        step=step if step and _leads_to_web(step["uiHref"]) else None,
        outputs=[one for one in task["outputs"] if _leads_to_web(one["href"])],
        sentence=script_texts()[_text_of(task, pending, step is not None)],
        user=current_caller().user,
    )
    response = Response(page, headers={"Cache-Control": "no-cache"})
    response.vary.add("Accept")
    return response


def _text_of(task: dict[str, Any], pending: bool, waits: bool) -> str:
    """Give the key of the sentence that tells the state, as `taskview.js` does."""
    if (state := task["execution"]["state"]) in ("cancelling", "cancelled"):
        return str(state)
    if pending:
        return "waiting" if waits else "running"
    return "finished" if task["status"] == "SUCCESS" else "failed"


def _leads_to_web(href: str) -> bool:
    """Tell whether a page may link there: a plugin gave the URL."""
    return urlsplit(href).scheme in ("", "http", "https")
