"""Commands around tasks: `flask tasks queues` and `purge`."""

from __future__ import annotations

import time
from typing import Any

import click
from celery import Celery
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from app_runner.babel import gettext as _
from app_runner.state import current_runner
from app_runner.tasks import retention
from app_runner.tasks.queue import check_broker

tasks_cli = AppGroup("tasks", help="Look after tasks and their queues.")
#: Seconds in which a worker answers.
PATIENCE = 1.0
#: Seconds between two words on how far a purge is.
TOLD_EVERY = 2.0
ROW = "{:<32} {:>7}  {:<32} {}"


@tasks_cli.command("queues")
@click.option("--empty", is_flag=True, help="Delete the messages that wait.")
@with_appcontext
def show_queues(empty: bool) -> None:
    """Show the queues: jobs that wait, workers that take from them, their plugins."""
    plan, celery = current_runner.queues, current_runner.celery
    check_broker(celery)
    if empty:
        count = sum(emptied(celery, name) for name in plan.names)
        click.echo(_("%(count)d messages were deleted.", count=count))
        click.echo(_("Those of tasks are sent again; cancel the tasks to end them."))
        return
    workers = consumers(celery)
    click.echo(ROW.format("queue", "waiting", "workers", "plugins"))
    for name in plan.names:
        taken_by = ", ".join(sorted(workers.get(name, ()))) or "-"
        plugins = ", ".join(plan.plugins_of(name)) or "(the runner itself)"
        click.echo(ROW.format(name, waiting(celery, name), taken_by, plugins))


@tasks_cli.command("purge")
@click.option("--dry-run", is_flag=True, help="Count, delete nothing.")
@with_appcontext
def purge_tasks(dry_run: bool) -> None:
    """Delete the finished tasks that the rules of retention do not keep."""
    if dry_run:
        found = retention.would_purge()
        text = _("%(tasks)d tasks with %(size)d bytes of files would be deleted.")
    else:
        found = retention.Purged()
        told_at = time.monotonic()
        for _step in retention.purge(found):
            if time.monotonic() - told_at >= TOLD_EVERY:
                click.echo(_("%(tasks)d tasks …", tasks=found.tasks), err=True)
                told_at = time.monotonic()
        text = _("%(tasks)d tasks with %(size)d bytes of files were deleted.")
    click.echo(text % {"tasks": found.tasks, "size": found.size})


def waiting(celery: Celery, queue: str) -> int:
    """Give the number of messages that wait in a queue."""
    with celery.connection_for_read() as connection:
        channel: Any = connection.default_channel
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:  # nobody has needed it yet
            return 0


def emptied(celery: Celery, queue: str) -> int:
    """Delete the messages that wait in a queue; gives how many."""
    with celery.connection_for_read() as connection:
        channel: Any = connection.default_channel
        try:
            return int(channel.queue_purge(queue) or 0)
        except connection.channel_errors:  # nobody has needed it yet
            return 0


def consumers(celery: Celery) -> dict[str, list[str]]:
    """Give the workers that answer, by the queues that they take from."""
    found: dict[str, list[str]] = {}
    inspected: Any = celery.control.inspect(timeout=PATIENCE)
    for worker, queues in (inspected.active_queues() or {}).items():
        for queue in queues:
            found.setdefault(queue["name"], []).append(worker)
    return found


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(tasks_cli)
