"""Clients of the runner under drill: they submit, ask, cancel, and note all they see."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from app_runner.bench.plugins import chain_name

from .log import EventLog

TASK = re.compile(r"/tasks/([0-9]+)-")
TIMEOUT = 20.0
#: Seconds between two tries of a submit that got no answer, or 503.
AGAIN = 0.5
BROKEN = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Answer:
    """Status, Location and body of an answer, and the seconds it took."""

    status: int
    location: str
    body: bytes
    seconds: float


def ask(
    method: str,
    url: str,
    body: str | None = None,
    content_type: str = "application/x-www-form-urlencoded",
    **headers: str,
) -> Answer:
    """Send one request over a connection of its own; raises what the network raises."""
    parts = urlsplit(url)
    begin = time.monotonic()
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent["Content-Type"] = content_type
        connection.request(method, parts.path, body, sent)
        response = connection.getresponse()
        content = response.read()
        seconds = time.monotonic() - begin
        return Answer(
            response.status, response.getheader("Location", ""), content, seconds
        )
    finally:
        connection.close()


def answers(url: str) -> bool:
    """Tell whether a URL is answered with 200."""
    try:
        return ask("GET", url).status == 200
    except BROKEN:
        return False


@dataclass(frozen=True)
class Accepted:
    """A task that the runner has promised to do."""

    id: int
    url: str
    number: int


class Clients:
    """Submits tasks of the drill's plugin; each has a number of its own."""

    def __init__(self, url: str, log: EventLog) -> None:
        """Take the server's URL and the log."""
        self._url = url
        self._log = log
        self._numbers = count(1)
        self._entries: dict[str, str] = {}

    def _entry(self, name: str) -> str:
        """Give the URL that starts a task of a plugin, as its metadata say.

        ``plugin/processor`` names a further processor of a plugin.
        """
        if name not in self._entries:
            plugin, _, processor = name.partition("/")
            listed = json.loads(ask("GET", f"{self._url}/plugins/").body)["plugins"]
            root = next(one["apiRoot"] for one in listed if one["name"] == plugin)
            root = urljoin(root, f"{processor}/") if processor else root
            metadata = json.loads(ask("GET", root).body)
            self._entries[name] = urljoin(root, metadata["entryPoint"]["href"])
        return self._entries[name]

    def submit(
        self, seconds: float = 0.0, ending: str = "well", patience: float = 90.0
    ) -> Accepted:
        """Submit until the task is accepted; raises what the network raises at last."""
        number = next(self._numbers)
        form = {"number": str(number), "seconds": str(seconds), "ending": ending}
        return self._until_accepted("drill", form, number, patience)

    def submit_further(self, processor: str, patience: float = 90.0) -> Accepted:
        """Submit a task of a further processor of the drill's plugin."""
        number = next(self._numbers)
        form = {"number": str(number)}
        return self._until_accepted(f"drill/{processor}", form, number, patience)

    def submit_chain(self, patience: float = 90.0) -> Accepted:
        """Submit a task of two Celery tasks, as published plugins have them."""
        number = next(self._numbers)
        form = {"inputStr": f"number {number}"}
        return self._until_accepted(chain_name(0), form, number, patience)

    def _until_accepted(
        self, plugin: str, form: dict[str, str], number: int, patience: float
    ) -> Accepted:
        key = secrets.token_hex(16)
        deadline = time.monotonic() + patience
        while True:
            try:
                answer = self._submit_once(plugin, form, number, key)
            except BROKEN:
                if time.monotonic() > deadline:
                    raise
                answer = None
            if answer and (accepted := self._accepted(answer, number)):
                return accepted
            if time.monotonic() > deadline:
                raise TimeoutError(f"submit {number} is not accepted")
            time.sleep(AGAIN)

    def _submit_once(
        self, plugin: str, form: dict[str, str], number: int, key: str
    ) -> Answer:
        begin = time.monotonic()
        try:
            url = self._entry(plugin)
            answer = ask("POST", url, urlencode(form), Idempotency_Key=key)
        except BROKEN as error:
            seconds = time.monotonic() - begin
            self._log.add("no answer", number=number, why=repr(error), seconds=seconds)
            raise
        facts = {"status": answer.status, "seconds": answer.seconds}
        self._log.add("submitted", number=number, **facts)
        return answer

    def _accepted(self, answer: Answer, number: int) -> Accepted | None:
        if answer.status == 303 and (found := TASK.search(answer.location)):
            path = urlsplit(answer.location).path
            accepted = Accepted(int(found[1]), f"{self._url}{path}", number)
            self._log.add("accepted", task=accepted.id, url=accepted.url, number=number)
            return accepted
        if answer.status not in (303, 500, 502, 503):
            raise RuntimeError(f"submit {number}: {answer.status} {answer.body[:500]!r}")
        return None

    def submit_many(
        self, lengths: Iterable[float], at_once: int = 8, chains: bool = False
    ) -> list[Accepted]:
        """Submit tasks of these lengths (seconds); every fifth a chain, if asked for."""
        with ThreadPoolExecutor(at_once) as pool:
            jobs = [
                (
                    pool.submit(self.submit_chain)
                    if chains and place % 5 == 4
                    else pool.submit(self.submit, seconds)
                )
                for place, seconds in enumerate(lengths)
            ]
            return [job.result() for job in jobs]

    def document(self, task: Accepted) -> dict[str, Any]:
        """Give the document of a task as clients see it, and note its status."""
        answer = ask("GET", task.url)
        if answer.status != 200:
            raise RuntimeError(f"GET {task.url}: {answer.status} {answer.body[:300]!r}")
        found: dict[str, Any] = json.loads(answer.body)
        self._log.add("seen", task=task.id, status=found["status"])
        return found

    def command(self, task: Accepted, **command: Any) -> Answer:
        """POST a command to a task."""
        body = json.dumps(command)
        return ask("POST", task.url, body, content_type="application/json")
