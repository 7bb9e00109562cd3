"""What is measured of tasks over HTTP: their latency, and how many end per second."""

import json
import time
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urljoin

from .http_load import (
    Answer,
    BadAnswer,
    Connection,
    Rate,
    address_of,
    connected,
    drive,
    request_bytes,
)
from .plugins import FORM

POLL_SECONDS = 0.001
FOLLOW_SECONDS = 0.01
TASK_TIMEOUT_SECONDS = 60.0


class TaskFailed(Exception):
    """A task of the bench did not end as SUCCESS; nothing measured with it counts."""

    def __init__(self, url: str, document: str) -> None:
        super().__init__(f"{url}: {document}")


def location(answer: Answer, url: str) -> str:
    """Give the absolute URL of the task that a submit (303) points to."""
    target = answer.header("Location")
    if answer.status != 303 or target is None:
        raise BadAnswer(f"POST {url} answered {answer.status}: {answer.body[:500]!r}")
    return urljoin(url, target)


def is_done(connection: Connection, url: str) -> bool:
    """Ask for a task once: is it SUCCESS? Raises TaskFailed for other ends."""
    answer = connection.ask(request_bytes(url))
    if answer.status != 200:
        raise BadAnswer(f"GET {url} answered {answer.status}: {answer.body[:500]!r}")
    status = json.loads(answer.body)["status"]
    if status not in ("PENDING", "SUCCESS"):
        raise TaskFailed(url, answer.body.decode("utf-8", "replace")[:1000])
    return bool(status == "SUCCESS")


def follow(connection: Connection, url: str, every: float) -> None:
    """Poll a task every `every` seconds until it is SUCCESS."""
    end = time.perf_counter() + TASK_TIMEOUT_SECONDS
    due = time.perf_counter()
    while not is_done(connection, url):
        if time.perf_counter() > end:
            raise TaskFailed(url, f"still PENDING after {TASK_TIMEOUT_SECONDS:.0f} s")
        due = max(due + every, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))


def submit(connection: Connection, url: str) -> str:
    """Submit one task to the entry point `url` and give the task's URL."""
    return location(connection.ask(request_bytes(url, form=FORM)), url)


def finished_task(url: str) -> str:
    """Submit one task, wait for its SUCCESS and give its URL."""
    with closing(Connection(address_of(url))) as connection:
        task = submit(connection, url)
        follow(connection, task, FOLLOW_SECONDS)
        return task


def latencies(url: str, tasks: int) -> list[float]:
    """Submit tasks one after the other; give each one's seconds to SUCCESS."""
    taken = []
    with closing(Connection(address_of(url))) as connection:
        for _ in range(tasks):
            start = time.perf_counter()
            follow(connection, submit(connection, url), POLL_SECONDS)
            taken.append(time.perf_counter() - start)
    return taken


def submit_all(connections: list[Connection], url: str, tasks: int) -> list[str]:
    """Submit `tasks` tasks, each client its next one as soon as the last was accepted."""
    request = request_bytes(url, form=FORM)
    left = tasks
    urls: list[str] = []

    def next_request() -> bytes | None:
        nonlocal left
        left -= 1
        return request if left >= 0 else None

    drive(connections, next_request, lambda answer: urls.append(location(answer, url)))
    return urls


@dataclass(frozen=True, slots=True)
class Burst:
    """Tasks that were submitted together, and how fast they were done."""

    rate: Rate
    urls: list[str]

    def check(self) -> None:
        """Ask for every task; raises TaskFailed unless each ends as SUCCESS."""
        with closing(Connection(address_of(self.urls[0]))) as connection:
            for url in self.urls:
                follow(connection, url, FOLLOW_SECONDS)


def burst(url: str, *, tasks: int, clients: int) -> Burst:
    """Measure how fast tasks are done, from the first submit to the last SUCCESS.

    Only the last task of each client is asked for, so that asking costs next to nothing;
    `Burst.check` then asks for all. Queues are served in order: what is not done when the
    last ones are is in the other child of the worker, for a millisecond more.
    """
    with connected(url, clients) as connections:
        start = time.perf_counter()
        urls = submit_all(connections, url, tasks)
        for last in urls[-clients:]:
            follow(connections[0], last, FOLLOW_SECONDS)
        return Burst(Rate(tasks, time.perf_counter() - start), urls)
