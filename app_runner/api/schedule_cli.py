"""Commands `flask schedules`: periodic runs of all users, for who operates the runner."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select, update

from app_runner.api import inner_requests, scheduling
from app_runner.api.credentials import PERSON_HERE, Caller
from app_runner.application import base_url
from app_runner.db import audit
from app_runner.db.engine import DB
from app_runner.db.models import Schedule
from app_runner.db.types import now
from app_runner.state import current_runner

SCHEDULES = AppGroup("schedules", help="Make, list, run and remove periodic runs.")
#: The base of links where neither an option nor a setting tells it.
HERE = "http://localhost:5005/"


@SCHEDULES.command("list")
@with_appcontext
def list_() -> None:
    """List all: number, plugin, cron, user, times of the next and last run, problem."""
    for row in DB.session.scalars(select(Schedule).order_by(Schedule.id)):
        times = (_time(row.next_run_at), _time(row.last_run_at))
        cells = (str(row.id), row.plugin, row.cron, row.owner or "-", *times)
        click.echo("\t".join((*cells, row.problem or "-")))


@SCHEDULES.command("add")
@click.argument("plugin")
@click.argument("cron")
@click.option("--parameters", default="{}", help="A JSON object.")
@click.option("--entry-point", help="A path of the plugin (default: as it says).")
@click.option("--user", help="Whose tasks they are; needed unless EXPOSURE is local.")
@click.option("--scope", "scopes", multiple=True, help="A scope; may be repeated.")
@click.option("--base-url", "base", help="Where links in tasks begin.")
@with_appcontext
def add(
    plugin: str,
    cron: str,
    parameters: str,
    entry_point: str | None,
    user: str | None,
    scopes: tuple[str, ...],
    base: str | None,
) -> None:
    """Let PLUGIN (its id) run at the times of CRON (five fields, UTC).

    Prints the number of the schedule, and when it first runs.
    """
    if user is None and current_runner.settings["EXPOSURE"] != "local":
        raise click.UsageError("--user is needed unless EXPOSURE is local")
    new: dict[str, Any] = {"plugin": plugin, "cron": cron}
    new["parameters"] = _object(parameters)
    if entry_point:
        new["entryPoint"] = entry_point
    caller = Caller(user, frozenset(scopes), "schedule") if user else PERSON_HERE
    answer = inner_requests.send(
        *(_app(), base or base_url(_app()) or HERE, "/schedules/"),
        caller=caller,
        method="POST",
        json=new,
    )
    told = json.loads(answer.get_data())
    if answer.status_code != 201:
        why = json.dumps(told.get("errors"), ensure_ascii=False)
        raise click.ClickException(f"{told.get('message', '')} {why}".strip())
    made = DB.session.scalars(select(Schedule).order_by(Schedule.id.desc())).first()
    number = 0 if made is None else made.id
    click.echo(f"{number}\t{told['nextRunAt']}")


@SCHEDULES.command("remove")
@click.argument("number", type=int)
@with_appcontext
def remove(number: int) -> None:
    """Remove a schedule; tasks that it has started go on."""
    _found(number).delete(commit=True)
    audit.record("schedule.delete", str(number), audit.OPERATOR)


@SCHEDULES.command("run")
@click.argument("number", type=int)
@with_appcontext
def run(number: int) -> None:
    """Run a schedule now, besides its times, and print the URL of the task."""
    moment, schedule = now(), _found(number)
    base = schedule.base_url
    # Whoever looks for what is due leaves alone what was just tried.
    due = update(Schedule).where(Schedule.id == number)
    DB.session.execute(due.values(next_run_at=moment, tried_at=moment))
    DB.session.commit()
    scheduling.run_schedule(schedule_id=number, due=moment.isoformat())
    DB.session.expire_all()
    schedule = _found(number)
    if schedule.next_run_at == moment:
        raise click.ClickException("The plugin takes no task now; it is tried again.")
    if schedule.problem:
        raise click.ClickException(schedule.problem)
    task = current_runner.ids.sign("task", schedule.last_task_id or 0)
    click.echo(urljoin(base, f"tasks/{task}/"))


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def _found(number: int) -> Schedule:
    schedule = Schedule.get_by_id(number)
    if schedule is None:
        raise click.ClickException(f"There is no schedule {number}.")
    return schedule


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"--parameters is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise click.BadParameter("--parameters must be a JSON object")
    return found


def _time(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(SCHEDULES)
