"""Command lines of the server, the worker, the scheduler, and becoming one of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from app_runner.babel import gettext as _
from app_runner.config import PROJECT, Settings
from app_runner.launch.brokers import running_url
from app_runner.launch.environment import Surroundings, surroundings
from app_runner.launch.supervisor import LaunchError

CELERY = (sys.executable, "-m", "celery", "-q", "-A", "app_runner.celery_worker")
FLASK = (sys.executable, "-m", "flask", "--app", "app_runner")
#: Seconds that requests may still take when the server is asked to end.
SERVER_GRACE = 5


@dataclass(frozen=True)
class WorkerOptions:
    """What a worker is told on its command line; None takes the setting.

    ``queues`` are those that it takes from, ``plugins`` those that it serves (all).
    """

    pool: str | None = None
    concurrency: int | None = None
    log_level: str | None = None
    periodic_scheduler: bool | None = None
    queues: str | None = None
    plugins: str | None = None
    name: str = field(default_factory=lambda: f"worker-{os.getpid()}")


def worker(options: WorkerOptions, settings: Settings) -> tuple[str, ...]:
    """Give the command line of a worker.

    Raises `LaunchError` for the scheduler in a pool that cannot run it, and for a pool
    that is not installed.
    """
    pool = options.pool or settings["CELERY_WORKER_POOL"]
    if pool == "gevent" and find_spec("gevent") is None:
        raise LaunchError(_("The pool gevent needs the package gevent: pip install it."))
    command = [*CELERY, "worker", "--pool", pool]
    command += ["--concurrency", str(options.concurrency or settings["CONCURRENCY"])]
    command += ["--loglevel", level(options.log_level, settings)]
    if options.queues:
        command += ["--queues", options.queues]
    # Workers need nothing of each other; greeting the others costs a second at start.
    command += [
        "--hostname",
        f"{options.name}@%h",
        "--without-gossip",
        "--without-mingle",
    ]
    beat = options.periodic_scheduler
    if settings["PERIODIC_SCHEDULER"] if beat is None else beat:
        if pool not in ("prefork", "solo"):
            text = _("The pool %(pool)s cannot run the scheduler; use prefork or solo.")
            raise LaunchError(text % {"pool": pool})
        command += ["--beat", "--schedule", str(schedule_file(settings.instance))]
    return tuple(command)


def scheduler(instance: Path, log_level: str) -> tuple[str, ...]:
    """Give the command line of the scheduler; it runs once per runner."""
    schedule = str(schedule_file(instance))
    # No pid file: after a kill it would keep the next scheduler from starting.
    options = ("--schedule", schedule, "--pidfile", "")
    return (*CELERY, "beat", *options, "--loglevel", log_level)


def schedule_file(instance: Path) -> Path:
    """Give where the scheduler remembers what it last ran."""
    return instance / "celerybeat-schedule"


def server(
    address: str,
    settings: Settings,
    log_level: str | None = None,
    workers: int = 1,
    threads: int = 16,
) -> tuple[str, ...]:
    """Give the command line of gunicorn; ``address`` is host:port or fd://number.

    Each event stream and each request that waits holds a thread besides ``threads``.
    """
    threads += settings["EVENT_STREAMS"]
    command = [sys.executable, "-m", "gunicorn", "app_runner.wsgi:app", "--bind", address]
    command += ["--worker-class", "gthread", "--workers", str(workers)]
    command += ["--threads", str(threads), "--graceful-timeout", str(SERVER_GRACE)]
    command += ["--log-level", level(log_level, settings).lower(), "--no-control-socket"]
    # Else gunicorn believes what a proxy on this machine passes on, whatever
    # REVERSE_PROXY_COUNT says: scheme, and a prefix of the path.
    command += ["--forwarded-allow-ips", "", "--forwarder-headers", ""]
    return tuple(command)


def level(asked: str | None, settings: Settings) -> str:
    """Give the log level: the one asked for, else the setting."""
    return str(asked or settings["DEFAULT_LOG_LEVEL"]).upper()


def joined() -> Surroundings:
    """Read the settings; a broker that runs here is joined when none is chosen."""
    found = surroundings()
    if "BROKER_URL" not in found.chosen and (url := running_url(found.instance)):
        os.environ["BROKER_URL"] = url
        found.settings["BROKER_URL"] = url
    elif "BROKER_URL" not in found.chosen:
        text = _(
            "No broker runs here (`./run start-broker`) and BROKER_URL is not set; "
            "%(url)s is tried.",
            url=found.settings["BROKER_URL"],
        )
        sys.stderr.write(f"{text}\n")
    return found


def become(command: tuple[str, ...], added: Mapping[str, str] | None = None) -> None:
    """Replace this process by a command, so that signals reach it; never returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(PROJECT)
    os.execvpe(command[0], command, {**os.environ, **(added or {})})  # noqa: S606
