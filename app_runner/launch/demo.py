"""A client that walks one plugin over HTTP and prints what it asks and what it gets.

It knows the wire only: no module of the runner, nothing of its database or its settings.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

PLUGIN = "hello-world"
FIELDS = {"inputStr": "Hello from the demo"}
BODY = 300  # characters of an answer that are printed
ENDED = 60.0  # seconds until the task must have ended
BAR = 30  # characters of the progress bar


class DemoError(Exception):
    """The runner did not do what a client may expect; the text says what."""


class DemoClient:
    """Sends the requests of a walk; redirects are followed by hand, to be seen."""

    def __init__(
        self, url: str, say: Callable[[str], None], every: float = 0.2, token: str = ""
    ) -> None:
        """``url``: where the runner is; ``every``: seconds between looks at a task.

        ``token`` logs in, where that is needed.
        """
        self._url = url.rstrip("/") + "/"
        self._say = say
        self._every = every
        self._session = requests.Session()
        # A proxy of this machine must not come between us and a server on it.
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
        self._shown: set[str] = set()

    def walk(self) -> None:
        """Do all steps; raises `DemoError` for the first that fails."""
        with self._session:
            self._json("GET", self._url)
            plugin = self._find(self._json("GET", urljoin(self._url, "plugins/")))
            metadata = self._json("GET", plugin["apiRoot"])
            entry = metadata["entryPoint"]
            self._form(urljoin(plugin["apiRoot"], entry["uiHref"]))
            task = self._submit(urljoin(plugin["apiRoot"], entry["href"]))
            for output in self._finished(task)["outputs"]:
                self._result(urljoin(task, output["href"]), str(output.get("name", "")))

    def _find(self, listing: dict[str, Any]) -> dict[str, Any]:
        plugins: list[dict[str, Any]] = list(listing["plugins"])
        self._say("    plugins: " + ", ".join(p["identifier"] for p in plugins))
        for plugin in plugins[::-1]:  # sorted by name and version
            if plugin["name"] == PLUGIN:
                return plugin
        raise DemoError(f"The plugin {PLUGIN} is not in the list.")

    def _form(self, url: str) -> None:
        page = self._ask("GET", url, 200).text
        for field in FIELDS:
            if f'name="{field}"' not in page:
                raise DemoError(f"The form has no field {field}.")

    def _submit(self, url: str) -> str:
        """Start the task; gives its URL, to which the answer redirects (303)."""
        answer = self._ask("POST", url, 303, data=FIELDS)
        location = answer.headers.get("Location")
        if not location:
            raise DemoError("The redirect names no task.")
        self._say(f"    task: {urljoin(url, location)}")
        return urljoin(url, location)

    def _finished(self, task: str) -> dict[str, Any]:
        deadline = time.monotonic() + ENDED
        for document in self._looks(task):
            status = document["status"]
            if status == "SUCCESS":
                return document
            if status not in ("PENDING", "UNKNOWN"):
                raise DemoError(
                    f"The task ended with {status}: {document.get('log', '')}"
                )
            if time.monotonic() > deadline:
                raise DemoError(f"The task is still {status} after {ENDED:.0f} s.")
        raise AssertionError("a task is looked at until it has ended")

    def _looks(self, task: str) -> Iterator[dict[str, Any]]:
        """Give the task's document again and again, printing what is new in it."""
        document = self._json("GET", task)
        while True:
            self._show(document)
            yield document
            time.sleep(self._every)
            document = self._checked(self._send("GET", task), 200).json()

    def _show(self, document: dict[str, Any]) -> None:
        status = document["status"]
        # A task that tells no progress has done nothing, or all of it.
        progress = document.get("progress") or {
            "value": 100 if status == "SUCCESS" else 0
        }
        lines = [f"    status: {status}", f"    {bar(progress)}"]
        lines += [f"    step: {step['stepId']}" for step in document.get("steps", ())]
        for line in lines:
            if line not in self._shown:
                self._shown.add(line)
                self._say(line)

    def _result(self, url: str, name: str) -> None:
        answer = self._checked(self._send("GET", url), 200)
        self._say(f"GET {url} -> {answer.status_code}")
        self._say(f"    {name or 'result'}:")
        for line in answer.text.splitlines():
            self._say(f"    | {line}")

    def _json(self, method: str, url: str) -> dict[str, Any]:
        answer = self._ask(method, url, 200)
        try:
            found = answer.json()
        except ValueError as error:
            raise DemoError(f"{url} is no JSON.") from error
        if not isinstance(found, dict):
            raise DemoError(f"{url} is no JSON object.")
        return found

    def _ask(self, method: str, url: str, status: int, **more: Any) -> requests.Response:
        """Send a request, print it with its answer, and check the status."""
        answer = self._send(method, url, **more)
        self._say(f"{method} {url} -> {answer.status_code}")
        if body := _short(answer):
            self._say(f"    {body}")
        return self._checked(answer, status)

    def _send(self, method: str, url: str, **more: Any) -> requests.Response:
        headers = {"Accept": "application/json, text/html;q=0.5, */*;q=0.1"}
        try:
            return self._session.request(
                method, url, headers=headers, allow_redirects=False, timeout=30, **more
            )
        except requests.RequestException as error:
            parts = urlsplit(url)
            raise DemoError(f"{parts.scheme}://{parts.netloc}: {error}") from error

    def _checked(self, answer: requests.Response, status: int) -> requests.Response:
        if answer.status_code != status:
            raise DemoError(f"{answer.url} gave {answer.status_code}, not {status}.")
        return answer


def bar(progress: dict[str, Any]) -> str:
    """Draw a progress record: how much of the way from start to target is done."""
    start, target = progress.get("start", 0), progress.get("target", 100)
    share = (progress["value"] - start) / (target - start) if target != start else 1.0
    full = round(BAR * min(max(share, 0.0), 1.0))
    unit = progress.get("unit", "%")
    return f"[{'#' * full}{'.' * (BAR - full)}] {progress['value']} of {target} {unit}"


def _short(answer: requests.Response) -> str:
    kind = answer.headers.get("Content-Type", "")
    if "json" in kind:
        try:
            text = json.dumps(answer.json())
        except ValueError:
            text = answer.text
    elif "html" in kind:
        text = f"({len(answer.content)} bytes of HTML)"
    else:
        text = " ".join(answer.text.split())
    return text if len(text) <= BODY else f"{text[:BODY]} ..."


def demo(url: str, say: Callable[[str], None], token: str = "") -> int:
    """Walk the example plugin of the runner at ``url``; gives the exit code."""
    try:
        DemoClient(url, say, token=token).walk()
    except DemoError as error:
        say(f"FAILED: {error}")
        return 1
    except (KeyError, TypeError) as error:
        say(f"FAILED: an answer has not the shape that clients know: {error!r}")
        return 1
    say("SUCCESS")
    return 0
