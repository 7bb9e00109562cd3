"""Every setting as a row: name, default, how it is read, help.

Sources, later ones win: defaults, ``instance/config.{py,json,toml}``, the file named by
``APP_RUNNER_SETTINGS``, environment variables (also ``.flaskenv`` and ``.env``), and
the mapping given to ``create_app``.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from app_runner.access_settings import SETTINGS as ACCESS_SETTINGS
from app_runner.errors import SettingError
from app_runner.file_settings import FILE_SETTINGS
from app_runner.masking import pattern_of, secrets_in
from app_runner.setting_types import (
    Setting,
    boolean,
    choice,
    host,
    integer,
    json_pairs,
    lines,
    origins,
    paths,
    text,
    trusted_names,
    url_of,
    url_path,
    urls_of,
    webhook_secrets,
)
from app_runner.task_settings import TASK_SETTINGS

PROJECT = Path(__file__).resolve().parent.parent


#: Schemes of the brokers and result backends that are supported; memory is for tests.
BROKERS = ("redis", "rediss", "sentinel", "amqp", "amqps", "pyamqp", "memory")
BACKENDS = ("redis", "rediss", "sentinel", "db", "rpc", "cache", "file", "disabled")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "EXPOSURE",
        "public",
        choice("local", "private", "public"),
        "Who can reach the runner. `local`: one person on this machine (private "
        "addresses may be fetched, frames from anywhere). `private` and `public`: "
        "guarded fetching.",
    ),
    Setting(
        "APP_RUNNER_INSTANCE_FOLDER", "", text, "Folder for database, secret, files."
    ),
    Setting(
        "APP_RUNNER_SETTINGS", "", text, "A further settings file (.py, .json, .toml)."
    ),
    Setting(
        "SECRET_KEY",
        "",
        text,
        "Signs ids and tokens. Empty: made on first start, kept in the instance folder.",
        secret=True,
    ),
    Setting(
        "DEBUG", False, boolean, "Debug mode: `/debug/` pages, tracebacks in problems."
    ),
    Setting(
        "SERVER_NAME",
        None,
        host,
        "Public host name (and port), for absolute links of jobs.",
    ),
    Setting(
        "PREFERRED_URL_SCHEME", "http", choice("http", "https"), "Scheme of such links."
    ),
    Setting("APPLICATION_ROOT", "/", url_path, "Path below which the runner is reached."),
    Setting(
        "CONTAINER_MODE", False, boolean, "Set in containers: bind to all addresses."
    ),
    Setting(
        "SQLALCHEMY_DATABASE_URI",
        "",
        url_of("sqlite", "postgresql", "mysql", "mariadb", "postgres"),
        "Database. Empty: SQLite in the instance folder.",
        secret=True,
    ),
    Setting(
        "DATABASE_TIMEOUT",
        5.0,
        integer(1, 60),
        "Seconds to wait for a lock or a connection of the database.",
    ),
    Setting(
        "BROKER_URL",
        "redis://localhost:6379",
        urls_of(*BROKERS),
        "Message broker (Redis, Valkey or RabbitMQ).",
        secret=True,
    ),
    Setting(
        "RESULT_BACKEND",
        "",
        urls_of(*BACKENDS),
        "Celery's result backend. Empty: the broker when it is Redis, else the database.",
        secret=True,
    ),
    Setting("CELERY_QUEUE", "celery", text, "Queue that tasks are sent to."),
    Setting(
        "CONCURRENCY", 2, integer(1, 512), "Jobs that a worker runs at the same time."
    ),
    Setting(
        "CELERY_WORKER_POOL",
        "prefork",
        choice("prefork", "threads", "solo", "gevent"),
        "Worker pool.",
    ),
    Setting(
        "LEASE_SECONDS",
        30,
        integer(2, 3600),
        "Seconds after which a job that gives no sign of life is lost; ten times as long "
        "with pools other than prefork.",
    ),
    Setting(
        "EVENT_STREAMS",
        120,
        integer(0, 10_000),
        "Event streams and waiting requests that one server process holds open.",
    ),
    Setting(
        "WORKER_GRACE",
        10,
        integer(0, 86400),
        "Seconds that a worker which is asked to end gives its jobs; then it hands them "
        "back, and they begin anew elsewhere.",
    ),
    Setting(
        "VISIBILITY_TIMEOUT",
        30 * 24 * 3600,
        integer(1, 30 * 24 * 3600),
        "Seconds until Redis hands a message out again that was taken and not worked "
        "off. What is lost is found sooner, so it may be longer than any job.",
    ),
    Setting("PERIODIC_SCHEDULER", False, boolean, "Run the scheduler inside the worker."),
    Setting("DEFAULT_LOG_LEVEL", "INFO", choice(*LEVELS), "Level of the log."),
    Setting("LOG_FORMAT", "text", choice("text", "json"), "Format of log lines."),
    Setting(
        "PLUGIN_FOLDERS", ("plugins",), paths, "Folders of plugins, separated by `:`."
    ),
    Setting(
        "GIT_PLUGINS",
        (),
        lines,
        "Git sources of plugins, one a line: git+<url>[@ref][#subdirectory=folder].",
        secret=True,  # URLs may hold tokens
    ),
    Setting(
        "GIT_ALLOWED_HOSTS",
        (),
        trusted_names,
        "Hosts that git sources may name. Empty: all; `.example.org` takes all below it, "
        "`localhost` stands for file: URLs.",
    ),
    *FILE_SETTINGS,
    Setting("CORS_ORIGINS", ("*",), origins, "Origins that browsers may call from."),
    Setting("FETCH_FILE_ROOTS", (), paths, "Folders below which file: URLs may be read."),
    Setting(
        "FETCH_MAX_BYTES", 2**30, integer(1024, 2**50), "Bytes of one fetched input."
    ),
    Setting(
        "WEBHOOK_SECRET",
        (),
        webhook_secrets,
        "Signs webhooks: `whsec_<base64>`; several while one replaces the other, the "
        "newest first. Empty: made on first start, kept in the instance folder.",
        secret=True,
    ),
    Setting("URL_MAP", (), json_pairs, "JSON object pattern to replacement, for inputs."),
    Setting(
        "PLUGIN_REGISTRY_URL",
        None,
        url_of("http", "https"),
        "Plugin registry to talk to.",
    ),
    *TASK_SETTINGS,
    *ACCESS_SETTINGS,
)
ROWS = {row.name: row for row in SETTINGS}
#: Flask's own names for the same thing, read when ours is not set.
ALIASES = {"DEBUG": "FLASK_DEBUG"}


@dataclass(frozen=True)
class Source:
    """Some values and the place they came from, in words."""

    name: str
    values: Mapping[str, Any]


class Settings(dict[str, Any]):
    """Checked values by name, with the folder that files of this instance live in."""

    instance: Path

    def shown(self) -> Iterator[tuple[Setting, Any]]:
        """Give each row with its value, secrets masked."""
        for row in SETTINGS:
            yield row, "***" if row.secret and self[row.name] else self[row.name]

    def secrets(self) -> Iterator[str]:
        """Give what must stand in no log and no document: secrets, passwords of URLs."""
        return secrets_in(self[row.name] for row in SETTINGS if row.secret)

    @cached_property
    def masking(self) -> re.Pattern[str] | None:
        """Give the pattern of all secrets; None when there are none."""
        return pattern_of(self.secrets())

    def masked(self, text: str) -> str:
        """Put ``***`` in the place of each secret in ``text``."""
        return text if self.masking is None else self.masking.sub("***", text)


def load_settings(given: Mapping[str, Any] | None = None) -> Settings:
    """Read all sources; raises `SettingError` for the first value that is not allowed."""
    given = given or {}
    environment = {**_dotenv(), **os.environ}
    instance = _instance_folder(given, environment)
    sources = [
        *_file_sources(instance, given, environment),
        Source("environment", _known(environment)),
        Source("create_app", given),
    ]
    settings = Settings({row.name: row.default for row in SETTINGS})
    settings.instance = instance
    for source in sources:
        for name, value in source.values.items():
            settings[name] = _checked(name, value, source.name)
    _check_together(settings)
    return settings


def _dotenv() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (".flaskenv", ".env"):
        values = dotenv_values(PROJECT / name)
        found.update({key: value for key, value in values.items() if value is not None})
    return found


def _known(environment: Mapping[str, str]) -> dict[str, str]:
    found = {row: environment[row] for row in ROWS if environment.get(row, "") != ""}
    for name, alias in ALIASES.items():
        if name not in found and environment.get(alias):
            found[name] = environment[alias]
    return found


def _instance_folder(given: Mapping[str, Any], environment: Mapping[str, str]) -> Path:
    name = "APP_RUNNER_INSTANCE_FOLDER"
    chosen = given.get(name) or environment.get(name)
    home = PROJECT if (PROJECT / "pyproject.toml").exists() else Path.cwd()
    return Path(chosen).absolute() if chosen else home / "instance"


def _file_sources(
    instance: Path, given: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[Source]:
    for suffix in ("py", "json", "toml"):
        path = instance / f"config.{suffix}"
        if path.is_file():
            yield Source(str(path), read_file(path))
    name = "APP_RUNNER_SETTINGS"
    further = given.get(name) or environment.get(name)
    if further:
        if not Path(further).is_file():
            raise SettingError(name, "environment", "the file must exist", further)
        yield Source(str(further), read_file(Path(further)))


def read_file(path: Path) -> dict[str, Any]:
    """Read settings from a .py (upper-case names), .json or .toml file.

    Raises `SettingError` naming the file when it cannot be read.
    """
    try:
        if path.suffix == ".toml":
            return tomllib.loads(path.read_text())
        if path.suffix == ".json":
            return dict(json.loads(path.read_text()))
        return {
            key: value
            for key, value in runpy.run_path(str(path)).items()
            if key.isupper()
        }
    except (Exception, SystemExit) as error:  # a settings file may hold any mistake
        raise SettingError(
            "APP_RUNNER_SETTINGS", str(path), f"cannot read: {error}"
        ) from error


def _checked(name: str, value: Any, source: str) -> Any:
    row = ROWS.get(name)
    if row is None or (value is None and row.default is None):
        return value
    try:
        return row.read(value)
    except (ValueError, TypeError) as error:
        shown = "***" if row.secret else value
        raise SettingError(name, source, str(error), shown) from None


def _check_together(settings: Settings) -> None:
    for name in ("BROKER_URL", "CELERY_QUEUE"):
        if not settings[name]:
            raise SettingError(name, "all settings", "it must not be empty")
    if settings["REVERSE_PROXY_COUNT"] and settings["EXPOSURE"] == "local":
        allowed = "with REVERSE_PROXY_COUNT above 0 it must be private or public"
        raise SettingError("EXPOSURE", "all settings", allowed, "local")


def names() -> Iterable[str]:
    """Give the names of all settings."""
    return ROWS.keys()
