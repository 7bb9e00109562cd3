"""Who chose a setting decides what a start adds to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app_runner.launch.environment import exposure_for, is_loopback, surroundings
from app_runner.launch.instance import InstanceLock, write_record
from app_runner.launch.worker import adopt_exposure


@pytest.fixture(autouse=True)
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an instance folder and variables that nobody has set."""
    folder = tmp_path / "instance"
    for name in ("EXPOSURE", "BROKER_URL", "APP_RUNNER_SETTINGS", "REVERSE_PROXY_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("APP_RUNNER_INSTANCE_FOLDER", str(folder))
    monkeypatch.setenv("FLASK_APP", "app_runner")  # so that reading .flaskenv is undone
    monkeypatch.setenv("FLASK_RUN_PORT", "5005")
    return folder


def test_the_folder_is_made_and_closed_to_others(instance: Path) -> None:
    found = surroundings()
    assert found.instance == instance
    assert instance.stat().st_mode & 0o077 == 0
    assert os.environ["APP_RUNNER_INSTANCE_FOLDER"] == str(instance)


def test_a_start_on_loopback_is_local() -> None:
    assert exposure_for("127.0.0.1", surroundings()) == "local"


def test_a_start_that_others_reach_is_public() -> None:
    assert exposure_for("0.0.0.0", surroundings()) == "public"


def test_behind_a_proxy_it_is_never_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVERSE_PROXY_COUNT", "1")
    assert exposure_for("127.0.0.1", surroundings()) == "public"


def test_a_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPOSURE", "private")
    assert exposure_for("127.0.0.1", surroundings()) == "private"


def test_a_file_wins_also_when_it_names_the_default(instance: Path) -> None:
    instance.mkdir()
    (instance / "config.toml").write_text('EXPOSURE = "public"\n')
    found = surroundings()
    assert exposure_for("127.0.0.1", found) == "public"
    assert "EXPOSURE" in found.chosen
    assert "BROKER_URL" not in found.chosen


def test_a_worker_beside_a_start_is_as_exposed_as_it(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPOSURE", "")
    adopt_exposure(surroundings())
    assert os.environ["EXPOSURE"] == ""
    with InstanceLock(instance) as lock:
        lock.record.exposure = "local"
        write_record(instance, lock.record)
        adopt_exposure(surroundings())
    assert os.environ["EXPOSURE"] == "local"


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("runner.example.org", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local
