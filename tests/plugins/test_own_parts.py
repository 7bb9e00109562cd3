"""What plugins bring along: tables, hooks, commands, stores, texts."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from flask import Flask
from sqlalchemy import inspect

from app_runner.db import DB
from app_runner.plugins import hooks
from app_runner.plugins.tables import version_table
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder
from tests.polling import wait_for

NOTES = """
    import click
    from flask import Flask
    from flask.cli import with_appcontext
    from sqlalchemy import MetaData, String, select
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    from app_runner.plugin_api import *

    class Base(DeclarativeBase):
        metadata = MetaData()

    class Note(Base):
        __tablename__ = "notes_note"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(String(50))

    EVENTS = []

    class Notes(PluginBase):
        name, version = "notes", "1.0.0"
        tables, migrations, translations = Base.metadata, "migrations", "translations"

        def init_app(self, app: Flask) -> None:
            super().init_app(app)
            app.cli.add_command(write)
            state = app.extensions["app_runner"]
            if "notes" not in state.stores:
                state.stores.register(Shelf())

        def on_startup(self):
            EVENTS.append("up")

        def on_shutdown(self):
            EVENTS.append("down")

    @click.command("write-note")
    @click.argument("text")
    @with_appcontext
    def write(text):
        DB.session.add(Note(text=text))
        DB.session.commit()
        found = DB.session.scalars(select(Note.text)).all()
        click.echo(Notes.instance.texts.gettext("Notes: ") + ", ".join(found))

    class Shelf(FileStore):
        name, holds_bytes = "notes", True
        def write(self, key, source): return len(source.read())
        def keys(self, prefix=""): return iter(())
        def open(self, key): raise FileNotFoundError(key)
        def delete(self, key): ...
        def size(self, key): return 0
