"""Uploads and downloads over HTTP, against a bare Flask on the same server."""

import http.client
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from urllib.parse import urlsplit

from app_runner.files.contract import CHUNK

from .http_load import BadAnswer
from .processes import children, resident_bytes
from .report import Row
from .scene import LIVE, Scene
from .sides import Side, serving
from .transfers import AS_FAST, LITTLE_MEMORY, MEGABYTE, filled

OPTIONS = ("--worker-class", "gthread", "--threads", "4", "--no-control-socket")
ROOM = str(2**40)


@dataclass
class Figures:
    """What one side has done: MB/s of each round."""

    up: list[float]
    down: list[float]


def files(scene: Scene) -> Iterator[Row]:
    """Send a large file to the runner and to a bare Flask, and ask for it again."""
    effort = scene.effort
    with TemporaryDirectory() as name, ExitStack() as ending:
        file = filled(Path(name, "file"), effort.megabytes * MEGABYTE)
        sides = _sides(scene, Path(name), ending)
        figures = [Figures([], []) for _ in sides]
        before = sides[1].worker_memory()
        for number in range(-1, effort.rounds):
            order = list(zip(sides, figures, strict=True))
            for side, found in order if number % 2 else reversed(order):
                up, down = _there_and_back(side, file)
                if number >= 0:  # the first makes connections and warms caches
                    found.up.append(up)
                    found.down.append(down)
        grown = (resident_bytes(children(sides[1].pids[0])[0]) - before) / MEGABYTE
    plain, ours = figures
    yield Row("upload over HTTP", "MB/s", ours.up, plain.up, AS_FAST)
    yield Row("download over HTTP", "MB/s", ours.down, plain.down, AS_FAST)
    yield Row("both over HTTP, memory", "MB more", [grown], target=LITTLE_MEMORY)


def _sides(scene: Scene, folder: Path, ending: ExitStack) -> list[Side]:
    plain = folder / "plain"
    plain.mkdir()
    shutil.copy(Path(__file__).with_name("plain_files.py"), plain)
    environment = scene.runner_environment("files", scene.plugins(0))
    environment |= {"UPLOAD_MAX_BYTES": ROOM, "MAX_CONTENT_LENGTH": ROOM}
    ours = scene.folder / "files"
    targets = (
        ("plain", "plain_files:app", "/", plain, {"PYTHONPATH": str(plain)}),
        ("files", "app_runner.wsgi:app", LIVE, ours, environment),
    )
    return [ending.enter_context(serving(*one, options=OPTIONS)) for one in targets]


def _there_and_back(side: Side, file: Path) -> tuple[float, float]:
    """Upload and download once; give the MB/s of both. What was kept is deleted."""
    megabytes = file.stat().st_size / MEGABYTE
    begin = time.perf_counter()
    with file.open("rb") as source:
        place = _asked(side, "POST", "/files/", source)
    between = time.perf_counter()
    _asked(side, "GET", place)
    end = time.perf_counter()
    if side.name != "plain":
        _asked(side, "DELETE", place, headers={"Tus-Resumable": "1.0.0"})
    return megabytes / (between - begin), megabytes / (end - between)


def _asked(
    side: Side,
    method: str,
    url: str,
    source: BinaryIO | None = None,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Send a request and read its answer; give the path that it leads to."""
    host = urlsplit(side.base).netloc
    connection = http.client.HTTPConnection(host, timeout=600, blocksize=MEGABYTE)
    told = dict(headers or {})
    if source is not None:
        size = os.fstat(source.fileno()).st_size
        told |= {"Content-Length": str(size), "Content-Type": "application/x-bench"}
    with closing(connection):
        connection.request(method, url, source, told)
        answer, buffer = connection.getresponse(), bytearray(CHUNK)
        while answer.readinto(buffer):
            pass
        if answer.status >= 300:
            raise BadAnswer(f"{method} {url} was answered with {answer.status}")
        parts = urlsplit(answer.headers.get("Location", ""))
        return f"{parts.path}?{parts.query}"
