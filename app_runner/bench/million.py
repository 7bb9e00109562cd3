"""Requests against a database with very many finished tasks, and against an empty one."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from .http_load import Connection, address_of, answer_times, get
from .measures import finished_task, submit
from .plugins import PROCESSOR_NAME
from .processes import StartFailed
from .report import Row, Target
from .scene import FEW, LIVE, Scene
from .sides import PROJECT, Side, serving
from .turns import MILLISECOND, in_turns

#: Tasks that the reference has, a page of the list.
A_PAGE = 50
#: Of what the median of the times on the large database may be.
BOUND = 1.2
#: Seconds for which purging may hold up a submit.
HELD_UP = 0.5
#: Tables that are filled; in each, what is not copied from the first row.
OWN = {
    "task": {"id": "NULL", "started_at": "{time}", "finished_at": "{time}"},
    "task_attempt": {"id": "NULL", "task_id": "{first} + i"},
    "task_file": {"id": "NULL", "task_id": "{first} + i"},
}
TIME = "strftime('%Y-%m-%d %H:%M:%f000', '2025-01-01', '+' || (i * 10) || ' seconds')"


def requests(scene: Scene) -> Iterator[Row]:
    """Status, submit and list, in turns; then submits while tasks are purged."""
    effort = scene.effort
    few, many = scene.folder / "few", scene.folder / "many"
    settings = [
        scene.runner_environment(one.name, scene.plugins(FEW)) for one in (few, many)
    ]
    finished = finished_task(scene.entry_point(scene.runner, PROCESSOR_NAME))
    first = int(urlsplit(finished).path.split("/")[2].partition("-")[0])
    source = scene.folder / "runner" / "bench.db"
    for folder, count in ((few, A_PAGE), (many, effort.finished)):
        fill(source, folder / "bench.db", first, count)
    os.sync()  # what was written is no matter of those who ask later
    target = "app_runner.wsgi:app"
    sides = [
        scene.enter(serving(one.name, target, LIVE, one, environment))
        for one, environment in zip((few, many), settings, strict=True)
    ]
    yield from _compared(scene, sides)
    yield _purge(scene, sides[1], settings[1])


def fill(source: Path, database: Path, first: int, count: int) -> None:
    """Make a database with `count` copies of the finished task `first` of another."""
    database.unlink()
    with (
        closing(sqlite3.connect(source)) as old,
        closing(sqlite3.connect(database)) as new,
    ):
        old.backup(new)
        new.execute("PRAGMA journal_mode=WAL")
        new.execute("PRAGMA synchronous=OFF")
        highest = new.execute("SELECT max(id) FROM task").fetchone()[0]
        for table, own in OWN.items():
            _copy(new, table, own, first, highest, count)
        new.execute("ANALYZE")
        new.commit()


def _copy(
    connection: sqlite3.Connection,
    table: str,
    own: dict[str, str],
    first: int,
    highest: int,
    count: int,
) -> None:
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = [own.get(name, f"one.{name}") for name in names]
    made = ", ".join(values).format(time=TIME, first=highest)
    which = "id" if table == "task" else "task_id"
    numbers = f"SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {count}"  # noqa: S608
    one = f"SELECT * FROM {table} WHERE {which} = {first} LIMIT 1"  # noqa: S608
    columns = ", ".join(names)
    copies = f"SELECT {made} FROM n, ({one}) AS one"  # noqa: S608
    target = f"INSERT INTO {table} ({columns})"
    connection.execute(f"WITH RECURSIVE n(i) AS ({numbers}) {target} {copies}")


def _compared(scene: Scene, sides: Sequence[Side]) -> Iterator[Row]:
    count = scene.effort.documents
    kinds = {
        "task status": [partial(_asked, _newest(side), count) for side in sides],
        "list of tasks": [partial(_asked, side.url("/tasks/"), count) for side in sides],
        "submit": [
            partial(_submits, scene.entry_point(side, PROCESSOR_NAME), count)
            for side in sides
        ],
    }
    for kind, turns in kinds.items():
        few, many = in_turns(scene.effort.rounds, *turns)
        name = f"{kind}, {scene.effort.finished:,} finished tasks (floor: {A_PAGE})"
        yield Row(name, "ms", many, few, Target("at most", BOUND))


def _newest(side: Side) -> str:
    listed = json.loads(get(side.url("/tasks/")).body)["tasks"]
    return str(listed[0]["href"])


def _asked(url: str, count: int) -> float:
    return median(each.last for each in answer_times(url, count)) / MILLISECOND


def _submits(url: str, count: int) -> float:
    return median(_submitted(url, count)) / MILLISECOND


def _submitted(url: str, count: int) -> list[float]:
    taken = []
    with closing(Connection(address_of(url))) as connection:
        for _ in range(count):
            start = time.perf_counter()
            submit(connection, url)
            taken.append(time.perf_counter() - start)
    return taken


def _purge(scene: Scene, side: Side, environment: dict[str, str]) -> Row:
    """Submit again and again while a command deletes old tasks."""
    url = scene.entry_point(side, PROCESSOR_NAME)
    kept = scene.effort.finished - scene.effort.purged
    rule = {"RETENTION_AGE": "0", "RETENTION_COUNT": str(kept), "RETENTION_SIZE": "0"}
    command = [sys.executable, "-m", "flask", "--app", "app_runner", "tasks", "purge"]
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, **environment, **rule},
        stdout=subprocess.DEVNULL,
    )
    longest = 0.0
    while process.poll() is None:
        longest = max(longest, *_submitted(url, 2))
        time.sleep(0.02)
    if process.returncode:
        raise StartFailed("flask tasks purge failed")
    name = f"submit while {scene.effort.purged:,} tasks are purged, longest"
    return Row(name, "s", [longest], target=Target("at most", HELD_UP, on="figure"))