"""
ADD_COLUMN = "        due: Mapped[str | None] = mapped_column(String(20))\n"


@pytest.fixture
def folder(plugin_folder: PluginFolder) -> Path:
    """Give the folder of the plugin."""
    plugin_folder.add("notes/__init__.py", NOTES)
    catalogue = Catalog(locale="fr")
    catalogue.add("Notes: ", "Remarques : ")
    place = plugin_folder.path / "notes" / "translations" / "fr" / "LC_MESSAGES"
    place.mkdir(parents=True)
    with (place / "messages.mo").open("wb") as file:
        write_mo(file, catalogue)
    return plugin_folder.path / "notes"


def cli(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=arguments)


def tables(app: Flask) -> set[str]:
    with app.app_context():
        return set(inspect(DB.engine).get_table_names())


def test_tables_are_migrated_apart(
    make_app: AppFactory, plugin_folder: PluginFolder, folder: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "PLUGIN_FOLDERS": [str(plugin_folder)],
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'shared.db'}",
    }
    app = make_app(tables=False, **settings)
    assert state_of(app).registry.problems == []
    written = cli(app, "plugins", "migrate-db", "notes", "-m", "First tables")
    assert written.output.strip().endswith("0001_first_tables.py")
    made = cli(app, "create-db")
    assert made.exit_code == 0, made.output
    assert "The tables of 1 of 1 plugins are up to date." in made.output
    assert {"notes_note", version_table("notes"), "task"} <= tables(app)
    assert cli(app, "write-note", "milk").output == "Notes: milk\n"
    again = cli(app, "plugins", "migrate-db", "notes")
    assert again.output == "The tables are as the models say.\n"

    source = NOTES.replace("String(50))\n", "String(50))\n" + ADD_COLUMN)
    plugin_folder.add("notes/__init__.py", source)
    newer = make_app(tables=False, **settings)
    assert "0002" in cli(newer, "plugins", "migrate-db", "notes", "-m", "due").output
    assert cli(newer, "plugins", "upgrade-db").exit_code == 0
    assert cli(newer, "write-note", "bread").output == "Notes: milk, bread\n"
    assert cli(newer, "db", "check").exit_code == 0, "ours know nothing of theirs"


def test_a_migration_that_fails_is_said_and_nothing_else_suffers(
    make_app: AppFactory, plugin_folder: PluginFolder, folder: Path
) -> None:
    (folder / "migrations").mkdir()
    (folder / "migrations" / "0001_bad.py").write_text(
        'revision = "0001"\ndown_revision = None\n\n\n'
        'def upgrade():\n    raise ValueError("no such thing")\n'
    )
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
    done = cli(app, "plugins", "upgrade-db")
    assert done.exit_code == 1
    assert "PROBLEM  notes: ValueError: no such thing" in done.output
    assert "notes_note" not in tables(app)
    client = app.test_client()
    assert client.get("/plugins/").status_code == 200

    (problem,) = client.get("/problems/").get_json()["problems"]
    assert (problem["source"], problem["part"]) == (str(folder), "tables")
    said = "the plugin needs 0001. `flask plugins upgrade-db` failed with ValueError: no"
    assert said in problem["message"]
    assert said in cli(app, "plugins", "list").output
    assert "1 problem" in client.get("/", headers={"Accept": "text/html"}).text
    (folder / "migrations" / "0001_bad.py").write_text(
        'revision = "0001"\ndown_revision = None\n\n\ndef upgrade(): ...\n'
    )
    assert cli(app, "plugins", "upgrade-db").exit_code == 0
    assert "PROBLEM" not in cli(app, "plugins", "list").output
    wait_for(lambda: client.get("/problems/").get_json() == {"problems": []})


def test_tables_that_were_never_made_are_a_problem(
    make_app: AppFactory, plugin_folder: PluginFolder, folder: Path
) -> None:
    plugin_folder.add("notes/__init__.py", NOTES.replace('"migrations"', "None"))
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
    said = "The tables notes_note are missing. `flask plugins upgrade-db` brings"
    assert said in cli(app, "plugins", "list").output
    client = app.test_client()
    for language, words in (("en", said), ("de", "Die Tabellen notes_note fehlen.")):
        told = client.get("/problems/", headers={"Accept-Language": language})
        assert words in told.get_json()["problems"][0]["message"]
    assert cli(app, "plugins", "upgrade-db").exit_code == 0
    assert "PROBLEM" not in cli(app, "plugins", "list").output


def test_hooks_are_called_and_their_errors_are_problems(
    make_app: AppFactory, plugin_folder: PluginFolder, folder: Path
) -> None:
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
    registry = state_of(app).registry
    loaded = registry.get("notes@1-0-0")
    assert loaded is not None
    events = vars(sys.modules[type(loaded.plugin).__module__])["EVENTS"]
    assert events == ["up"]
    hooks.stop(app, registry, process=1)  # another process started it
    assert events == ["up"]
    hooks.stop(app, registry, os.getpid())
    assert events == ["up", "down"]
    bad = NOTES.replace('EVENTS.append("up")', 'raise OSError("no disk")')
    plugin_folder.add("notes/__init__.py", bad)
    (problem,) = state_of(make_app(PLUGIN_FOLDERS=[str(plugin_folder)])).registry.problems
    assert (problem.part, problem.message) == ("start-up", "OSError: no disk")


def test_stores_and_languages_of_a_plugin_are_known(
    make_app: AppFactory, plugin_folder: PluginFolder, folder: Path
) -> None:
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
    assert "notes" in state_of(app).stores
    assert "fr" in app.config["LANGUAGES"]
    loaded = state_of(app).registry.get("notes@1-0-0")
    assert loaded is not None
    with app.test_request_context(headers={"Accept-Language": "fr"}):
        assert loaded.plugin.texts.gettext("Notes: ") == "Remarques : "
    with app.test_request_context(headers={"Accept-Language": "de"}):
        assert loaded.plugin.texts.gettext("Notes: ") == "Notes: "
