"""Commands around plugins: `flask plugins list`, `fetch` and `install`."""

from __future__ import annotations

import sys
from typing import NoReturn

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from app_runner.babel import gettext as _
from app_runner.db import audit
from app_runner.db.cli import FURTHER_TABLES
from app_runner.db.engine import DB
from app_runner.errors import RequirementError, RunnerError, SourceError
from app_runner.plugins import tables
from app_runner.plugins.fetching import Change, Fetching
from app_runner.plugins.installing import Ask, asks_of, install, resolve, runner_asks
from app_runner.plugins.problems import current_problems
from app_runner.plugins.sources import GitSource, parse_source
from app_runner.state import current_runner, state_of

plugins_cli = AppGroup(
    "plugins", help="Show, fetch and equip the plugins of this runner."
)
#: Characters of a commit that are shown.
SHORT = 12


@plugins_cli.command("list")
@click.option("--traceback", is_flag=True, help="Show the traceback of each problem.")
def list_plugins(traceback: bool) -> None:
    """Show what loaded, from where, and each problem with its cause."""
    registry = current_runner.registry
    for plugin in registry:
        loaded = registry.get(plugin.identifier)
        api = "" if plugin.has_api else "  (no API)"
        click.echo(f"{plugin.identifier}  {loaded.source if loaded else ''}{api}")
    if not len(registry):
        click.echo("No plugin is loaded. PLUGIN_FOLDERS names the folders to look in.")
    for problem in current_problems():
        click.echo(
            f"PROBLEM  {problem.source}  ({problem.part})\n         {problem.message}"
        )
        if traceback:
            click.echo(problem.traceback)


@plugins_cli.command("upgrade-db")
def upgrade_tables() -> None:
    """Bring the tables of plugins up to date; the runner's own need `create-db`."""
    if not _upgraded():
        sys.exit(1)


def _upgraded() -> bool:
    registry = current_runner.registry
    count = len(list(tables.all_tables(registry)))
    errors = tables.upgrade_all(registry, DB.engine) if count else {}
    for name, error in errors.items():
        click.echo(f"PROBLEM  {name}: {error}", err=True)
    if count:
        done = count - len(errors)
        click.echo(f"The tables of {done} of {count} plugins are up to date.")
    return not errors


@plugins_cli.command("migrate-db")
@click.argument("name")
@click.option("-m", "--message", default="change the tables", help="What it does.")
def migrate_tables(name: str, message: str) -> None:
    """Write a migration for what the models of plugin NAME have and its tables lack."""
    found = {each.plugin: each for each in tables.all_tables(current_runner.registry)}
    if name not in found:
        raise click.ClickException(f"no plugin {name!r} with tables is loaded")
    try:
        path = found[name].write_migration(DB.engine, message)
    except RunnerError as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(path) if path else "The tables are as the models say.")


@plugins_cli.command("fetch")
@click.option("--update", is_flag=True, help="Look for newer commits, and pin those.")
@click.option("--dry-run", is_flag=True, help="Show what would change, change nothing.")
def fetch_plugins(update: bool, dry_run: bool) -> None:
    """Bring the sources of GIT_PLUGINS to the commits that plugins.lock pins.

    A source without a pin is taken as it is now, and pinned. Nothing of it is run.
    """
    settings = current_runner.settings
    lines = settings["GIT_PLUGINS"]
    if not lines:
        click.echo(_("GIT_PLUGINS names no source."))
        return
    try:
        allowed = settings["GIT_ALLOWED_HOSTS"]
        fetching = Fetching(settings.instance, allowed, dry_run=dry_run)
        with fetching.alone():
            keys = [_fetch(fetching, line, update) for line in lines]
    except SourceError as error:
        _fail(str(error))
    for other in fetching.lock.others({key for key in keys if key}):
        click.echo(_("%(source)s is pinned, and GIT_PLUGINS has it not.", source=other))
    if None in keys:
        _fail(_("Not all sources could be fetched; what was there before stays."))
    if not dry_run:
        click.echo(_("Running servers and workers load what is new when they restart."))


def _fetch(fetching: Fetching, line: str, update: bool) -> str | None:
    """Fetch one source and tell what became of it; None when that failed."""
    source: GitSource | None = None
    try:
        source = parse_source(line)
        _show(fetching.fetch(source, update))
    except (SourceError, OSError) as error:
        reason = f"{source}: {error}" if source else str(error)
        click.echo(_("Failed: %(reason)s", reason=reason), err=True)
        return None
    return source.key


def _show(change: Change) -> None:
    new = change.new[:SHORT]
    if change.is_none:
        click.echo(_("%(source)s stays at %(new)s", source=str(change.source), new=new))
        return
    audit.record("plugins.fetch", str(change.source), audit.OPERATOR, commit=change.new)
    old = change.old[:SHORT] if change.old else _("new")
    click.echo(f"{change.source}  {old} -> {new}  {change.subject}")
    if change.rewritten:
        click.echo("    " + _("The new commit was not built on the old one."))
    for line in change.lines:
        click.echo(f"    {line}")


@click.command("install")
@click.option("--dry-run", is_flag=True, help="Show what would be installed.")
@click.option(
    "--skip-runner-requirements",
    "--skip-runner-dependencies",
    "skip_runner",
    is_flag=True,
    help="Install nothing that only the runner needs; its pins bind all the same.",
)
@with_appcontext
def install_requirements(dry_run: bool, skip_runner: bool) -> None:
    """Install what the plugins require, together with the runner's own pins.

    All of it or nothing: a conflict says which plugin asks for what.
    """
    try:
        asks = asks_of(current_runner.registry.asked)
        if not asks:
            click.echo(_("No plugin requires further packages."))
            return
        packages = resolve(asks, runner_asks(), with_runner=not skip_runner)
        for package in packages:
            click.echo(f"{package.name} {package.version}{_askers(package.name, asks)}")
        if not packages:
            click.echo(_("All that the plugins require is installed."))
        elif not dry_run:
            install(packages)
            told = ", ".join(f"{one.name} {one.version}" for one in packages)
            audit.record("plugins.install", told, audit.OPERATOR)
            click.echo(_("Installed. Restart the server and the workers."))
    except RequirementError as error:
        _fail(f"{error}\n" + _("Nothing was installed."))


def _askers(name: str, asks: list[Ask]) -> str:
    owners = sorted({ask.owner for ask in asks if ask.is_for(name)})
    return f"  ({', '.join(owners)})" if owners else ""


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)


def init_app(app: Flask) -> None:
    """Add the commands; `flask install` is the older name of one of them."""
    plugins_cli.add_command(install_requirements)
    state_of(app).caches.setdefault(FURTHER_TABLES, []).append(_upgraded)
    app.cli.add_command(plugins_cli)
    app.cli.add_command(install_requirements)
