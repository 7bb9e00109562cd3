"""An installation to drill on: broker, database, server and workers as real processes."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from socket import gethostname
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine, create_engine, make_url, text

from app_runner.bench.plugins import chain_name, write_published
from app_runner.config import PROJECT
from app_runner.db.engine import DRIVERS
from app_runner.launch.children import Service, Watchdog
from app_runner.launch.commands import CELERY, FLASK
from app_runner.launch.embedded import connect, prepare
from app_runner.launch.ports import free_port

from .breaking import Breakable, OwnServer, Proxy
from .clients import answers
from .log import EventLog
from .programs import Keeper, Program, wait_until

HERE = Path(__file__).parent
UP = 60.0  # seconds for a program to be ready
LEASE = 3  # seconds
#: Ports of servers whose URLs name none.
PORTS = {"redis": 6379, "amqp": 5672, "postgresql": 5432, "mysql": 3306, "mariadb": 3306}


@dataclass(frozen=True)
class Place:
    """Where to drill: without URLs on the embedded broker and SQLite."""

    broker: str | None = None
    database: str | None = None

    def __str__(self) -> str:
        broker = make_url(self.broker).get_backend_name() if self.broker else "embedded"
        database = (
            make_url(self.database).get_backend_name() if self.database else "sqlite"
        )
        return f"{broker}, {database}"


class Installation:
    """A context: everything runs inside, and nothing of it afterwards."""

    def __init__(self, folder: Path, place: Place, workers: int = 2) -> None:
        """Take an empty folder and where to drill."""
        self.folder, self.place = folder, place
        self.log = EventLog(folder / "events.jsonl")
        self.points = folder / "crash-points"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.broker: Breakable
        self.database: Proxy | None = None
        self.settings: dict[str, str] = {}
        self.programs: list[Program] = []
        self._worker_count = workers
        self._queue = f"drill-{secrets.token_hex(4)}"

    def __enter__(self) -> Self:
        """Start everything; ready when server and workers say that they are."""
        self.points.mkdir()
        self._write_plugins()
        self.watchdog = Watchdog()
        self.keeper = Keeper(self.programs, lambda name: self.log.add("died", what=name))
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything."""
        self._end()

    def _write_plugins(self) -> None:
        plugins = self.folder / "plugins"
        plugins.mkdir()
        shutil.copy(HERE / "plugins" / "drill.py", plugins)
        write_published(plugins, 0)

    def _start(self) -> None:
        if self.place.broker is None:
            self._embedded = prepare(self.folder / "broker")
            program = self._program("broker", self._embedded.command, order=3)
            program.start()
            wait_until(self._embedded.answers, UP, "the broker's answer")
            self.broker = OwnServer(program, self.keeper)
        else:
            self.broker = self._broker_proxy = proxy_to(self.place.broker)
        self._make_database()
        if self.place.database is not None:
            self.database = proxy_to(self.database_url)
        self.server = self._program("server", self._server_command(), order=1)
        self.workers = [
            self._program(f"worker-{number}", self._worker_command(number), order=0)
            for number in range(self._worker_count)
        ]
        for program in (self.server, *self.workers):
            program.start()
        wait_until(lambda: answers(f"{self.url}/health/ready"), UP, "the server's answer")
        for worker in self.workers:
            self.wait_ready(worker)
        self.keeper.start()

    def wait_ready(self, worker: Program) -> None:
        """Wait until a worker that was just started takes jobs."""
        wait_until(lambda: " ready." in worker.printed(), UP, f"{worker.name} ready")

    def _program(self, name: str, command: tuple[str, ...], order: int) -> Program:
        service = Service(
            name, command, name, order, grace=10, environment=self.environment()
        )
        program = Program(service, self.folder, self.watchdog)
        self.programs.append(program)
        return program

    def environment(self) -> dict[str, str]:
        """Give the settings of all programs as environment variables."""
        found = {
            "APP_RUNNER_INSTANCE_FOLDER": str(self.folder / "instance"),
            "APP_RUNNER_CRASH_POINTS": str(self.points),
            "APP_RUNNER_DRILL_LOG": str(self.log.path),
            "BROKER_URL": self._way_to_broker(),
            "SQLALCHEMY_DATABASE_URI": self._way_to_database(),
            "CELERY_QUEUE": self._queue,
            "RESULT_BACKEND": "",
            "EXPOSURE": "local",
            "LEASE_SECONDS": str(LEASE),
            "PLUGIN_FOLDERS": str(self.folder / "plugins"),
            "PYTHONPATH": str(PROJECT),
        }
        return {**found, **self.settings}

    def _way_to_broker(self) -> str:
        if self.place.broker is None:
            return self.broker_url
        return through(self._broker_proxy, self.place.broker)

    def _way_to_database(self) -> str:
        if self.database is None:
            return self.database_url
        return through(self.database, self.database_url)

    @property
    def broker_url(self) -> str:
        """Give the URL of the broker."""
        return self.place.broker or self._embedded.url

    @cached_property
    def database_url(self) -> str:
        """Give the URL of the database, which is the drill's own."""
        if self.place.database is None:
            return f"sqlite:///{self.folder / 'drill.db'}"
        scheme, colon, rest = self.place.database.partition(":")
        server = make_url(DRIVERS.get(scheme, scheme) + colon + rest)
        own = server.set(database=f"app_runner_drill_{secrets.token_hex(4)}")
        return own.render_as_string(hide_password=False)

    @cached_property
    def engine(self) -> Engine:
        """Give the way into the database."""
        return create_engine(self.database_url, pool_pre_ping=True)

    def _make_database(self) -> None:
        if self.place.database is not None:
            self._on_server("CREATE DATABASE {}")
        done = subprocess.run(
            [*FLASK, "create-db"],
            cwd=PROJECT,
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"create-db failed:\n{done.stderr[-2000:]}")

    def _on_server(self, statement: str) -> None:
        url = make_url(self.database_url)
        scheme, colon, rest = str(self.place.database).partition(":")
        server = make_url(DRIVERS.get(scheme, scheme) + colon + rest)
        engine = create_engine(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement.format(url.database)))
        engine.dispose()

    def _server_command(self) -> tuple[str, ...]:
        bind = ("--bind", f"127.0.0.1:{self.port}", "--graceful-timeout", "5")
        kind = ("--worker-class", "gthread", "--workers", "2", "--threads", "16")
        return (
            *(sys.executable, "-m", "gunicorn", "app_runner.wsgi:app"),
            *(*bind, *kind, "--no-control-socket"),
        )

    def _worker_command(self, number: int) -> tuple[str, ...]:
        return (
            *(*CELERY, "worker", "--pool", "prefork", "--concurrency", "2"),
            *("--queues", self._queue, "--hostname", f"{self._queue}-{number}@%h"),
            *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
        )

    @contextmanager
    def worker_settings(self, **settings: str) -> Iterator[None]:
        """Run all workers with other settings during the block."""
        self._restart_workers(settings)
        try:
            yield
        finally:
            self._restart_workers({})

    def _restart_workers(self, settings: Mapping[str, str]) -> None:
        self.settings = dict(settings)
        self.end_workers()
        for worker in self.workers:
            worker.service = replace(worker.service, environment=self.environment())
        self.start_workers()

    def end_workers(self) -> None:
        """Ask all workers to end, wait until they have, and let them be."""
        for worker in self.workers:
            self.keeper.leave(worker)
        _end_all(self.workers, 10)

    def start_workers(self) -> None:
        """Start all workers again and wait until they take jobs."""
        for worker in self.workers:
            self.keeper.resume(worker)
        for worker in self.workers:
            self.wait_ready(worker)

    def flush_broker(self) -> None:
        """Delete all messages, and all else that the broker knows."""
        if self.broker_url.startswith("redis"):
            with connect(self.broker_url) as client:
                client.flushdb() if self.place.broker else client.flushall()
            return
        for name in self._queues():
            self._on_broker("queue_purge", name)

    def _queues(self) -> list[str]:
        """Give the names of the queues of jobs: the plain one, and those of plugins."""
        return [
            self._queue,
            *(f"{self._queue}.{one}" for one in ("drill", chain_name(0))),
        ]

    def _on_broker(self, what: str, name: str) -> None:
        """Purge or delete a queue of RabbitMQ; one that is not there is fine."""
        from amqp.exceptions import NotFound
        from kombu import Connection

        with Connection(self.broker_url) as connection:
            channel: Any = connection.default_channel
            with suppress(NotFound):
                getattr(channel, what)(name)

    def _end(self) -> None:
        self.keeper.stop()
        for order in sorted({program.service.order for program in self.programs}):
            _end_all([one for one in self.programs if one.service.order == order], 5)
        self.watchdog.close()
        self.engine.dispose()
        self._drop()

    def _drop(self) -> None:
        if self.place.broker and self.place.broker.startswith(("amqp", "pyamqp")):
            host, workers = gethostname(), range(self._worker_count)
            canaries = [f"{self._queue}-{number}@{host}.canary" for number in workers]
            for name in (*self._queues(), *canaries):
                self._on_broker("queue_delete", name)
        elif self.place.broker:
            self.flush_broker()
        if self.place.database is not None:
            force = " WITH (FORCE)" if "postgres" in self.place.database else ""
            self._on_server("DROP DATABASE IF EXISTS {}" + force)


def _end_all(programs: Sequence[Program], grace: float) -> None:
    with ThreadPoolExecutor() as pool:
        _ = list(pool.map(lambda program: program.terminate(grace), programs))


def proxy_to(url: str) -> Proxy:
    """Make a proxy to the server of a URL."""
    parts = make_url(url)
    port = parts.port or PORTS[parts.get_backend_name()]
    return Proxy((parts.host or "127.0.0.1", port))


def through(proxy: Proxy, url: str) -> str:
    """Give the URL that leads through a proxy."""
    parts = make_url(url).set(host="127.0.0.1", port=proxy.port)
    return parts.render_as_string(hide_password=False)
