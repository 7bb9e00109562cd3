"""The commands `flask plugins new` and `flask plugins check`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask import Flask

from app_runner.authors import KINDS
from app_runner.babel import gettext as _
from app_runner.config import PROJECT
from app_runner.plugins.cli import plugins_cli
from app_runner.state import current_runner


@plugins_cli.command("new")
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice(KINDS), help="What kind of plugin.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where to write it (default: the first plugin folder).",
)
def new_plugin(name: str | None, kind: str | None, folder: Path | None) -> None:
    """Write a new plugin with test and README; asks for what is missing."""
    # Here and below, because every start of the runner imports this module.
    from app_runner.authors.new import NotWritten, write_plugin

    can_ask = sys.stdin.isatty()
    if name is None:
        if not can_ask:
            raise click.UsageError(_("Give the name of the plugin."))
        name = click.prompt(_("Name, such as word-count"), type=str)
    if kind is None:
        kind = _asked_kind() if can_ask else KINDS[0]
    try:
        place = write_plugin(str(name), str(kind), folder or _plugin_folder())
    except NotWritten as error:
        raise click.ClickException(str(error)) from error
    click.echo(_("%(place)s is written. Its tests:", place=place))
    click.echo(f"    cd {place} && python -m pytest")


def _asked_kind() -> str:
    return str(click.prompt(_("Kind"), default=KINDS[0], type=click.Choice(KINDS)))


def _plugin_folder() -> Path:
    folders = current_runner.settings["PLUGIN_FOLDERS"] or ("plugins",)
    return PROJECT / Path(folders[0]).expanduser()


@plugins_cli.command("check")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def check_plugin(path: Path) -> None:
    """Say in plain words what is wrong with a plugin; exit code 1 when something is."""
    from app_runner.authors.check import check_path

    reports = check_path(path)
    for report in reports:
        for finding in report.findings:
            click.echo(f"{finding.place}: {finding.text}")
    faults = sum(len(report.findings) for report in reports)
    if faults or not reports:
        none = _("There is no plugin in %(path)s.", path=path)
        click.echo(_("%(number)d found.", number=faults) if reports else none)
        sys.exit(1)
    names = ", ".join(name for report in reports for name in report.plugins)
    click.echo(_("Nothing is wrong with %(names)s.", names=names))


def init_app(app: Flask) -> None:
    """Nothing to do: importing this module adds the commands to their group."""
