"""Commands of the project, thin: what they do lies in the package `app_runner.launch`."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from invoke.tasks import task

if TYPE_CHECKING:
    from invoke.context import Context

POOL = "How jobs run side by side: prefork, threads, solo, gevent (default: the setting)."
CONCURRENCY = "Jobs at the same time (default: the setting)."
LEVEL = "debug, info, warning, error or critical (default: the setting)."


@task(
    auto_shortflags=False,
    help={
        "port": "Port to listen on (default: 5005, or the next free one).",
        "host": "Address to listen on (default: 127.0.0.1).",
        "pool": POOL,
        "concurrency": CONCURRENCY,
        "log-level": LEVEL,
        "watch": "Restart server and worker when files of the runner or plugins change.",
        "examples": "Install what the bundled plugins need beyond the runner, and start.",
    },
)
def start(
    c: Context,
    port: int = 0,
    host: str = "127.0.0.1",
    pool: str = "",
    concurrency: int = 0,
    log_level: str = "",
    watch: bool = False,
    examples: bool = False,
) -> None:
    """Run everything in this terminal: server, worker, scheduler and broker."""
    from app_runner.launch.start import StartOptions, start

    options = StartOptions(
        host,
        port or None,
        pool or None,
        concurrency or None,
        log_level or None,
        watch,
        examples,
    )
    sys.exit(start(options))


@task(
    help={
        "pool": POOL,
        "concurrency": CONCURRENCY,
        "log-level": LEVEL,
        "periodic-scheduler": "Run the scheduler in this worker (prefork and solo only).",
        "watch": "Restart when Python files of the runner or of plugins change.",
        "queues": "Queues to take jobs from, separated by commas (default: all).",
        "plugins": "Plugins to serve, names or patterns separated by commas.",
    }
)
def worker(
    c: Context,
    pool: str = "",
    concurrency: int = 0,
    log_level: str = "",
    periodic_scheduler: bool = False,
    watch: bool = False,
    queues: str = "",
    plugins: str = "",
) -> None:
    """Run one more worker."""
    from app_runner.launch.commands import WorkerOptions
    from app_runner.launch.worker import run_worker

    options = WorkerOptions(
        pool or None,
        concurrency or None,
        log_level or None,
        periodic_scheduler or None,
        queues or None,
        plugins or None,
    )
    sys.exit(run_worker(options, watch))


@task(
    auto_shortflags=False,
    help={
        "port": "Port to listen on (default: 5005).",
        "host": "Address to listen on (default: 127.0.0.1; all with CONTAINER_MODE).",
        "workers": "Server processes.",
        "threads": "Requests at the same time in each.",
        "log-level": LEVEL,
    },
)
def start_gunicorn(
    c: Context,
    port: int = 5005,
    host: str = "",
    workers: int = 2,
    threads: int = 16,
    log_level: str = "",
) -> None:
    """Run the server alone, as in production."""
    from app_runner.launch.operations import start_gunicorn

    sys.exit(start_gunicorn(host, port, workers, threads, log_level or None))


@task(help={"port": "Port to listen on, on 127.0.0.1."})
def start_broker(c: Context, port: int = 0) -> None:
    """Start a message broker in the background and print its BROKER_URL."""
    from app_runner.launch.operations import start_broker

    sys.exit(start_broker(port or None))


@task
def stop_broker(c: Context) -> None:
    """Stop the broker that start-broker has started; its data stay."""
    from app_runner.launch.operations import stop_broker

    sys.exit(stop_broker())


@task
def reset_broker(c: Context) -> None:
    """Delete all messages and results of the broker of this folder."""
    from app_runner.launch.operations import reset_broker

    sys.exit(reset_broker())


@task
def celery_status(c: Context) -> None:
    """Show the workers that answer."""
    from app_runner.launch.operations import ask_workers

    sys.exit(ask_workers("status"))


@task
def celery_queues(c: Context) -> None:
    """Show the queues: how many jobs wait, which workers and plugins they are of."""
    from app_runner.launch.operations import celery_queues

    sys.exit(celery_queues())


@task(help={"what": "active, reserved, scheduled, registered, stats, conf, …"})
def celery_inspect(c: Context, what: str = "active") -> None:
    """Ask the workers what they do."""
    from app_runner.launch.operations import ask_workers

    sys.exit(ask_workers("inspect", *shlex.split(what)))


@task
def celery_monitor(c: Context) -> None:
    """Watch what the workers tell while it happens (celery-enable-events first)."""
    from app_runner.launch.operations import celery_monitor

    sys.exit(celery_monitor())


@task
def celery_enable_events(c: Context) -> None:
    """Let the workers tell what they do."""
    from app_runner.launch.operations import ask_workers

    sys.exit(ask_workers("control", "enable_events"))


@task
def celery_disable_events(c: Context) -> None:
    """Let the workers tell nothing any more."""
    from app_runner.launch.operations import ask_workers

    sys.exit(ask_workers("control", "disable_events"))


@task(help={"yes": "Do not ask."})
def purge_task_queues(c: Context, yes: bool = False) -> None:
    """Delete all messages that wait in the queues (asks first)."""
    from app_runner.launch.operations import purge_task_queues

    sys.exit(purge_task_queues(yes))


@task
def upgrade_db(c: Context) -> None:
    """Bring the database to the newest version of its tables."""
    from app_runner.launch.operations import upgrade_db

    sys.exit(upgrade_db())


@task(help={"url": "Where the runner is (default: the one started here)."})
def demo(c: Context, url: str = "") -> None:
    """Walk one plugin as a client would and print each request; ends with SUCCESS."""
    from app_runner.launch.operations import run_demo

    sys.exit(run_demo(url))


@task(
    help={
        "k": "Only tests whose names match, as with pytest -k.",
        "unit": "Only the quick tests, which start no other program.",
        "args": 'Further arguments for pytest, like --args "-x tests/files".',
    }
)
def test(
    c: Context,
    k: str = "",  # noqa: PT028
    unit: bool = False,  # noqa: PT028
    args: str = "",  # noqa: PT028
) -> None:
    """Run the test suite."""
    from app_runner.launch.operations import run_tests

    chosen = [args] + ([f"-k {shlex.quote(k)}"] if k else [])
    if unit:
        chosen.append("-m 'not (browser or server or integration)'")
    sys.exit(run_tests(" ".join(chosen)))


@task
def lint(c: Context) -> None:
    """Run ruff, black, flake8 and mypy; all of them, also when one fails."""
    from app_runner.launch.checks import lint

    sys.exit(lint())


@task(help={"quick": "Fewer and shorter rounds.", "args": "Further arguments, quoted."})
def bench(c: Context, quick: bool = False, args: str = "") -> None:
    """Compare this runner with bare Flask and Celery; prints a table."""
    from app_runner.launch.operations import run_bench

    sys.exit(run_bench(quick, args))


@task(
    auto_shortflags=False,
    help={
        "short": "Less of everything: two minutes instead of a quarter of an hour.",
        "soak": "30 minutes of load instead: memory, descriptors, disk.",
        "seed": "The seed that an earlier run has printed.",
        "seeds": "Deaths at each crash point (default: 3).",
        "broker": "URL of the broker to use (default: an embedded one).",
        "database": "URL of the server for a new database (default: SQLite).",
        "args": "Further arguments, quoted.",
    },
)
def drill(
    c: Context,
    short: bool = False,
    soak: bool = False,
    seed: str = "",
    seeds: int = 0,
    broker: str = "",
    database: str = "",
    args: str = "",
) -> None:
    """Kill what a runner consists of, and check that no task suffers."""
    from app_runner.launch.operations import run_drill

    options = {"seed": seed, "seeds": seeds, "broker": broker, "database": database}
    sys.exit(run_drill({"short": short, "soak": soak, **options}, args))


@task
def doc(c: Context) -> None:
    """Build the documentation into docs/_build; needs no network."""
    from app_runner.launch.texts import build_documentation

    sys.exit(build_documentation())


@task
def translate(c: Context) -> None:
    """Put new texts of the sources into the catalogues, and compile these."""
    from app_runner.launch.texts import update_translations

    sys.exit(update_translations())
