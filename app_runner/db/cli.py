"""Commands around the database: create-db, drop-db."""

from __future__ import annotations

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from flask_migrate import upgrade
from sqlalchemy import MetaData

from app_runner.db.engine import DB
from app_runner.state import state_of

#: Key of functions that make tables which are not the runner's own.
FURTHER_TABLES = "further_tables"


@click.command("create-db")
@with_appcontext
def create_db() -> None:
    """Create the tables (the same as `flask db upgrade`)."""
    upgrade()
    click.echo("The database is up to date.")
    for further in state_of(current_app).caches.get(FURTHER_TABLES, ()):
        further()


@click.command("drop-db")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def drop_db(yes: bool) -> None:
    """Delete all tables with everything in them (asks first)."""
    shown = DB.engine.url.render_as_string(hide_password=True)
    if not yes:
        click.confirm(f"Delete all tasks and their records in {shown}?", abort=True)
    found = MetaData()
    found.reflect(DB.engine)
    found.drop_all(DB.engine)
    click.echo("All tables are deleted.")


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(create_db)
    app.cli.add_command(drop_db)
