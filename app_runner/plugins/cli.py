"""Commands around plugins: `flask plugins list`."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

from app_runner.state import current_runner

plugins_cli = AppGroup("plugins", help="Show the plugins of this runner.")


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
    for problem in registry.problems:
        click.echo(
            f"PROBLEM  {problem.source}  ({problem.part})\n         {problem.message}"
        )
        if traceback:
            click.echo(problem.traceback)


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(plugins_cli)
