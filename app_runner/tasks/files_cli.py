"""Commands around file stores: `flask files migrate` and `flask files check`."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

from app_runner.errors import StoreError, UnknownStore
from app_runner.files.contract import FileStore
from app_runner.state import current_runner
from app_runner.tasks import moving_files
from app_runner.tasks.orphans import orphans

FILES = AppGroup("files", help="File stores: move files, look for what is lost.")
SECONDS_PER_HOUR = 3600


@FILES.command("migrate")
@click.option("--from", "source", required=True, help="Store to empty.")
@click.option("--to", "target", required=True, help="Store to fill.")
@click.option("--delete", is_flag=True, help="Delete the old bytes in the end.")
def migrate(source: str, target: str, delete: bool) -> None:
    """Copy all files from one store to another; may be stopped and started again."""
    old, new = _store(source), _store(target)
    if old is new:
        raise click.UsageError("The two stores are one.")
    moved = moving_files.Moved()
    for moved in moving_files.move(old, new):
        if moved.files and moved.files % moving_files.BATCH == 0:
            click.echo(f"{moved.files} files, {moved.bytes} bytes")
    if delete:
        moved.problems += moving_files.delete_old(old, new)
    click.echo(f"{moved.files} files with {moved.bytes} bytes are now in {new.name}.")
    _end(moved.problems)


@FILES.command("check")
@click.option("--remove", is_flag=True, help="Delete bytes that no row names.")
@click.option(
    "--older-than",
    default=24.0,
    show_default=True,
    help="Hours after which what a killed writer left is removed.",
)
def check(remove: bool, older_than: float) -> None:
    """Find rows without bytes, and bytes without rows, in all stores."""
    problems: list[str] = []
    stores = current_runner.stores
    for store in (stores[name] for name in sorted(stores)):
        if store.holds_bytes:
            try:
                problems += _checked(store, remove, older_than)
            except StoreError as error:
                problems.append(f"{store.name}: {error}")
    if not problems:
        click.echo("Every file has its bytes, and all bytes have their file.")
    _end(problems)


def _checked(store: FileStore, remove: bool, older_than: float) -> list[str]:
    problems = list(moving_files.missing(store))
    lost = orphans(store)
    if not remove:
        return problems + [f"{store.name}: no file has the bytes {key}" for key in lost]
    for key in lost:
        store.delete(key)
    left = store.remove_leftovers(older_than * SECONDS_PER_HOUR)
    if lost or left:
        click.echo(f"{store.name}: {len(lost)} lost files and {left} drafts are removed.")
    return problems


def _store(name: str) -> FileStore:
    try:
        store = current_runner.stores[name]
    except UnknownStore as error:
        raise click.UsageError(str(error)) from error
    if not store.holds_bytes:
        raise click.UsageError(f"The store {name} holds no bytes.")
    return store


def _end(problems: list[str]) -> None:
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise SystemExit(1)


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(FILES)
