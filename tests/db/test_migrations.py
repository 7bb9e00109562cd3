"""Models and migrations agree on each database, and the commands around them work."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import MetaData, inspect

from app_runner.config import PROJECT
from app_runner.db import DB
from app_runner.db.engine import Base
from app_runner.db.models import ProcessingTask
from tests.conftest import AppFactory

URLS = {
    "sqlite": "sqlite://",
    "postgres": "postgresql://user@nowhere.invalid/name",
    "mariadb": "mariadb://user@nowhere.invalid/name",
}


@pytest.fixture
def empty(make_app: AppFactory, any_database_url: str) -> Flask:
    """Give an app on an empty database of each kind."""
    return make_app(tables=False, SQLALCHEMY_DATABASE_URI=any_database_url)


def table_names() -> set[str]:
    return set(inspect(DB.engine).get_table_names())


def test_upgrade_from_empty_gives_what_the_models_say(empty: Flask) -> None:
    with empty.app_context():
        upgrade()
        with DB.engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            assert compare_metadata(context, Base.metadata) == []
        assert table_names() == {*Base.metadata.tables, "alembic_version"}


def test_migrated_tables_have_the_columns_of_created_ones(
    make_app: AppFactory, any_database_url: str
) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI=any_database_url)
    with app.app_context():
        created = described()
        DB.drop_all()
        upgrade()
        assert described() == created


def described() -> dict[str, list[str]]:
    """Give each column with its type (with collation) and whether it may be NULL."""
    found = MetaData()
    found.reflect(DB.engine)
    return {
        table.name: sorted(f"{c.name} {c.type!r} {c.nullable}" for c in table.columns)
        for table in found.sorted_tables
        if table.name != "alembic_version"
    }


def test_downgrade_to_base_leaves_nothing(empty: Flask) -> None:
    with empty.app_context():
        upgrade()
        downgrade(revision="base")
        assert table_names() <= {"alembic_version"}
        upgrade()
        ProcessingTask("t").save(commit=True)


def test_upgrade_twice_changes_nothing(empty: Flask) -> None:
    with empty.app_context():
        upgrade()
        ProcessingTask("kept").save(commit=True)
        upgrade()
        found = ProcessingTask.get_by_id(1)
        assert found is not None
        assert found.task_name == "kept"


@pytest.mark.parametrize("kind", URLS)
def test_the_sql_of_an_upgrade_is_printed_without_a_connection(
    make_app: AppFactory, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = make_app(tables=False, SQLALCHEMY_DATABASE_URI=URLS[kind])
    answer = app.test_cli_runner().invoke(args=["db", "upgrade", "--sql"])
    assert answer.exit_code == 0, answer.output
    sql = answer.output + capsys.readouterr().out
    for table in Base.metadata.tables:
        assert f"CREATE TABLE {table} (" in sql
    assert ("LONGTEXT" in sql) == (kind == "mariadb")
    assert ("utf8mb4_nopad_bin" in sql) == (kind == "mariadb")


def test_create_db_makes_the_tables(make_app: AppFactory) -> None:
    app = make_app(tables=False)
    answer = app.test_cli_runner().invoke(args=["create-db"])
    assert answer.exit_code == 0, answer.output
    assert answer.output.endswith("The database is up to date.\n")
    with app.app_context():
        assert table_names() == {*Base.metadata.tables, "alembic_version"}


def test_drop_db_asks_and_names_the_database_without_password(empty: Flask) -> None:
    runner = empty.test_cli_runner()
    assert runner.invoke(args=["create-db"]).exit_code == 0
    for said in ("n\n", "\n", ""):
        answer = runner.invoke(args=["drop-db"], input=said)
        assert answer.exit_code != 0
        with empty.app_context():
            assert DB.engine.url.database is not None
            assert DB.engine.url.database in answer.output
            assert "task" in table_names()


@pytest.mark.parametrize("options", [["drop-db", "--yes"], ["drop-db"]])
def test_drop_db_deletes_all_tables(empty: Flask, options: list[str]) -> None:
    runner = empty.test_cli_runner()
    assert runner.invoke(args=["create-db"]).exit_code == 0
    answer = runner.invoke(args=options, input="y\n")
    assert answer.exit_code == 0, answer.output
    with empty.app_context():
        assert table_names() == set()
    assert runner.invoke(args=["create-db"]).exit_code == 0


def test_the_password_is_not_shown(make_app: AppFactory) -> None:
    url = "postgresql://user:s3cret@127.0.0.1:1/name"
    app = make_app(tables=False, SQLALCHEMY_DATABASE_URI=url)
    answer = app.test_cli_runner().invoke(args=["drop-db"], input="n\n")
    assert "name" in answer.output
    assert "s3cret" not in answer.output


def test_each_migration_has_a_predecessor_and_there_is_one_head() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(PROJECT / "migrations"))
    config.set_main_option("path_separator", "os")
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1
    assert list(Path(PROJECT / "migrations" / "versions").glob("*.py"))
