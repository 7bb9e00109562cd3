"""Brokers that outlive the command that started them: start, find, empty and stop one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import redis

from app_runner.babel import gettext as _
from app_runner.launch.embedded import (
    EmbeddedBroker,
    answers,
    connect,
    installed_program,
    packaged_program,
    prepare,
)
from app_runner.launch.ending import Leader, born, end_family, is_alive
from app_runner.launch.instance import read_record, write_private
from app_runner.launch.ports import bind, free_port
from app_runner.launch.supervisor import LaunchError

IMAGE = "docker.io/valkey/valkey:8"
UP = 20.0  # seconds for a server to read its data and answer
REDIS_PORT = 6379


@dataclass(frozen=True)
class BrokerRecord:
    """What was started here (``instance/broker.json``)."""

    kind: str  # "server", or the name of a container engine
    url: str
    pid: int = 0
    born: str = ""
    container: str = ""


def running_url(instance: Path) -> str | None:
    """Give the URL of the broker that `start` or `start-broker` runs on this instance."""
    record = read_record(instance)
    if record.is_current and record.broker_url:
        return record.broker_url
    started = read_broker(instance)
    return started.url if started and answers(started.url) else None


def read_broker(instance: Path) -> BrokerRecord | None:
    """Give what `start-broker` has noted, if anything."""
    try:
        return BrokerRecord(**json.loads(_path(instance).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def start_broker(instance: Path, port: int | None, say: Callable[[str], None]) -> str:
    """Start a broker in the background, unless one runs; gives the URL to use.

    A container when an engine answers, else an installed server, else the packaged one.
    Raises `LaunchError` when none can be started.
    """
    if url := running_url(instance):
        say(_("A broker runs already."))
        return url
    record = _start_container(instance, port, say) or _start_server(instance, port, say)
    write_private(_path(instance), json.dumps(asdict(record)))
    return record.url


def stop_broker(instance: Path, say: Callable[[str], None]) -> None:
    """Stop what `start_broker` has started; its data stay."""
    current = read_record(instance)
    if current.is_current and current.broker_url and not read_broker(instance):
        text = _("The broker belongs to `./run start` (pid %(pid)d); end that one.")
        raise LaunchError(text % {"pid": current.pid})
    record = read_broker(instance)
    if record is None:
        say(_("No broker was started here."))
        return
    if record.container:
        _engine(record.kind, "rm", "--force", record.container)
    elif is_alive(record.pid, record.born):
        end_family(Leader(record.pid, record.born, order=0, grace=10))
    _path(instance).unlink(missing_ok=True)
    say(_("The broker is stopped; its data stay until `reset-broker`."))


def reset_broker(instance: Path, say: Callable[[str], None]) -> None:
    """Delete all messages and results of the broker that runs here, or its files."""
    if url := running_url(instance):
        try:
            with connect(url) as client:
                client.flushall()
        except redis.RedisError as error:
            text = _("The broker cannot be emptied: %(why)s", why=error)
            raise LaunchError(text) from error
        say(_("All messages and results of the running broker are deleted."))
        return
    data = instance / "broker" / "data"
    shutil.rmtree(data, ignore_errors=True)
    for engine in _engines():
        _engine(engine, "volume", "rm", _container_name(instance))
    say(_("The broker does not run; its data in %(folder)s are deleted.", folder=data))


def _path(instance: Path) -> Path:
    return instance / "broker.json"


def _start_server(
    instance: Path, port: int | None, say: Callable[[str], None]
) -> BrokerRecord:
    if port:
        bind("127.0.0.1", port).close()  # raises when it is taken
    installed = installed_program()
    broker = prepare(instance / "broker", port, installed or packaged_program())
    process = subprocess.Popen(
        broker.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    record = BrokerRecord("server", broker.url, process.pid, born(process.pid))
    if not _comes_up(broker, process):
        process.kill()
        process.wait()
        words = broker.last_words()
        raise LaunchError(_("The broker did not start: %(words)s", words=words))
    process.returncode = 0  # it is meant to outlive us; nobody waits for it
    say(_("Started %(program)s (pid %(pid)d).", program=broker.program, pid=process.pid))
    return record


def _comes_up(broker: EmbeddedBroker, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + UP
    while time.monotonic() < deadline and process.poll() is None:
        if broker.answers():
            return True
        time.sleep(0.05)
    return False


def _engines() -> list[str]:
    """Give the container engines that are installed and answer."""
    names = [name for name in ("docker", "podman") if shutil.which(name)]
    return [name for name in names if _engine(name, "ps", "--quiet", seconds=5)]


def _engine(name: str, *arguments: str, seconds: float = 300) -> bool:
    """Run a command of a container engine; gives whether it worked."""
    try:
        done = subprocess.run(
            [name, *arguments], capture_output=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _container_name(instance: Path) -> str:
    mark = hashlib.sha256(os.fsencode(instance)).hexdigest()[:12]
    return f"app-runner-broker-{mark}"


def _start_container(
    instance: Path, port: int | None, say: Callable[[str], None]
) -> BrokerRecord | None:
    """Start a container, or give None when no engine answers or it does not come up."""
    for engine in _engines():
        name, chosen = _container_name(instance), port or _redis_port()
        url = f"redis://127.0.0.1:{chosen}/0"
        _engine(engine, "rm", "--force", name)
        options = ["--detach", "--name", name, "--publish", f"127.0.0.1:{chosen}:6379"]
        options += ["--volume", f"{name}:/data", IMAGE]
        say(_("Starting a container with %(engine)s ...", engine=engine))
        server = ["valkey-server", "--appendonly", "yes"]
        if _engine(engine, "run", *options, *server) and _answers_soon(url):
            return BrokerRecord(engine, url, container=name)
        _engine(engine, "rm", "--force", name)
        say(_("That failed; taking a server of this machine instead."))
    return None


def _redis_port() -> int:
    try:
        bind("127.0.0.1", REDIS_PORT).close()
    except LaunchError:
        return free_port()
    return REDIS_PORT


def _answers_soon(url: str) -> bool:
    deadline = time.monotonic() + UP
    while time.monotonic() < deadline:
        if answers(url):
            return True
        time.sleep(0.1)
    return False
