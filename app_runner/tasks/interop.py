"""Calls other plugins, here or elsewhere, over HTTP: finds, starts and asks their tasks.

All URLs go through the guarded door, with short waits: a job that waits holds a worker.
The names follow the QHAna plugin runner.
"""

from __future__ import annotations

import json
import logging
from typing import Any, Literal
from urllib.parse import urljoin

import requests

from app_runner.babel import gettext as _
from app_runner.errors import UserError
from app_runner.state import current_runner

LOG = logging.getLogger(__name__)

Status = Literal["PENDING", "SUCCESS", "FAILURE"]
#: Seconds for metadata and the state of a task, and for starting one.
ASK_SECONDS, CALL_SECONDS = 5.0, 15.0
#: Bytes of metadata or of a task document, at most.
MAX_DOCUMENT = 2**24
#: Words on the wire; all others mean that the task has failed.
STATUS_WORDS: dict[Any, Status] = {
    "PENDING": "PENDING",
    "UNKNOWN": "PENDING",
    "SUCCESS": "SUCCESS",
}


class UnexpectedAnswer(UserError, requests.exceptions.RequestException):
    """The other side answered, but not as a plugin or a task does."""


def get_plugin_endpoint(plugin_url: str, interaction_endpoint: str | None = None) -> str:
    """Give the entry point of the plugin at ``plugin_url``, absolute.

    With ``interaction_endpoint`` it is the link of that type among the plugin's links.
    Raises `UnexpectedAnswer` when there is none, and what fetching raises.
    """
    metadata = get_document(plugin_url)
    if interaction_endpoint is None:
        href = (metadata.get("entryPoint") or {}).get("href")
    else:
        links = metadata.get("links") or ()
        found = (x.get("href") for x in links if x.get("type") == interaction_endpoint)
        href = next(found, None)
    if not href:
        wanted = interaction_endpoint or "entryPoint"
        raise UnexpectedAnswer(
            _("%(url)s names no endpoint %(wanted)s.", url=plugin_url, wanted=wanted)
        )
    return urljoin(plugin_url, str(href))


def call_plugin_endpoint(
    endpoint_url: str, data: dict[str, Any] | None, debug: bool = False
) -> str:
    """Start a task at an entry point and give the task's URL.

    ``data`` is sent as a form. With ``debug`` the answer of a call that fails is logged.
    Raises what fetching raises.
    """
    with current_runner.fetcher.open(
        endpoint_url,
        method="POST",
        data=data,
        raise_on_error_status=False,
        timeout=CALL_SECONDS,
        max_seconds=CALL_SECONDS,
        max_bytes=MAX_DOCUMENT,
    ) as response:
        if debug and not response.ok:
            LOG.warning("%s answered: %s", endpoint_url, response.text)
        response.raise_for_status()
        return str(response.url)


def get_task_result_no_wait(result_url: str) -> tuple[Status, Any]:
    """Give the status of a task and its whole document, as they are now.

    Raises what fetching raises, and `UnexpectedAnswer`.
    """
    document = get_document(result_url)
    return STATUS_WORDS.get(document.get("status"), "FAILURE"), document


def get_document(url: str, **options: Any) -> dict[str, Any]:
    """Give the JSON object at ``url``; ``options`` are those of `Fetcher.open`."""
    given = {"timeout": ASK_SECONDS, "max_seconds": ASK_SECONDS, **options}
    with current_runner.fetcher.open(url, max_bytes=MAX_DOCUMENT, **given) as response:
        return json_object(response)


def json_object(response: requests.Response) -> dict[str, Any]:
    """Give the JSON object in the body; raises `UnexpectedAnswer` when there is none."""
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UnexpectedAnswer(
            _("%(url)s answers with no JSON object.", url=response.url)
        )
    return document
