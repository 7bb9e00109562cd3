"""A wrong setting stops each real command with one line and a failing exit code."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from app_runner import create_app
from app_runner.errors import SettingError
from tests.processes import run_program

COMMANDS = {
    "flask": ("flask", "--app", "app_runner", "plugins", "list"),
    "gunicorn": ("gunicorn", "--bind", "127.0.0.1:0", "app_runner.wsgi:app"),
    "celery": ("celery", "-A", "app_runner.celery_worker", "worker", "--pool", "solo"),
}
#: What only a later part of the start can tell.
WRONG = [
    ("SQLALCHEMY_DATABASE_URI", "postgresql://host:port/name"),
    ("SQLALCHEMY_DATABASE_URI", "postgresql+nosuchdriver://host/name"),
    ("SQLALCHEMY_DATABASE_URI", "postgresql+psycopg2cffi://host/name"),
    ("SQLALCHEMY_DATABASE_URI", "sqlite:////proc/no/such/folder/app.db"),
    ("DEFAULT_FILE_STORE", "floppy"),
    ("APP_RUNNER_INSTANCE_FOLDER", "/proc/no/such/folder"),
    ("APP_RUNNER_INSTANCE_FOLDER", "/etc/passwd"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_that_cannot_be_used_is_a_setting_error_too(
    tmp_path: Path, name: str, value: str
) -> None:
    given = {"APP_RUNNER_INSTANCE_FOLDER": str(tmp_path), "PLUGIN_FOLDERS": ""}
    with pytest.raises(SettingError, match=f"^Setting {name} .* is not allowed: .+") as e:
        create_app({**given, name: value})
    assert "\n" not in str(e.value)


def test_the_password_of_a_database_is_not_told(tmp_path: Path) -> None:
    url = "postgresql://user:s3cret"
    with pytest.raises(SettingError) as raised:
        create_app(
            {"APP_RUNNER_INSTANCE_FOLDER": str(tmp_path), "SQLALCHEMY_DATABASE_URI": url}
        )
    assert "s3cret" not in str(raised.value)


def start(command: str, folder: Path, **wrong: str) -> CompletedProcess[str]:
    """Run a command in a folder where nothing else is wrong."""
    own = {"APP_RUNNER_INSTANCE_FOLDER": str(folder), "PLUGIN_FOLDERS": str(folder)}
    return run_program(*COMMANDS[command], settings={**own, **wrong})


@pytest.mark.integration
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_it_in_one_line(tmp_path: Path, command: str) -> None:
    ended = start(command, tmp_path, CONCURRENCY="many")
    said = [
        line for line in (ended.stdout + ended.stderr).splitlines() if "Setting" in line
    ]
    assert len(said) == 1, ended.stderr
    assert "Setting CONCURRENCY (from environment) is 'many', which is not" in said[0]
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.returncode != 0


@pytest.mark.integration
@pytest.mark.parametrize("command", ["flask", "celery"])
def test_nothing_else_is_printed(tmp_path: Path, command: str) -> None:
    ended = start(command, tmp_path, DEFAULT_FILE_STORE="no")
    assert len((ended.stdout + ended.stderr).strip().splitlines()) == 1
    assert ended.returncode != 0
