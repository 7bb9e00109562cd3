"""Finds or starts the Redis that both sides use, and claims empty databases in it."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from app_runner.launch.embedded import answers, connect, prepare

from .processes import running, wait_until

DEFAULT_URL = "redis://127.0.0.1:6379"
DATABASES = range(15, 0, -1)
CLAIM = "app-runner-bench"


class NoRedis(Exception):
    """No database of the server can be used; the text says why."""


@contextmanager
def embedded_server() -> Iterator[str]:
    """Start the runner's embedded broker in a temporary folder; give its URL.

    Raises `LaunchError` when there is no program for it.
    """
    folder = Path(tempfile.mkdtemp(prefix="app-runner-bench-"))
    try:
        broker = prepare(folder)
        with running(broker.command, folder, folder / "output", {}) as process:
            wait_until(broker.answers, process, folder / "output")
            yield broker.url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """Give the URL of the Redis to use: that asked for, the local or an embedded one."""
    if url is None and not answers(DEFAULT_URL):
        with embedded_server() as embedded:
            yield embedded
    else:
        yield url or DEFAULT_URL


def kind(url: str) -> str:
    """Give kind and version of the server, and how it is reached."""
    with connect(url) as connection:
        facts = dict(connection.info("server"))
    name = "valkey" if "valkey_version" in facts else "redis"
    return f"{name} {facts[f'{name}_version']} ({urlsplit(url).scheme})"


def database_url(url: str, database: int) -> str:
    """Give the URL of one database of the server at `url`, as kombu writes it."""
    if url.startswith("redis+socket://"):
        return f"{url.partition('?')[0]}?virtual_host={database}"
    return urlsplit(url)._replace(path=f"/{database}").geturl()


def claim(url: str) -> int:
    """Claim an empty database and give its number; raises NoRedis when all are in use."""
    for number in DATABASES:
        with connect(database_url(url, number)) as connection:
            if connection.dbsize() == 0 and connection.set(
                CLAIM, uuid.uuid4().hex, nx=True
            ):
                if connection.dbsize() == 1:
                    return number
                connection.delete(CLAIM)
    raise NoRedis(f"no empty database among {DATABASES[-1]} to {DATABASES[0]} at {url}")


@contextmanager
def claimed_database(url: str) -> Iterator[str]:
    """Give the broker URL of a database that is ours during the block; empty it then."""
    own = database_url(url, claim(url))
    try:
        yield own
    finally:
        with connect(own) as connection:
            connection.flushdb()
