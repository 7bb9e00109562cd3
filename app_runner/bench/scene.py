"""What is measured: sides that start when a measure first asks, and end together."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urljoin

from . import redis_space
from .http_load import BadAnswer, get
from .measures import latencies
from .plugins import PROCESSOR_NAME, chain_name, write_plugins
from .processes import StartFailed
from .sides import (
    PROJECT,
    Side,
    floor_environment,
    runner_environment,
    serving,
    working,
)

FEW, MANY = 3, 100
LIST, OPENAPI, LIVE = "/plugins/", "/api-spec.json", "/health/live"
# The floor's entry point.
PROCESS = "/process/"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: rounds, and what one turn of each measure does."""

    rounds: int
    seconds: float
    latency_tasks: int
    throughput_tasks: int
    starts: int
    documents: int
    connections: int = 16
    clients: int = 8
    streams: int = 100
    megabytes: int = 256
    finished: int = 1_000_000
    purged: int = 100_000


FULL = Effort(
    rounds=7,
    seconds=1.0,
    latency_tasks=100,
    throughput_tasks=500,
    starts=5,
    documents=200,
)
QUICK = Effort(
    rounds=3,
    seconds=0.3,
    latency_tasks=10,
    throughput_tasks=80,
    starts=1,
    documents=60,
    megabytes=64,
    finished=50_000,
    purged=10_000,
)


class Scene:
    """The Redis, the floor, and the runner with few and with many plugins."""

    def __init__(self, effort: Effort, redis_url: str | None) -> None:
        self.effort = effort
        self._redis_url = redis_url
        self._ending = ExitStack()
        self._starts: dict[int, dict[str, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            self.tell_last_words()
        self._ending.__exit__(kind, error, trace)

    def tell_last_words(self) -> None:
        """Print the ends of all logs on stderr, before they are deleted."""
        for log in sorted(self.folder.glob("*/*.log")):
            if text := log.read_text("utf-8", "replace")[-1500:]:
                print(f"--- {log.relative_to(self.folder)}\n{text}", file=sys.stderr)

    def enter(self, thing: AbstractContextManager[T]) -> T:
        return self._ending.enter_context(thing)

    @cached_property
    def folder(self) -> Path:
        """A folder that is deleted at the end."""
        return Path(self.enter(tempfile.TemporaryDirectory(prefix="app-runner-bench-")))

    @cached_property
    def redis(self) -> str:
        """The URL of the Redis server."""
        return self.enter(redis_space.server(self._redis_url))

    @cached_property
    def runner_settings(self) -> dict[str, str]:
        """The environment of the runner with few plugins."""
        return self.runner_environment("runner", self.plugins(FEW))

    @cached_property
    def runner(self) -> Side:
        """The runner with few plugins and its worker."""
        environment = self.runner_settings
        folder = self.folder / "runner"
        side = self.enter(
            serving("runner", "app_runner.wsgi:app", LIVE, folder, environment)
        )
        worker = self.enter(working("app_runner.celery_worker", folder, environment))
        latencies(self.entry_point(side, PROCESSOR_NAME), 4)
        return replace(side, pids=(*side.pids, worker))

    @cached_property
    def large(self) -> Side:
        """The runner with many plugins, without a worker."""
        environment = self.runner_environment("large", self.plugins(MANY))
        folder = self.folder / "large"
        return self.enter(
            serving("large", "app_runner.wsgi:app", LIVE, folder, environment)
        )

    @cached_property
    def floor(self) -> Side:
        """The floor and its worker; its constant answers are as long as the runner's."""
        paths = (LIST, OPENAPI, self.metadata_path)
        sizes = {path: len(get(self.runner.url(path)).body) for path in paths}
        folder = self.folder / "floor"
        broker = self.enter(redis_space.claimed_database(self.redis))
        environment = floor_environment(folder, broker, sizes)
        side = self.enter(serving("floor", "floor:app", LIST, folder, environment))
        worker = self.enter(working("floor:celery", folder, environment))
        latencies(side.url(PROCESS), 4)
        return replace(side, pids=(*side.pids, worker))

    def runner_environment(self, name: str, plugins: Path) -> dict[str, str]:
        broker = self.enter(redis_space.claimed_database(self.redis))
        return runner_environment(self.folder / name, broker, plugins)

    def plugins(self, count: int) -> Path:
        """Give a folder with `count` generated plugins."""
        folder = self.folder / f"plugins-{count}"
        if not folder.exists():
            write_plugins(folder, count)
        return folder

    @cached_property
    def metadata_path(self) -> str:
        """The path of the metadata of a plugin in the published style."""
        return plugin_root(self.runner, chain_name(0)).removeprefix(self.runner.base)

    @staticmethod
    def entry_point(side: Side, name: str) -> str:
        """Give the URL that starts a task of a plugin of the runner."""
        root = plugin_root(side, name)
        metadata = json.loads(get(root).body)
        return urljoin(root, str(metadata["entryPoint"]["href"]))

    def one_start(self, count: int) -> dict[str, float]:
        """Start an app with `count` plugins in its own process; give its figures."""
        if count not in self._starts:
            name = f"start-{count}"
            self._starts[count] = self.runner_environment(name, self.plugins(count))
        command = [sys.executable, "-m", "app_runner.bench.startup"]
        done = subprocess.run(
            [*command, str(self.plugins(count))],
            cwd=PROJECT,
            env={**os.environ, **self._starts[count]},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StartFailed(done.stderr[-2000:])
        return dict(json.loads(done.stdout.splitlines()[-1]))


def plugin_root(side: Side, name: str) -> str:
    """Give the URL of a plugin of the runner, as its list of plugins says."""
    listed = json.loads(get(side.url(LIST)).body)["plugins"]
    for plugin in listed:
        if plugin["name"] == name:
            return str(plugin["apiRoot"])
    raise BadAnswer(f"{name} is not among {[plugin['name'] for plugin in listed]}")
