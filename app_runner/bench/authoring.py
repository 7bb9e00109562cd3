"""What plugins cost their authors: forms, tables, a start, messages per task."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import redis

from .measures import latencies
from .plugins import PROCESSOR_NAME, processor_source
from .processes import StartFailed
from .report import Row, Target
from .scene import FEW, MANY, Scene
from .sides import PROJECT, runner_environment
from .turns import MILLISECOND

#: MB/s that are enough, however fast the csv module is.
ENOUGH = 60.0
#: Bytes of the table that must leave memory as it is; the environment variable may name
#: more, `APP_RUNNER_BENCH_TABLE=1000000000` for the whole of the promise.
LARGE, VARIABLE = 100_000_000, "APP_RUNNER_BENCH_TABLE"
GROWTH = 100.0  # MB
NEVER_ASKED = "redis://127.0.0.1:1/0"
TASKS = 20


def alone(scene: Scene, *arguments: str) -> dict[str, Any]:
    """Run `app_runner.bench.alone` in a process of its own."""
    name = f"alone-{arguments[0]}"
    known = {"APP_RUNNER_INSTANCE_FOLDER": str(scene.folder / name), "EXPOSURE": "local"}
    return _printed("app_runner.bench.alone", arguments, known)


def _printed(
    module: str, arguments: tuple[str, ...], environment: dict[str, str]
) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise StartFailed(done.stderr[-2000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def forms(scene: Scene) -> Iterator[Row]:
    """CPU time of a form with 50 fields."""
    taken = [each / MILLISECOND for each in alone(scene, "form")["seconds"]]
    target = Target("at most", 5.0, on="figure")
    yield Row("form of 50 fields", "CPU ms", taken, target=target)


def tables(scene: Scene) -> Iterator[Row]:
    """CSV to entities and back: speed (floor: Python's csv module), and memory."""
    speeds = [alone(scene, "table") for _ in range(min(3, scene.effort.rounds))]
    runner, plain = ([s for each in speeds for s in each[n]] for n in ("runner", "csv"))
    bound = round(min(ENOUGH, sorted(plain)[len(plain) // 2]), 1)
    target = Target("at least", bound, on="figure")
    yield Row("CSV to entities and back", "MB/s", runner, plain, target)
    size = os.environ.get(VARIABLE, str(LARGE))
    found = alone(scene, "memory", size)
    name = f"growth over a CSV of {found['size']:.0f} MB"
    grown = Target("at most", GROWTH, on="figure")
    yield Row(name, "MB resident", [found["grown"]], target=grown)


def start(scene: Scene) -> Iterator[Row]:
    """What a processor adds to a start, beyond its own import."""
    beyond = []
    for number in range(max(3, scene.effort.starts)):
        few, many = (_started(scene, count, number) for count in (FEW, MANY))
        added = many["modules"] - few["modules"]
        cost = (many["cpu"] - many["imports"]) - (few["cpu"] - few["imports"])
        beyond.append(cost / added / MILLISECOND)
    target = Target("at most", 2.0, on="figure")
    yield Row("one processor beyond its import", "CPU ms", beyond, target=target)


def _started(scene: Scene, count: int, number: int) -> dict[str, float]:
    plugins = scene.folder / f"processors-{count}"
    if not plugins.exists():
        plugins.mkdir()
        for at in range(count):
            (plugins / f"processor_{at}.py").write_text(processor_source(f"p-{at}"))
    folder = scene.folder / f"processors-{count}-{number}"
    environment = runner_environment(folder, NEVER_ASKED, plugins)
    return _printed("app_runner.bench.startup", (str(plugins),), environment)


def messages(scene: Scene) -> Iterator[Row]:
    """Messages that a task of a processor puts into the broker."""
    runner = scene.runner
    entry, urls = scene.entry_point(runner, PROCESSOR_NAME), scene.redis
    with redis.Redis.from_url(urls) as server:
        before = _pushed(server)
        latencies(entry, TASKS)
        count = (_pushed(server) - before) / TASKS
    target = Target("at most", 1.0, on="figure")
    yield Row("messages per task of a processor", "messages", [count], target=target)


def _pushed(server: Any) -> int:
    """Give how many messages were put into queues since the server began."""
    return int(server.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0))
