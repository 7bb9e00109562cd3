"""Drills in which processes die: by chance, at named points, by themselves, or frozen."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app_runner.launch.ending import send

from .checker import states
from .clients import Accepted
from .programs import NotInTime, Program, thaw, wait_until
from .scene import ORPHAN, Drill, Pulse, Result, judged

#: Seconds between two kills.
KILL_EVERY = 5.0
#: Where the code lets itself be killed, see `app_runner.crash_points`; by whom reached.
SERVER_POINTS = (
    "submit-before-commit",
    "submit-after-commit",
    "publish-after",
)
WORKER_POINTS = (
    "claim-before-commit",
    "claim-after-commit",
    "heartbeat",
    "file-before-rename",
    "file-after-rename",
    "result-before-commit",
    "result-after-commit",
)
#: Tasks that are under way when somebody dies.
NEIGHBOURS = 6
#: Seconds of a task in which there is a heartbeat.
LONG_ENOUGH = 1.2
#: Ways for a task to end itself: how often it is tried, words its log must have.
ENDINGS = {"killed": 3, "exits": 3, "quits": 1}


def kills(drill: Drill) -> Iterator[Result]:
    """Kill a random worker, or a random child of one, again and again."""
    effort, random = drill.effort, drill.random
    lengths = [random.uniform(0, 1) for _ in range(effort.kill_tasks)]
    pulse, killed = Pulse(), 0
    end = time.monotonic() + effort.kill_for
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(drill.clients.submit_many, lengths, 4, True)
        while time.monotonic() < end:
            time.sleep(KILL_EVERY)
            killed += _kill_one(drill)
            pulse.beat(f"{killed} processes killed")
        tasks = job.result()
    wrong = drill.settle(tasks, 60 + effort.kill_tasks / 2)
    wrong += drill.all_succeeded(tasks) if killed < 3 else []
    detail = f"{len(tasks)} tasks, {killed} processes killed, 0 lost"
    yield judged(f"random kills for {effort.kill_for:.0f} s", wrong, detail)


def _kill_one(drill: Drill) -> int:
    workers = [worker for worker in drill.installation.workers if worker.is_alive]
    if not workers:
        return 0
    worker = drill.random.choice(workers)
    pids = [worker.pid, *worker.children()]
    pid = drill.random.choice(pids)
    if not pid:
        return 0
    what = worker.name if pid == worker.pid else f"a child of {worker.name}"
    drill.log.add("killed", what=what, pid=pid)
    send(signal.SIGKILL, pid)
    return 1


def crash_points(drill: Drill) -> Iterator[Result]:
    """Kill a process at each named point of the way of a task."""
    for point in (*SERVER_POINTS, *WORKER_POINTS):
        times, wrong = [], []
        for number in range(drill.effort.seeds):
            seconds, found = _crash_at(drill, point, number)
            times.append(seconds)
            wrong += found
        detail = f"{len(times)} deaths, all ended within {max(times):.1f} s"
        yield judged(f"death at {point}", wrong, detail)


def _crash_at(drill: Drill, point: str, number: int) -> tuple[float, list[str]]:
    order = drill.installation.points / f"{point}.{number}"
    order.touch()
    lengths = [drill.random.uniform(0, LONG_ENOUGH) for _ in range(NEIGHBOURS)]
    tasks = drill.clients.submit_many(lengths, at_once=2)
    try:
        wait_until(lambda: not order.exists(), 15, f"a death at {point}")
    except NotInTime as error:
        order.unlink(missing_ok=True)
        return 0.0, [str(error), *drill.settle(tasks, ORPHAN)]
    drill.log.add("killed", what=point)
    died = time.monotonic()
    wrong = drill.settle(tasks, ORPHAN)
    wrong += drill.all_succeeded(tasks)
    return time.monotonic() - died, wrong


def crash_points_at_once(drill: Drill) -> Iterator[Result]:
    """Kill a process at all named points, among the same tasks."""
    orders = [
        drill.installation.points / f"{point}.{number}"
        for point in (*SERVER_POINTS, *WORKER_POINTS)
        for number in range(drill.effort.seeds)
    ]
    drill.random.shuffle(orders)
    tasks: list[Accepted] = []
    begin = time.monotonic()
    for order in orders:
        order.touch()
        tasks += drill.clients.submit_many([0.0, LONG_ENOUGH], at_once=2)
    wrong = drill.settle(tasks, 3 * ORPHAN)
    left = [order for order in orders if order.exists()]
    if left:  # nobody came by any more: let a few more tasks do
        tasks += drill.clients.submit_many([LONG_ENOUGH] * 8, at_once=2)
        wrong = drill.settle(tasks, 2 * ORPHAN)
    wrong += [f"nobody came to {order.name}" for order in left if order.exists()]
    for order in left:
        order.unlink(missing_ok=True)
    seconds = time.monotonic() - begin
    detail = f"{len(orders)} deaths, {len(tasks)} tasks ended within {seconds:.0f} s"
    yield judged("death at each point", wrong, detail)


def self_ending(drill: Drill) -> Iterator[Result]:
    """Let tasks end their own process; they fail with a cause, and others do not."""
    neighbours = drill.clients.submit_many([0.5] * NEIGHBOURS, at_once=4)
    suicides = {how: drill.clients.submit(0.1, how) for how in ENDINGS}
    wrong = drill.settle([*neighbours, *suicides.values()], 4 * ORPHAN)
    wrong += drill.all_succeeded(neighbours)
    found = states(drill.installation.engine, suicides.values())
    said = []
    for how, task in suicides.items():
        state = found[task.id]
        if state.state != "failed" or state.attempt > ENDINGS[how] or not state.log:
            wrong.append(f"{how}: {state.state} after {state.attempt}: {state.log!r}")
        said.append(f"{how}: {state.attempt} attempts, “{_last_line(state.log)}”")
    yield judged("tasks that end themselves", wrong, "; ".join(said))


def _last_line(log: str) -> str:
    return log.strip().splitlines()[-1][:250] if log.strip() else ""


def terminated(drill: Drill) -> Iterator[Result]:
    """Ask a worker to end while it runs a task that is longer than its grace."""
    effort = drill.effort
    task = drill.clients.submit(effort.term_task)
    worker = _worker_of(drill, task)
    drill.installation.keeper.leave(worker)
    begin = time.monotonic()
    willing = worker.terminate(effort.term_grace)
    drill.log.add("terminated", what=worker.name, willing=willing)
    ended = time.monotonic() - begin
    wrong = drill.settle([task], effort.term_task + effort.term_grace + ORPHAN)
    wrong += drill.all_succeeded([task])
    drill.installation.keeper.resume(worker)
    drill.installation.wait_ready(worker)
    detail = f"the worker was gone after {ended:.1f} s, the task ended elsewhere"
    yield judged(f"SIGTERM in a task of {effort.term_task:.0f} s", wrong, detail)


def _worker_of(drill: Drill, task: Accepted) -> Program:
    """Give the worker that runs a task, once it does."""

    def begun() -> list[int]:
        events = drill.log.read("begun")
        return [event["pid"] for event in events if event["task"] == task.id]

    wait_until(begun, ORPHAN, f"the begin of task {task.id}")
    for worker in drill.installation.workers:
        if begun()[-1] in worker.family():
            return worker
    raise NotInTime(f"task {task.id} runs in no worker")


def frozen(drill: Drill) -> Iterator[Result]:
    """Freeze a worker past its lease; what it says when it wakes must be refused."""
    task = drill.clients.submit(2.0)
    worker = _worker_of(drill, task)
    pids = worker.freeze()
    drill.log.add("frozen", what=worker.name)
    try:
        wrong = drill.settle([task], ORPHAN + 5)
    finally:
        thaw(pids)
    drill.log.add("thawed", what=worker.name)
    refused = _refused(worker.log, drill, task)
    wrong += [] if refused else [f"{worker.name} does not say that it was refused"]
    wrong += drill.settle([task], 5) + drill.all_succeeded([task])
    attempts = states(drill.installation.engine, [task])[task.id].attempt
    if attempts != 2:
        wrong.append(f"task {task.id} took {attempts} attempts")
    yield judged("a frozen worker wakes after its lease", wrong, "its result is refused")


def _refused(log: Path, drill: Drill, task: Accepted) -> bool:
    def told() -> bool:
        return f"no longer holds task {task.id}" in log.read_text(errors="replace")

    try:
        wait_until(told, 15, "a refusal in the log")
    except NotInTime:
        return False
    return True
