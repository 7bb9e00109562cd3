"""What the invoke tasks call, one function each; every one gives an exit code."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping

from app_runner.babel import gettext as _
from app_runner.launch import brokers, commands
from app_runner.launch.checks import pytest_command
from app_runner.launch.demo import demo
from app_runner.launch.environment import surroundings
from app_runner.launch.instance import read_record
from app_runner.launch.output import Console
from app_runner.launch.ports import PORT, url_of
from app_runner.launch.supervisor import exit_code

#: Variable with a token that the demo logs in with, where a login is needed.
TOKEN = "APP_RUNNER_TOKEN"  # noqa: S105 - its name
#: How long workers may take to answer.
ANSWER_SECONDS = 3


def _reported(body: Callable[[], None]) -> int:
    return exit_code(Console(sys.stderr), body)


def start_gunicorn(
    host: str, port: int, workers: int, threads: int, log_level: str | None
) -> int:
    """Become the server; in a container it is reachable from outside."""

    def body() -> None:
        settings = commands.joined().settings
        everywhere = "0.0.0.0"  # noqa: S104 - the container decides what is published
        address = host or (everywhere if settings["CONTAINER_MODE"] else "127.0.0.1")
        bracketed = f"[{address}]" if ":" in address else address
        commands.become(
            commands.server(f"{bracketed}:{port}", settings, log_level, workers, threads)
        )

    return _reported(body)


def start_broker(port: int | None) -> int:
    """Start a broker in the background; prints the setting to use it with."""

    def body() -> None:
        url = brokers.start_broker(surroundings().instance, port, _tell)
        print(f"BROKER_URL={url}")

    return _reported(body)


def stop_broker() -> int:
    """Stop that broker."""
    return _reported(lambda: brokers.stop_broker(surroundings().instance, _tell))


def reset_broker() -> int:
    """Delete what the broker keeps."""
    return _reported(lambda: brokers.reset_broker(surroundings().instance, _tell))


def celery(*arguments: str) -> int:
    """Become a command of Celery: `celery status`, `celery inspect active`, …"""

    def body() -> None:
        commands.joined()
        commands.become((*commands.CELERY, *arguments))

    return _reported(body)


def ask_workers(command: str, *arguments: str) -> int:
    """Become a command of Celery that workers answer, also those that are busy."""
    return celery(command, "--timeout", str(ANSWER_SECONDS), *arguments)


def celery_monitor() -> int:
    """Become Celery's monitor; where no terminal is, it prints the events."""
    return celery("events", *([] if sys.stdout.isatty() else ["--dump"]))


def celery_queues() -> int:
    """Become `flask tasks queues`."""

    def body() -> None:
        commands.joined()
        commands.become((*commands.FLASK, "tasks", "queues"))

    return _reported(body)


def purge_task_queues(certain: bool) -> int:
    """Become `flask tasks queues --empty`, unless the person at the terminal says no."""

    def body() -> None:
        commands.joined()
        if certain or _agreed(_("Delete all messages that wait in the queues?")):
            commands.become((*commands.FLASK, "tasks", "queues", "--empty"))
        _tell(_("Nothing was deleted."))

    return _reported(body)


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # nobody is there to answer
        return False


def upgrade_db() -> int:
    """Become `flask create-db`, which also brings the tables of plugins up to date."""

    def body() -> None:
        surroundings()
        commands.become((*commands.FLASK, "create-db"))

    return _reported(body)


def run_demo(url: str) -> int:
    """Walk the example plugin, by default on the server that runs here."""

    def default() -> str:
        record = read_record(surroundings().instance)
        return (
            record.url if record.is_current and record.url else url_of("127.0.0.1", PORT)
        )

    return demo(url or default(), _tell, os.environ.get(TOKEN, ""))


def run_tests(arguments: str) -> int:
    """Become the test suite."""
    return _reported(lambda: commands.become(pytest_command(arguments)))


def run_bench(quick: bool, arguments: str) -> int:
    """Become the benchmark."""
    command = [sys.executable, "-m", "app_runner.bench", *shlex.split(arguments)]
    if quick:
        command.append("--quick")
    return _reported(lambda: commands.become(tuple(command)))


def run_drill(options: Mapping[str, object], arguments: str) -> int:
    """Become the drill; of ``options`` count those that are set."""
    command = [sys.executable, "-m", "app_runner.drill", *shlex.split(arguments)]
    for name, value in options.items():
        if value:
            command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return _reported(lambda: commands.become(tuple(command)))


def _tell(text: str) -> None:
    print(text, flush=True)
