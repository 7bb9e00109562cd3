"""Event streams: how soon they tell of the end of a task, and what idle ones cost."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from statistics import median
from urllib.parse import urlsplit

from .http_load import BadAnswer, Connection, address_of, request_rate
from .measures import TaskFailed, latencies, submit
from .plugins import PROCESSOR_NAME
from .report import Row, Target
from .scene import FEW, LIVE, PROCESS, Scene
from .sides import Side, serving
from .turns import MEGABYTE, MILLISECOND, Work, in_turns, metered, row

STATUS = re.compile(rb'"status": ?"(SUCCESS|FAILURE)"')
#: What ends an answer that is sent in chunks (RFC 9112, section 7.1).
LAST_CHUNK = re.compile(rb"\r\n0\r\n\r\n$")
TIMEOUT = 20.0
#: One server process, with a thread for each stream and some for requests.
ONE_PROCESS = (
    *("--worker-class", "gthread", "--workers", "1", "--threads", "136"),
    "--no-control-socket",
)


def request_of(task: str) -> bytes:
    """Give the bytes that ask for the event stream of a task."""
    parts = urlsplit(task)
    return f"GET {parts.path}events HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()


@contextmanager
def opened(task: str) -> Iterator[socket.socket]:
    """Ask for the event stream of a task; it is open during the block."""
    with socket.create_connection(address_of(task), TIMEOUT) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.sendall(request_of(task))
        yield stream


def told(stream: socket.socket, task: str, what: re.Pattern[bytes], seen: bytes) -> bytes:
    """Read until the stream has told something; give all that it told."""
    while what.search(seen) is None:
        if not (data := stream.recv(1 << 16)):
            raise BadAnswer(f"the stream of {task} ended: {seen[-500:]!r}")
        seen += data
    return seen


def pushed(url: str, tasks: int) -> list[float]:
    """Submit tasks one after the other; give each one's seconds until it was told of.

    As browsers do, and as `latencies` does, it asks over the connection that is open.
    """
    taken = []
    with closing(Connection(address_of(url))) as connection:
        for _ in range(tasks):
            start = time.perf_counter()
            task = submit(connection, url)
            connection.socket.sendall(request_of(task))
            seen = told(connection.socket, task, STATUS, b"")
            taken.append(time.perf_counter() - start)
            if b'"SUCCESS"' not in seen:
                raise TaskFailed(task, seen.decode("utf-8", "replace")[:1000])
            told(connection.socket, task, LAST_CHUNK, seen)
    return taken


def latency(scene: Scene) -> Iterator[Row]:
    """Latency from submit to SUCCESS told by an event stream; the floor is polled."""
    tasks = scene.effort.latency_tasks

    def one(url: str) -> Work:
        measure = latencies if url == floor_url else pushed
        taken = measure(url, tasks)
        return Work(median(taken) / MILLISECOND, len(taken))

    floor, runner = scene.floor, scene.runner
    floor_url = floor.url(PROCESS)
    turns = [
        metered(floor, floor_url, one),
        metered(runner, scene.entry_point(runner, PROCESSOR_NAME), one),
    ]
    reference, figures = in_turns(scene.effort.rounds, *turns)
    name = "submit to SUCCESS, event stream (floor: polled)"
    yield row(name, "ms", figures, reference, Target("at most", 0.8))


def idle(scene: Scene) -> Iterator[Row]:
    """Memory that idle event streams take in one server process, and requests beside."""
    effort = scene.effort
    environment = scene.runner_environment("streams", scene.plugins(FEW))
    target, folder = "app_runner.wsgi:app", scene.folder / "streams"
    name, rounds = f"{effort.streams} idle event streams", range(effort.rounds)
    with serving("streams", target, LIVE, folder, environment, ONE_PROCESS) as side:
        task = _task_of_nobody(scene, side)
        rate = partial(_rate, task, effort.seconds)
        rate()  # all threads of the server have begun then
        alone, before = [rate() for _ in rounds], side.worker_memory()
        with _open_streams(task, effort.streams):
            beside, after = [rate() for _ in rounds], side.worker_memory()
    used = (after - before) / MEGABYTE
    yield Row(name, "MB", [used], target=Target("at most", 100, on="figure"))
    name = f"task status beside {name} (floor: without)"
    yield Row(name, "requests/s", beside, alone, target=Target("at least", 0.9))


@contextmanager
def _open_streams(task: str, count: int) -> Iterator[None]:
    with ExitStack() as stack:
        streams = [stack.enter_context(opened(task)) for _ in range(count)]
        for stream in streams:
            if b" 200 " not in (head := stream.recv(64)):
                raise BadAnswer(f"no event stream: {head!r}")
        yield


def _rate(task: str, seconds: float) -> float:
    return request_rate(task, seconds=seconds, connections=8).per_second


def _task_of_nobody(scene: Scene, side: Side) -> str:
    """Submit a task where there is no worker: it waits for as long as we look."""
    url = scene.entry_point(side, PROCESSOR_NAME)
    with closing(Connection(address_of(url))) as connection:
        return submit(connection, url)
