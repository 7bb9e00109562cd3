"""Drills in which processes die: by chance, at named points, by themselves, or frozen."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app_runner.launch.ending import send
from app_runner.tasks.losses import HANDED_BACK

from .checker import outcomes, states
from .clients import Accepted
from .programs import NotInTime, Program, alive, thaw, wait_until
from .scene import ORPHAN, Drill, Pulse, Result, judged

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
#: Seconds in which a worker whose grace is over hands its jobs back and ends.
HANDING_BACK = 5.0
#: Ways for a task to end itself: how often it is tried, words that its log must have.
ENDINGS = {
    "killed": (3, "the worker was killed (signal 9"),
    "exits": (3, "the process of the worker ended itself (code 3)"),
    "quits": (1, "the job tried to end its process (3)"),
}
#: The same for processors that take more than they may, and are ended for it.
EXCESSES = {
    "endless": (1, "The task was stopped after 1.5 s, the time limit."),
    "greedy": (1, "of 400 MB allowed (memory)."),
}


def kills(drill: Drill) -> Iterator[Result]:
    """Kill a random worker, or a random child of one, again and again."""
    effort, random = drill.effort, drill.random
    lengths = [random.uniform(0, 1) for _ in range(effort.kill_tasks)]
    pulse, killed = Pulse(), 0
    end = time.monotonic() + effort.kill_for
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(drill.clients.submit_many, lengths, 4, True)
        while time.monotonic() < end:
            time.sleep(effort.kill_every)
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
    suicides |= {how: drill.clients.submit_further(how) for how in EXCESSES}
    wrong = drill.settle([*neighbours, *suicides.values()], 4 * ORPHAN)
    wrong += drill.all_succeeded(neighbours)
    found = states(drill.installation.engine, suicides.values())
    said = []
    for how, (attempts, words) in {**ENDINGS, **EXCESSES}.items():
        state = found[suicides[how].id]
        expected = state.state == "failed" and state.attempt == attempts
        if not expected or words not in state.log:
            wrong.append(f"{how}: {state.state} after {state.attempt}: {state.log!r}")
        said.append(f"{how}: {state.attempt} attempts, “{_last_line(state.log)}”")
    wrong += _alive(drill, [suicides[how] for how in EXCESSES])
    yield judged("tasks that end themselves", wrong, "; ".join(said))


def _alive(drill: Drill, tasks: Sequence[Accepted]) -> list[str]:
    """Give the processes of jobs that live though they had to end."""
    ids = {task.id for task in tasks}
    pids = [event["pid"] for event in drill.log.read("begun") if event["task"] in ids]
    try:
        wait_until(lambda: not alive(pids), ORPHAN, "the end of their processes")
    except NotInTime:
        return [f"process {pid} of a job is left" for pid in alive(pids)]
    return []


def _last_line(log: str) -> str:
    return log.strip().splitlines()[-1][:250] if log.strip() else ""


def terminated(drill: Drill) -> Iterator[Result]:
    """Ask a worker to end while it runs a task that is longer than its grace."""
    grace = drill.effort.term_grace
    with drill.installation.worker_settings(WORKER_GRACE=str(int(grace))):
        yield _terminated(drill, grace)


def _terminated(drill: Drill, grace: float) -> Result:
    task = drill.clients.submit(drill.effort.term_task)
    worker = _worker_of(drill, task)
    drill.installation.keeper.leave(worker)
    begin = time.monotonic()
    willing = worker.terminate(grace + HANDING_BACK)
    drill.log.add("terminated", what=worker.name, willing=willing)
    ended = time.monotonic() - begin
    drill.installation.keeper.resume(worker)
    wrong = [] if willing else [f"{worker.name} had to be killed after {ended:.1f} s"]
    wrong += drill.settle([task], drill.effort.term_task + grace + ORPHAN)
    wrong += drill.all_succeeded([task])
    ended_as = outcomes(drill.installation.engine, task)
    if ended_as[0] != HANDED_BACK:
        wrong.append(f"task {task.id} was not handed back: {ended_as}")
    drill.installation.wait_ready(worker)
    detail = f"handed back, the worker was gone after {ended:.1f} s"
    return judged(f"SIGTERM in a task of {drill.effort.term_task:.0f} s", wrong, detail)


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
