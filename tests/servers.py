"""Fixtures for servers: the embedded broker, and those that variables name.

Each test gets a database (or queue) of its own, which is gone afterwards. Without its
variable a server's tests are skipped with one line that names what is missing.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, make_url, text

from app_runner.bench.redis_space import claimed_database, database_url
from app_runner.launch.embedded import connect, prepare
from app_runner.launch.supervisor import LaunchError
from tests.polling import wait_for
from tests.processes import Running

NOT_SET = "is not set"
PLUGINS_OF_TESTS = ("jobs", "report", "greeting", "quiz", "busy", "other")


def named(kind: str) -> str:
    """Give the URL of a server that the environment names, or skip."""
    variable = f"APP_RUNNER_TEST_{kind.upper()}_URL"
    if not (url := os.environ.get(variable)):
        pytest.skip(f"{variable} {NOT_SET}")
    return url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the summary say in one line per server how many tests lacked it."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if reason.endswith(NOT_SET):
            report.longrepr = (__file__, 1, reason)
    # What a test printed goes to another process as UTF-8 when tests run side by side.
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode())
        for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def embedded_broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the broker that comes with the runner, once, on a socket."""
    folder = tmp_path_factory.mktemp("broker")
    try:
        broker = prepare(folder)
    except LaunchError as missing:
        pytest.skip(str(missing))
    running = Running(broker.command, os.environ, folder / "output")
    try:
        wait_for(broker.answers, what="the embedded broker's answer")
        yield broker.url
    finally:
        running.stop()


@pytest.fixture(scope="session")
def _database_numbers() -> Iterator[int]:
    return cycle(range(1, 16))


@pytest.fixture
def broker_url(
    embedded_broker_url: str, _database_numbers: Iterator[int]
) -> Iterator[str]:
    """Give an empty database of the embedded broker."""
    url = database_url(embedded_broker_url, next(_database_numbers))
    yield url
    with connect(url) as connection:
        connection.flushdb()


@pytest.fixture
def redis_url() -> Iterator[str]:
    """Give an empty database of the Redis that APP_RUNNER_TEST_REDIS_URL names."""
    with claimed_database(named("redis")) as url:
        yield url


@pytest.fixture
def rabbitmq_settings() -> Iterator[dict[str, str]]:
    """Give BROKER_URL and a CELERY_QUEUE of its own, which is deleted afterwards."""
    url, queue = named("rabbitmq"), f"test-{uuid.uuid4().hex}"
    yield {"BROKER_URL": url, "CELERY_QUEUE": queue}
    plugins = (f"{queue}.{plugin}" for plugin in PLUGINS_OF_TESTS)
    delete_queues(url, (queue, *plugins))


def delete_queues(url: str, names: Iterable[str]) -> None:
    """Delete queues of RabbitMQ with their exchanges; it is fine when there are none."""
    from kombu import Connection

    with Connection(url, connect_timeout=5) as connection:
        channel: Any = connection.default_channel
        for name in names:
            channel.queue_delete(name)
            channel.exchange_delete(name)


@pytest.fixture(params=["embedded", "redis", "rabbitmq"])
def broker_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Give the settings of each kind of broker in turn."""
    if request.param == "rabbitmq":
        return dict(request.getfixturevalue("rabbitmq_settings"))
    fixture = {"embedded": "broker_url", "redis": "redis_url"}[request.param]
    return {"BROKER_URL": request.getfixturevalue(fixture)}


@contextmanager
def own_database(server: URL) -> Iterator[str]:
    """Make a database on a server and drop it afterwards."""
    name = f"app_runner_test_{uuid.uuid4().hex[:12]}"
    force = " WITH (FORCE)" if server.get_backend_name() == "postgresql" else ""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}{force}"))
        engine.dispose()


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """Give an empty database of the PostgreSQL that the environment names."""
    with own_database(make_url(named("postgres"))) as url:
        yield url


@pytest.fixture
def mariadb_url() -> Iterator[str]:
    """Give an empty database of the MariaDB that the environment names."""
    with own_database(make_url(named("mariadb"))) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Give the URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'test.db'}"


DATABASES = [
    pytest.param("sqlite_url", id="sqlite"),
    pytest.param("postgres_url", id="postgres", marks=pytest.mark.server),
    pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.server),
]


@pytest.fixture(params=DATABASES)
def any_database_url(request: pytest.FixtureRequest) -> str:
    """Give an empty database of each kind in turn."""
    return str(request.getfixturevalue(request.param))
