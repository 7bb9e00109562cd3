"""How the engine connects: drivers, bounded waits, SQLite's pragmas, foreign keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from app_runner.config import load_settings
from app_runner.db import DB
from app_runner.db.engine import database_url, engine_options, leave_parent_connections
from app_runner.db.models import ProcessingTask, Step, TaskFile, TaskLink
from app_runner.errors import SettingError
from tests.conftest import AppFactory


def url_for(tmp_path: Path, uri: str) -> str:
    given = {"APP_RUNNER_INSTANCE_FOLDER": str(tmp_path)}
    return database_url(load_settings({**given, "SQLALCHEMY_DATABASE_URI": uri}))


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://h/d", "postgresql+psycopg://h/d"),
        ("postgresql://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("mysql://h/d", "mysql+pymysql://h/d?charset=utf8mb4"),
        ("mariadb://h/d?x=1", "mariadb+pymysql://h/d?x=1&charset=utf8mb4"),
        ("mysql+pymysql://h/d?charset=utf8", "mysql+pymysql://h/d?charset=utf8"),
        ("sqlite:////abs/my.db", "sqlite:////abs/my.db"),
    ],
)
def test_urls_get_their_driver(tmp_path: Path, given: str, used: str) -> None:
    assert url_for(tmp_path, given) == used


def test_without_a_url_it_is_sqlite_in_the_instance_folder(tmp_path: Path) -> None:
    assert url_for(tmp_path, "") == f"sqlite:///{tmp_path}/app_runner.db"


@pytest.mark.parametrize("url", ["postgresql+psycopg://h/d", "mysql+pymysql://h/d"])
def test_every_wait_for_a_server_is_bounded(url: str) -> None:
    options = engine_options(url, 7)
    assert options["pool_timeout"] == 7
    assert options["connect_args"]["connect_timeout"] == 7
    assert "timeout=7" in str(options["connect_args"])  # locks; 7000 where ms are meant
    assert options["pool_pre_ping"]


def test_options_of_the_operator_win() -> None:
    options = engine_options("postgresql+psycopg://h/d?options=-c%20jit=off", 7)
    assert "options" not in options["connect_args"]


def pragma(name: str) -> Any:
    return DB.session.execute(text(f"PRAGMA {name}")).scalar_one()


def test_sqlite_is_set_up_on_each_connection(make_app: AppFactory) -> None:
    app = make_app(DATABASE_TIMEOUT=3)
    for _ in range(2):
        with app.app_context():
            assert pragma("journal_mode") == "wal"
            assert pragma("foreign_keys") == 1
            assert pragma("busy_timeout") == 3000
            DB.session.remove()
            DB.engine.dispose()


def test_readers_do_not_wait_for_a_writer(app: Flask) -> None:
    with app.app_context(), DB.engine.connect() as other:
        other.execute(insert(ProcessingTask).values(task_name="not yet committed"))
        assert ProcessingTask.get_by_id(1) is None


def test_a_folder_that_is_missing_is_made_and_one_that_cannot_be_is_told(
    make_app: AppFactory, tmp_path: Path
) -> None:
    make_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/new/folder/my.db")
    assert (tmp_path / "new" / "folder" / "my.db").is_file()
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="SQLALCHEMY_DATABASE_URI"):
        make_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/file/my.db")


@pytest.fixture
def stored(make_app: AppFactory, any_database_url: str) -> Iterator[Flask]:
    app = make_app(SQLALCHEMY_DATABASE_URI=any_database_url)
    with app.app_context():
        yield app


def test_rows_of_a_task_go_with_it(stored: Flask) -> None:
    task = ProcessingTask("t")
    TaskLink(task, "x", "http://x")
    TaskFile(task, file_name="f")
    task.add_next_step("/h", "/u", "one")
    task.save(commit=True)
    DB.session.execute(text("DELETE FROM task"))
    DB.session.commit()
    for class_ in (Step, TaskLink, TaskFile):
        assert DB.session.scalar(select(func.count()).select_from(class_)) == 0


def test_a_row_that_somebody_else_holds_is_an_error_within_the_bound(
    make_app: AppFactory, any_database_url: str
) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI=any_database_url, DATABASE_TIMEOUT=1)
    with app.app_context():
        task = ProcessingTask("t")
        task.save(commit=True)
        with DB.engine.connect() as other:
            other.execute(update(ProcessingTask).values(progress_value=1))
            task.task_log = "late"
            begun = time.monotonic()
            with pytest.raises(OperationalError):
                DB.session.commit()
            DB.session.rollback()
        assert time.monotonic() - begun < 10
        assert (task.task_log, task.progress_value) == ("", None)


def test_the_id_of_a_deleted_row_is_not_given_again(stored: Flask) -> None:
    """Who knows the signed address of the old one must not see the new one."""
    first, second = ProcessingTask("first"), ProcessingTask("second")
    for task in (first, second):
        task.save(commit=True)
    known = second.id
    second.delete(commit=True)
    later = ProcessingTask("later")
    later.save(commit=True)
    assert later.id > known


def test_rows_without_their_task_are_refused(stored: Flask) -> None:
    DB.session.add(Step(task_id=99, number=0, step_id="s", href="", ui_href=""))
    with pytest.raises(IntegrityError):
        DB.session.commit()
    DB.session.rollback()


def test_a_forked_child_leaves_the_connections_of_its_parent_open(app: Flask) -> None:
    with app.app_context():
        parents: Any = DB.session.connection().connection.driver_connection
        DB.session.remove()  # back into the pool, but open
        pool = DB.engine.pool
        leave_parent_connections(app)
        assert DB.engine.pool is not pool
        assert parents.execute("SELECT 1").fetchone() == (1,)


def test_a_lost_connection_is_replaced(stored: Flask) -> None:
    ProcessingTask("t").save(commit=True)
    connection: Any = DB.session.connection().connection.driver_connection
    DB.session.commit()
    connection.close()
    DB.session.remove()
    if DB.engine.dialect.name == "sqlite":
        return  # a file does not hang up
    assert ProcessingTask.get_by_id(1) is not None
