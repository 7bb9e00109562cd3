"""Where settings come from, which source wins, and what a wrong value says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app_runner import config
from app_runner.config import ROWS, SETTINGS, load_settings, read_file
from app_runner.errors import SettingError
from app_runner.setting_types import lines, paths, text

INSTANCE = "APP_RUNNER_INSTANCE_FOLDER"

PICKY = [row.name for row in SETTINGS if row.read not in (text, paths, lines)]
#: Values that are nearly right; what is not listed must refuse `NOTHING_TAKES_THIS`.
WRONG: dict[str, str] = {
    "EXPOSURE": "everybody",
    "DEBUG": "maybe",
    "PREFERRED_URL_SCHEME": "gopher",
    "REVERSE_PROXY_COUNT": "-1",
    "CONTAINER_MODE": "2",
    "SQLALCHEMY_DATABASE_URI": "oracle://host/db",
    "DATABASE_TIMEOUT": "soon",
    "BROKER_URL": "localhost:6379",
    "RESULT_BACKEND": "yes://please",
    "SERVER_NAME": "https://example.org",
    "APPLICATION_ROOT": "runner",
    "TRUSTED_HOSTS": "example.org:80",
    "GIT_ALLOWED_HOSTS": "git.example.org:80",
    "WORKER_PLUGINS": "https://example.org/plugin",
    "CORS_ORIGINS": "(",
    "FETCH_ALLOWED_HOSTS": "10.0.0.0/99",
    "PLUGIN_REGISTRY_URL": "registry.example.org",
    "CONCURRENCY": "0",
    "CELERY_WORKER_POOL": "eventlet",
    "PERIODIC_SCHEDULER": "perhaps",
    "DEFAULT_LOG_LEVEL": "LOUD",
    "LOG_FORMAT": "xml",
    "MAX_CONTENT_LENGTH": "10 MB",
    "MAX_FORM_MEMORY_SIZE": "1e6",
    "FETCH_MAX_BYTES": "0x10",
    "URL_MAP": "[not json",
}
NOTHING_TAKES_THIS = "{ ? }"


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    folder = tmp_path / "instance"
    folder.mkdir()
    return folder


def load(instance: Path, **given: Any) -> dict[str, Any]:
    return load_settings({INSTANCE: str(instance), **given})


def test_defaults_hold_when_nothing_is_set(instance: Path) -> None:
    settings = load(instance)
    assert {name: settings[name] for name in ROWS if name != INSTANCE} == {
        row.name: row.default for row in SETTINGS if row.name != INSTANCE
    }


def test_each_source_wins_over_the_ones_before(
    instance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    further = tmp_path / "further.toml"

    def queue(**given: Any) -> str:
        return str(load(instance, **given)["CELERY_QUEUE"])

    assert queue() == "celery"
    (instance / "config.py").write_text('CELERY_QUEUE = "py"')
    assert queue() == "py"
    (instance / "config.json").write_text('{"CELERY_QUEUE": "json"}')
    assert queue() == "json"
    (instance / "config.toml").write_text('CELERY_QUEUE = "toml"')
    assert queue() == "toml"
    further.write_text('CELERY_QUEUE = "further"')
    monkeypatch.setenv("APP_RUNNER_SETTINGS", str(further))
    assert queue() == "further"
    monkeypatch.setenv("CELERY_QUEUE", "environment")
    assert queue() == "environment"
    assert queue(CELERY_QUEUE="mapping") == "mapping"


def test_dotenv_files_count_as_environment_and_lose_to_variables(
    instance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "PROJECT", tmp_path)
    monkeypatch.delenv("CELERY_QUEUE")
    (instance / "config.py").write_text('CELERY_QUEUE = "file"')
    (tmp_path / ".flaskenv").write_text("CELERY_QUEUE=flaskenv\nCONCURRENCY=7\n")
    assert load(instance)["CELERY_QUEUE"] == "flaskenv"
    assert load(instance, CONCURRENCY=8)["CONCURRENCY"] == 8
    (tmp_path / ".env").write_text("CELERY_QUEUE=dotenv\n")
    assert load(instance)["CELERY_QUEUE"] == "dotenv"
    monkeypatch.setenv("CELERY_QUEUE", "variable")
    assert load(instance)["CELERY_QUEUE"] == "variable"


def test_the_instance_folder_of_dotenv_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "PROJECT", tmp_path)
    monkeypatch.delenv(INSTANCE)
    (tmp_path / ".env").write_text(f"{INSTANCE}={tmp_path / 'elsewhere'}\n")
    assert load_settings().instance == tmp_path / "elsewhere"


def test_an_empty_variable_is_not_set(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCURRENCY", "")
    assert load(instance)["CONCURRENCY"] == 2


def test_flask_debug_is_debug_unless_debug_is_set(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert load(instance)["DEBUG"] is True
    monkeypatch.setenv("DEBUG", "0")
    assert load(instance)["DEBUG"] is False


def test_unknown_keys_are_kept_for_plugins(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (instance / "config.json").write_text('{"WF_EDITOR": {"deep": [1]}}')
    given = {"SOME_PLUGIN": object()}
    settings = load(instance, **given)
    assert settings["SOME_PLUGIN"] is given["SOME_PLUGIN"]
    assert settings["WF_EDITOR"] == {"deep": [1]}


def test_foreign_variables_are_not_settings(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    assert "SOMETHING_ELSE" not in load(instance)


def test_none_in_the_mapping_is_none_where_the_default_is(instance: Path) -> None:
    assert load(instance, SERVER_NAME=None)["SERVER_NAME"] is None
    with pytest.raises(SettingError, match="CONCURRENCY"):
        load(instance, CONCURRENCY=None)


@pytest.mark.parametrize("name", PICKY)
def test_a_wrong_value_is_named_with_source_and_what_is_allowed(
    instance: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    wrong = WRONG.get(name, NOTHING_TAKES_THIS)
    monkeypatch.setenv(name, wrong)
    with pytest.raises(SettingError) as raised:
        load(instance)
    message = str(raised.value)
    assert message.startswith(f"Setting {name} (from environment)")
    assert "is not allowed: " in message
    assert "\n" not in message
    assert (wrong in message) != ROWS[name].secret


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.py", "CONCURRENCY = 'many'"),
        ("config.json", '{"CONCURRENCY": "many"}'),
        ("config.toml", 'CONCURRENCY = "many"'),
    ],
)
def test_the_file_of_a_wrong_value_is_named(
    instance: Path, file: str, content: str
) -> None:
    (instance / file).write_text(content)
    with pytest.raises(SettingError, match=r"CONCURRENCY \(from .*/instance/config\."):
        load(instance)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.py", "import no_such_module"),
        ("config.py", "CONCURRENCY = ("),
        ("config.py", "raise SystemExit(0)"),
        ("config.json", "{"),
        ("config.json", "[1, 2]"),
        ("config.json", "7"),
        ("config.toml", "CONCURRENCY = "),
        ("config.toml", "\xff"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    instance: Path, file: str, content: str
) -> None:
    (instance / file).write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingError, match=f"{file}.*cannot read") as raised:
        load(instance)
    assert "\n" not in str(raised.value)


def test_lower_case_names_of_a_python_file_are_no_settings(instance: Path) -> None:
    (instance / "config.py").write_text("import os\nhelper = 1\nWF_EDITOR = os.sep\n")
    settings = load(instance)
    assert settings["WF_EDITOR"] == "/"
    assert "helper" not in settings
    assert "__name__" not in settings


def test_a_settings_file_that_is_not_there_is_named(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_RUNNER_SETTINGS", "/no/such/file.toml")
    with pytest.raises(SettingError, match=r"APP_RUNNER_SETTINGS.*the file must exist"):
        load(instance)


def test_a_settings_file_can_come_with_the_mapping(
    instance: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"CONCURRENCY": 3, "PLUGIN_FOLDERS": ["a", "b"]}))
    settings = load(instance, APP_RUNNER_SETTINGS=str(path))
    assert settings["CONCURRENCY"] == 3
    assert settings["PLUGIN_FOLDERS"] == ("a", "b")


def test_a_proxy_in_front_is_never_local(instance: Path) -> None:
    with pytest.raises(SettingError, match="EXPOSURE"):
        load(instance, EXPOSURE="local", REVERSE_PROXY_COUNT=1)
    assert load(instance, EXPOSURE="private", REVERSE_PROXY_COUNT=1)


@pytest.mark.parametrize("name", ["BROKER_URL", "CELERY_QUEUE"])
def test_what_is_needed_must_not_be_empty(instance: Path, name: str) -> None:
    with pytest.raises(SettingError, match=f"{name}.*must not be empty"):
        load(instance, **{name: ""})


def test_shown_settings_hide_secrets(instance: Path) -> None:
    settings = load_settings(
        {INSTANCE: str(instance), "SECRET_KEY": "s3cret", "BROKER_URL": "redis://:pw@h"}
    )
    shown = {row.name: value for row, value in settings.shown()}
    assert shown["SECRET_KEY"] == shown["BROKER_URL"] == "***"
    assert shown["SQLALCHEMY_DATABASE_URI"] == ""
    assert shown["CONCURRENCY"] == 2


def test_rows_have_a_name_a_help_and_a_default_that_is_allowed() -> None:
    assert len(ROWS) == len(SETTINGS)
    for row in SETTINGS:
        assert row.name.isupper(), row.name
        assert row.help.endswith("."), row.name
        assert row.default is None or row.read(row.default) == row.default, row.name


def test_reading_a_file_gives_native_values(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_text("CONCURRENCY = 4\n[URL_MAP]\na = 'b'\n")
    assert read_file(path) == {"CONCURRENCY": 4, "URL_MAP": {"a": "b"}}
