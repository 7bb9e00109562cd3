"""Drills in which broker or database go away, stand still, or forget everything."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from sqlalchemy import func, select

from .breaking import Breakable
from .checker import TASK
from .clients import Accepted
from .scene import Drill, Pulse, Result, judged, percentile

#: Seconds in which a submit must be answered while the broker is away, at p99.
ANSWERED = 2.0
#: Seconds after which work goes on once the broker is back.
GOES_ON = 15.0
#: Seconds between two submits while the broker is away.
SUBMIT_EVERY = 0.25


def broker_away(drill: Drill) -> Iterator[Result]:
    """Kill the broker (or the way to it), and start it again some seconds later."""
    for seconds in drill.effort.broker_away:
        outage = _away(drill, drill.installation.broker, seconds)
        yield _judged_outage(drill, f"broker away for {seconds:.0f} s", outage)


def broker_frozen(drill: Drill) -> Iterator[Result]:
    """Let the broker stand still for some seconds (SIGSTOP)."""
    broker, seconds = drill.installation.broker, drill.effort.broker_frozen
    broker.freeze()
    try:
        outage = _submitted_for(drill, seconds)
    finally:
        broker.thaw()
    yield _judged_outage(drill, f"broker frozen for {seconds:.0f} s", outage)


def database_away(drill: Drill) -> Iterator[Result]:
    """Cut all connections to the database, as its restart does, under load."""
    seconds = drill.effort.broker_away[0]
    name = f"database away for {seconds:.0f} s"
    if drill.installation.database is None:
        yield Result(name, None, "SQLite is a file: there is nothing to restart")
        return
    running = drill.clients.submit_many([seconds] * 4 + [0.0] * 40)
    outage = _away(drill, drill.installation.database, seconds)
    yield _judged_outage(drill, name, outage, running)


def _away(drill: Drill, server: Breakable, seconds: float) -> Outage:
    server.cut()
    try:
        return _submitted_for(drill, seconds)
    finally:
        server.restore()


class Outage:
    """What was submitted while something was away, and when it was back."""

    def __init__(self, tasks: list[Accepted], began: float) -> None:
        """Take the accepted tasks, and the time (since 1970) when it began."""
        self.tasks, self.began, self.ended = tasks, began, time.time()


def _submitted_for(drill: Drill, seconds: float) -> Outage:
    """Submit a task now and then; those that are refused (503) are not tried again."""
    began, pulse = time.time(), Pulse()
    end = time.monotonic() + seconds
    jobs = []
    with ThreadPoolExecutor(8) as pool:
        while time.monotonic() < end:
            jobs.append(pool.submit(_submitted_once, drill))
            pulse.beat(f"{len(jobs)} submits meanwhile")
            time.sleep(SUBMIT_EVERY)
        tasks = [task for job in jobs if (task := job.result())]
    return Outage(tasks, began)


def _submitted_once(drill: Drill) -> Accepted | None:
    try:
        return drill.clients.submit(patience=0)
    except TimeoutError:
        return None


def _judged_outage(
    drill: Drill, name: str, outage: Outage, running: Sequence[Accepted] = ()
) -> Result:
    submits = [
        event
        for event in drill.log.read("submitted", "no answer")
        if outage.began <= event["at"] <= outage.ended + ANSWERED
    ]
    p99 = percentile([event["seconds"] for event in submits], 0.99)
    wrong = [] if p99 < ANSWERED else [f"submits take {p99:.1f} s at p99"]
    wrong += [f"no answer: {e['why']}" for e in submits if e["event"] == "no answer"]
    odd = {e["status"] for e in submits if e["event"] == "submitted"} - {303, 503}
    wrong += [f"a submit is answered by {status}" for status in odd]
    after = drill.clients.submit()
    tasks = [*running, *outage.tasks, after]
    wrong += drill.settle(tasks, GOES_ON + len(tasks))
    goes_on = _first_end(drill, outage.ended) - outage.ended
    if goes_on > GOES_ON:
        wrong.append(f"work goes on only after {goes_on:.1f} s")
    wrong += drill.all_succeeded(tasks)
    detail = (
        f"{len(outage.tasks)} of {len(submits)} submits accepted meanwhile, "
        f"p99 {p99:.2f} s; work goes on after {goes_on:.1f} s"
    )
    return judged(name, wrong, detail)


def _first_end(drill: Drill, since: float) -> float:
    """Give when the first task ended after ``since``, in seconds since 1970."""
    moment = datetime.fromtimestamp(since, UTC)
    query = select(func.min(TASK.c.finished_at)).where(TASK.c.finished_at > moment)
    with drill.installation.engine.connect() as connection:
        found = connection.scalar(query)
    return found.timestamp() if found else since + 2 * GOES_ON


def flushed(drill: Drill) -> Iterator[Result]:
    """Delete everything in the broker while tasks are queued."""
    installation, count = drill.installation, drill.effort.flushed
    installation.end_workers()
    tasks = drill.clients.submit_many([0.0] * count, chains=True)
    installation.flush_broker()
    drill.log.add("flushed")
    installation.start_workers()
    begin = time.monotonic()
    wrong = drill.settle(tasks, 120)
    wrong += drill.all_succeeded(tasks)
    detail = f"all ran within {time.monotonic() - begin:.1f} s"
    yield judged(f"broker emptied with {count} queued", wrong, detail)


def visibility(drill: Drill) -> Iterator[Result]:
    """Run tasks longer than the broker's visibility timeout: no second result counts."""
    timeout, seconds, count = drill.effort.visibility
    name = f"visibility timeout {timeout:.0f} s, tasks of {seconds:.0f} s"
    if not drill.installation.broker_url.startswith("redis"):
        yield Result(name, None, "only Redis and Valkey have one")
        return
    with drill.installation.worker_settings(VISIBILITY_TIMEOUT=str(int(timeout))):
        tasks = drill.clients.submit_many([seconds] * count)
        wrong = drill.settle(tasks, 4 * seconds * (1 + count / 4))
    wrong += drill.all_succeeded(tasks)
    yield judged(name, wrong, f"{count} tasks, {count} accepted results")
