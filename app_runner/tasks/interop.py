"""Calls other plugins, here or elsewhere: finds, starts and asks their tasks.

Those of this runner are asked in its own process, in the name of the user whom the job or
request works for (see docs/adr/0027). All other URLs go through the guarded door, without
a name, with short waits: a job that waits holds a worker.
The names follow the QHAna plugin runner.
"""

from __future__ import annotations

import json
import logging
from typing import Any, Literal
from urllib.parse import urljoin

import requests
from requests.exceptions import RequestException

from app_runner.babel import gettext as _
from app_runner.errors import UserError
from app_runner.state import current_runner
from app_runner.tasks import neighbours
from app_runner.tasks.neighbours import MAX_DOCUMENT

LOG = logging.getLogger(__name__)

Status = Literal["PENDING", "SUCCESS", "FAILURE"]
#: Seconds for metadata and the state of a task, and for starting one.
ASK_SECONDS, CALL_SECONDS = 5.0, 15.0
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
    return endpoint(plugin_url, plugin_url, str(href))


def endpoint(plugin_url: str, base: str, href: str) -> str:
    """Give the URL of an endpoint that the metadata at ``plugin_url`` names.

    Raises `UnexpectedAnswer` when a plugin elsewhere names one of ours: what it is called
    with would be done here, in the name of the user.
    """
    found = urljoin(base, href)
    if neighbours.own_url(found) and not neighbours.own_url(plugin_url):
        text = _("%(url)s names an endpoint of another runner.", url=plugin_url)
        raise UnexpectedAnswer(text)
    return found


def call_plugin_endpoint(
    endpoint_url: str, data: dict[str, Any] | None, debug: bool = False
) -> str:
    """Start a task at an entry point and give the task's URL.

    ``data`` is sent as a form. With ``debug`` the answer of a call that fails is logged.
    Raises what fetching raises.
    """
    with _opened(
        endpoint_url,
        "POST",
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
    with _opened(url, max_bytes=MAX_DOCUMENT, **given) as response:
        return json_object(response)


def _opened(
    url: str, method: str = "GET", data: Any = None, json: Any = None, **options: Any
) -> requests.Response:
    """Open inside what is ours, and everything else as `Fetcher.open` does."""
    try:
        response = neighbours.opened(url, method, data, json)
    except RequestException:
        raise
    except UserError as error:
        raise UnexpectedAnswer(str(error)) from error
    if response is None:
        parts: Any = {"data": data, "json": json, **options}
        return current_runner.fetcher.open(url, method=method, **parts)
    if options.get("raise_on_error_status", True):
        response.raise_for_status()
    return response


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
