"""What `./run start` does: a whole runner in one terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from socket import socket

from app_runner.babel import gettext as _
from app_runner.config import PROJECT
from app_runner.launch import commands
from app_runner.launch.brokers import running_url
from app_runner.launch.children import Service
from app_runner.launch.embedded import EmbeddedBroker, prepare
from app_runner.launch.ending import born
from app_runner.launch.environment import Surroundings, exposure_for, surroundings
from app_runner.launch.examples import examples_are_there
from app_runner.launch.instance import InstanceLock, write_record
from app_runner.launch.output import Console
from app_runner.launch.ports import PORT, bind, url_of
from app_runner.launch.readiness import ReadyProbe
from app_runner.launch.source_watch import restart_on_change
from app_runner.launch.supervisor import Supervisor, exit_code
from app_runner.launch.worker import source_folders

# Lower ones end first: nothing new is planned, nothing new comes in, jobs end, and the
# broker is there until the last of them has said so.
SCHEDULER, SERVER, WORKER, MIGRATION, BROKER = range(5)
BROKER_UP = 60.0  # seconds; a large append-only file takes its time to be read
MIGRATED = 300.0  # seconds
READY = 90.0  # seconds


@dataclass(frozen=True)
class StartOptions:
    """What `./run start` was asked for; None takes the setting or the next best."""

    host: str = "127.0.0.1"
    port: int | None = None
    pool: str | None = None
    concurrency: int | None = None
    log_level: str | None = None
    watch: bool = False
    examples: bool = False


def start(options: StartOptions) -> int:
    """Run a whole runner until it is asked to end; gives the exit code."""
    console = Console(sys.stdout)
    return exit_code(console, lambda: _start(options, console))


def _start(options: StartOptions, console: Console) -> None:
    if options.examples:
        console.say(examples_are_there())
    found = surroundings()
    os.chdir(PROJECT)
    os.environ["EXPOSURE"] = exposure_for(options.host, found)
    with (
        InstanceLock(found.instance) as lock,
        bind(options.host, options.port) as listener,
    ):
        broker = _broker(found)
        _note_surroundings(lock, found)
        services = runner_services(options, found, listener)
        with Supervisor(console, keep=(lock.descriptor,)) as supervisor:
            supervisor.on_change = lambda: _note_children(lock, supervisor)
            if broker:
                _spawn_broker(supervisor, broker)
            supervisor.run_once(migration(), MIGRATED)
            for service in services:
                supervisor.spawn(service)
            url = _wait_ready(options, found, listener, supervisor)
            lock.record.url = url
            _note_children(lock, supervisor)
            _announce(url, options, supervisor)
            supervisor.watch(_tick(options, found, supervisor))


def _tick(
    options: StartOptions, found: Surroundings, supervisor: Supervisor
) -> Callable[[], None]:
    """Give what is done besides keeping everything running."""
    if not options.watch:
        return lambda: None
    folders = source_folders(found.settings)
    return restart_on_change(supervisor, ("server", "worker"), folders)


def _broker(found: Surroundings) -> EmbeddedBroker | None:
    """Choose the broker: the setting, one that runs here, else an embedded one."""
    if "BROKER_URL" in found.chosen:
        return None
    url = running_url(found.instance)
    broker = None if url else prepare(found.instance / "broker")
    os.environ["BROKER_URL"] = broker.url if broker else str(url)
    return broker


def _spawn_broker(supervisor: Supervisor, broker: EmbeddedBroker) -> None:
    about = _(
        "%(program)s, data in %(folder)s", program=broker.name, folder=broker.folder
    )
    service = Service("broker", broker.command, about, BROKER, grace=10, hurries=False)
    supervisor.spawn(service)

    def missing() -> str:
        return str(_("The broker does not answer: %(words)s", words=broker.last_words()))

    supervisor.wait_until(broker.answers, BROKER_UP, missing)


def migration() -> Service:
    """Bring the database up to date."""
    command = (*commands.FLASK, "create-db")
    return Service("database", command, _("migrates the database"), MIGRATION)


def runner_services(
    options: StartOptions, found: Surroundings, listener: socket
) -> list[Service]:
    """Give server, worker and scheduler."""
    settings, log_level = found.settings, options.log_level
    files = (listener.fileno(),)
    port = listener.getsockname()[1]
    # The scheduler is a process of its own here, whatever the setting says.
    worker_options = commands.WorkerOptions(
        options.pool, options.concurrency, log_level, False, name=f"start-{port}"
    )
    return [
        Service(
            "server",
            commands.server(f"fd://{files[0]}", settings, log_level),
            _("gunicorn, one process, 16 threads"),
            SERVER,
            grace=commands.SERVER_GRACE + 3,
            files=files,
        ),
        Service(
            "worker",
            commands.worker(worker_options, settings),
            _("celery worker"),
            WORKER,
            grace=settings["WORKER_GRACE"] + 5,
        ),
        Service(
            "scheduler",
            commands.scheduler(found.instance, commands.level(log_level, settings)),
            _("celery beat"),
            SCHEDULER,
        ),
    ]


def _wait_ready(
    options: StartOptions, found: Surroundings, listener: socket, supervisor: Supervisor
) -> str:
    url = url_of(options.host, listener.getsockname()[1])
    probe = ReadyProbe(url, found.settings["SERVER_NAME"])
    try:
        supervisor.wait_until(probe.is_ready, READY, probe.missing)
    finally:
        probe.stop()
    return url


def _announce(url: str, options: StartOptions, supervisor: Supervisor) -> None:
    say = supervisor.console.say
    port = int(url.rpartition(":")[2])
    if options.port is None and port != PORT:
        say(_("Port %(first)d is taken, so it is %(port)d.", first=PORT, port=port))
    say("")
    say(_("App Runner is ready: %(url)s   (Ctrl-C ends it)", url=f"{url}/"))
    for child in supervisor.children.values():
        say(f"  {child.service.name:<10} pid {child.pid:<8} {child.service.about}")
    text = _("ends the others if this one is killed")
    say(f"  {'watchdog':<10} pid {supervisor.watchdog.pid:<8} {text}")
    say("")


def _note_surroundings(lock: InstanceLock, found: Surroundings) -> None:
    lock.record.exposure = os.environ["EXPOSURE"]
    lock.record.broker_url = os.environ.get("BROKER_URL", found.settings["BROKER_URL"])
    write_record(found.instance, lock.record)


def _note_children(lock: InstanceLock, supervisor: Supervisor) -> None:
    """Keep the record true, so that a next start can end what was left over."""
    children = sorted(supervisor.children.values(), key=lambda one: one.service.order)
    lock.record.processes = [
        (child.service.name, child.pid, child.leader.born) for child in children
    ]
    watchdog = supervisor.watchdog.pid
    lock.record.processes.append(("watchdog", watchdog, born(watchdog)))
    write_record(lock.instance, lock.record)
