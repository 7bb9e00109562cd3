"""The database of an app: engine options, SQLite's pragmas, the session, migrations."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import Engine, MetaData, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase

from app_runner.config import PROJECT, Settings
from app_runner.db.json_changes import JsonAwareSession, listen
from app_runner.errors import SettingError
from app_runner.state import state_of

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SETTING = "SQLALCHEMY_DATABASE_URI"
#: How PostgreSQL says that it takes no writes (SQLSTATE, its appendix A).
READ_ONLY = "25006"
DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}


class Base(DeclarativeBase):
    """Base of the runner's own models."""

    metadata = MetaData(naming_convention=NAMING)


class RunnerSession(FlaskSession, JsonAwareSession):
    """Flask-SQLAlchemy's session, aware of changes inside JSON."""


listen(RunnerSession)
DB = SQLAlchemy(model_class=Base, session_options={"class_": RunnerSession})
MIGRATE = Migrate(compare_type=True, render_as_batch=True)


def database_url(settings: Settings) -> str:
    """Give the URL with its driver; raises nothing, the engine checks the rest."""
    given = settings[SETTING]
    if not given:
        return f"sqlite:///{settings.instance / 'app_runner.db'}"
    scheme, colon, rest = str(given).partition(":")
    url = DRIVERS.get(scheme, scheme) + colon + rest
    if "pymysql" in url and "charset=" not in url:
        url += ("&" if "?" in url else "?") + "charset=utf8mb4"
    return url


def engine_options(url: str, timeout: float) -> dict[str, Any]:
    """Give the options that bound every wait by ``timeout`` (seconds)."""
    name = make_url(url).get_backend_name()
    if name == "sqlite":
        return {"connect_args": {"timeout": timeout}}
    options: dict[str, Any] = {"pool_pre_ping": True, "pool_timeout": timeout}
    bounds: dict[str, Any] = {"connect_timeout": int(timeout)}
    if name in ("mysql", "mariadb"):
        options["isolation_level"] = "READ COMMITTED"
        bounds["init_command"] = f"SET SESSION innodb_lock_wait_timeout={int(timeout)}"
    elif "options" not in make_url(url).query:  # the operator's own win
        bounds["options"] = f"-c lock_timeout={int(timeout * 1000)}"  # milliseconds
    return {**options, "connect_args": bounds}


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")  # readers do not wait for the writer
        cursor.execute("PRAGMA synchronous=NORMAL")  # safe against kills in WAL mode
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA case_sensitive_like=ON")  # as the other databases do
        cursor.close()


@event.listens_for(Engine, "handle_error")
def _read_only_is_away(context: ExceptionContext) -> BaseException | None:
    """Take a PostgreSQL that writes nothing (a standby, after a switch) for one away.

    The connection is given up: the next one may lead to a server that writes again.
    """
    cause = context.original_exception
    if getattr(cause, "sqlstate", None) != READ_ONLY:
        return None
    context.is_disconnect = True
    statement, values = context.statement, context.parameters
    return OperationalError(statement, values, cause, connection_invalidated=True)


def init_app(app: Flask) -> None:
    """Bind the database to ``app``; nothing is connected yet.

    Raises `SettingError` when the URL leads to no database whatsoever.
    """
    try:
        _bind(app, state_of(app).settings)
    except ImportError as error:
        allowed = f"install its driver, with the extra `postgres` or `mariadb` ({error})"
        raise SettingError(SETTING, "all settings", allowed) from error
    except (SQLAlchemyError, ValueError) as error:  # whose text may hold the password
        allowed = "it must be like postgresql://user:password@host:5432/name"
        raise SettingError(SETTING, "all settings", allowed) from error
    except OSError as error:
        allowed = f"the folder of its file must be there ({error})"
        raise SettingError(SETTING, "all settings", allowed) from error
    MIGRATE.init_app(app, DB, directory=str(PROJECT / "migrations"))


def _bind(app: Flask, settings: Settings) -> None:
    url = database_url(settings)
    app.config[SETTING] = url
    options = engine_options(url, settings["DATABASE_TIMEOUT"])
    app.config.setdefault("SQLALCHEMY_ENGINE_OPTIONS", options)
    if make_url(url).get_backend_name() == "sqlite" and (file := make_url(url).database):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    DB.init_app(app)


def leave_parent_connections(app: Flask) -> None:
    """Forget the connections of the parent process; called in a forked child."""
    with app.app_context():
        DB.engine.dispose(close=False)
