"""`invoke worker`: becomes a worker, or restarts one when its sources change."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from app_runner.babel import gettext as _
from app_runner.config import PROJECT, Settings
from app_runner.launch import commands
from app_runner.launch.children import Service
from app_runner.launch.environment import Surroundings
from app_runner.launch.instance import read_record
from app_runner.launch.output import Console
from app_runner.launch.source_watch import restart_on_change
from app_runner.launch.supervisor import Supervisor, exit_code
from app_runner.plugins.sources import FOLDER as FETCHED


def run_worker(options: commands.WorkerOptions, watch: bool = False) -> int:
    """Run a worker; without ``watch`` this process becomes it. Gives the exit code."""
    console = Console(sys.stdout)

    def body() -> None:
        found = commands.joined()
        adopt_exposure(found)
        if options.plugins:
            os.environ["WORKER_PLUGINS"] = options.plugins
        settings = found.settings
        command = commands.worker(options, settings)
        if watch:
            grace = settings["WORKER_GRACE"] + 5
            watch_worker(command, source_folders(settings), console, grace)
        commands.become(command)

    return exit_code(console, body)


def adopt_exposure(found: Surroundings) -> None:
    """Take the exposure of a `./run start` that runs here; its jobs are ours as well."""
    record = read_record(found.instance)
    if "EXPOSURE" not in found.chosen and record.is_current and record.exposure:
        os.environ["EXPOSURE"] = record.exposure


def source_folders(settings: Settings) -> list[Path]:
    """Give the folders whose files a server and a worker have read."""
    folders = map(Path, settings["PLUGIN_FOLDERS"])
    plugins = [PROJECT / folder.expanduser() for folder in folders]
    return [PROJECT / "app_runner", settings.instance / FETCHED, *plugins]


def watch_worker(
    command: tuple[str, ...], folders: list[Path], console: Console, grace: float
) -> None:
    """Run the worker and start it again after each change, until asked to end."""
    service = Service("worker", command, _("celery worker"), order=0, grace=grace)
    with Supervisor(console) as supervisor:
        supervisor.spawn(service)
        supervisor.watch(restart_on_change(supervisor, ("worker",), folders))
