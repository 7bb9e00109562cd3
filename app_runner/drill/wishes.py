"""Drills of what clients wish: that tasks are cancelled, that webhooks are delivered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app_runner.launch.ports import free_port

from .checker import states
from .clients import Accepted, ask
from .programs import NotInTime, alive, wait_until
from .scene import Drill, Result, judged, percentile

#: Seconds in which a cancelled task has ended, at p99.
CANCELLED = 5.0
#: How often a receiver answers 500 before it takes a delivery.
REFUSALS = 1
#: Seconds that the tasks to be cancelled would run.
LONG = 120.0


def cancelled(drill: Drill) -> Iterator[Result]:
    """Cancel queued and running tasks; a worker is restarted in the middle of it."""
    count = drill.effort.cancelled
    name = f"cancel of {count}, a worker restarted midway"
    tasks = drill.clients.submit_many([LONG] * count)
    wait_until(lambda: len(_begun(drill, tasks)) >= 4, 30, "four running tasks")
    asked: dict[int, float] = {}
    worker = drill.random.choice(drill.installation.workers)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(_cancel, drill, task, asked) for task in tasks[: count // 2]]
        _ = [job.result() for job in jobs]
        drill.installation.keeper.leave(worker)
        worker.kill()
        drill.log.add("killed", what=worker.name)
        drill.installation.keeper.resume(worker)
        jobs = [pool.submit(_cancel, drill, task, asked) for task in tasks[count // 2 :]]
        refused = [text for job in jobs if (text := job.result())]
    wrong = refused + drill.settle(tasks, 60)
    found = states(drill.installation.engine, tasks)
    wrong += [
        f"task {s.id} is {s.state}" for s in found.values() if s.state != "cancelled"
    ]
    took = [
        found[id_].finished_at.timestamp() - at  # type: ignore[union-attr]
        for id_, at in asked.items()
        if id_ in found and found[id_].finished_at is not None
    ]
    p99 = percentile(took, 0.99)
    wrong += [f"it takes {p99:.1f} s at p99"] if p99 > CANCELLED else []
    wrong += _left_behind(drill, tasks)
    drill.installation.wait_ready(worker)
    yield judged(name, wrong, f"final within {p99:.1f} s at p99, no process left")


def _cancel(drill: Drill, task: Accepted, asked: dict[int, float]) -> str:
    asked[task.id] = time.time()
    answer = drill.clients.command(task, command="cancel")
    drill.log.add("cancelled", task=task.id, status=answer.status)
    return (
        "" if answer.status == 200 else f"cancel: {answer.status} {answer.body[:100]!r}"
    )


def _begun(drill: Drill, tasks: list[Accepted]) -> dict[int, int]:
    """Give the process of each of the tasks that has begun."""
    ids = {task.id for task in tasks}
    events = drill.log.read("begun")
    return {event["task"]: event["pid"] for event in events if event["task"] in ids}


def _left_behind(drill: Drill, tasks: list[Accepted]) -> list[str]:
    """Give the processes of jobs that live, though no worker has them any more."""

    def left() -> set[int]:
        kept = {pid for worker in drill.installation.workers for pid in worker.family()}
        return set(alive(_begun(drill, tasks).values())) - kept

    try:
        wait_until(lambda: not left(), 5, "the end of all processes of jobs")
    except NotInTime:
        return [f"process {pid} of a job is left" for pid in left()]
    return []


@dataclass
class Receiver:
    """A receiver of webhooks that refuses at first, and notes all ids."""

    port: int
    refusals: int = REFUSALS
    ids: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Give the URL to subscribe."""
        return f"http://127.0.0.1:{self.port}/hook"

    def answer(self, message_id: str) -> int:
        """Note a delivery and give the status to answer."""
        self.ids.append(message_id)
        if len(self.ids) <= self.refusals:
            return 500
        self.taken.append(message_id)
        return 200


@contextmanager
def receiving(receiver: Receiver) -> Iterator[None]:
    """Listen during the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(receiver.answer(self.headers.get("webhook-id", "")))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", receiver.port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()


def webhooks(drill: Drill) -> Iterator[Result]:
    """Let a receiver be down, then answer 500, then take what it is told."""
    down = drill.effort.receiver_down
    receiver = Receiver(free_port())
    task = drill.clients.submit(0.5)
    drill.clients.command(
        task, command="subscribe", webhookHref=receiver.url, event="status"
    )
    wrong = drill.settle([task], 30)
    time.sleep(down)
    patience = 2 * down + 60
    with receiving(receiver):
        try:
            wait_until(lambda: receiver.taken, patience, "a delivery")
            wait_until(lambda: _outcome(task) == "delivered", 5, "a log of the delivery")
        except NotInTime as error:
            wrong.append(str(error))
    if len(set(receiver.ids)) > 1:
        wrong.append(f"one event came with the ids {set(receiver.ids)}")
    detail = f"delivered at try {len(receiver.ids)} that was heard, the same id each time"
    yield judged(f"webhook receiver down for {down:.0f} s, then 500", wrong, detail)


def _outcome(task: Accepted) -> str | None:
    deliveries = json.loads(ask("GET", f"{task.url}deliveries").body)["deliveries"]
    return deliveries[0]["outcome"] if deliveries else None
