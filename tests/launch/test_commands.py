"""Command lines follow what was asked for, else the settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app_runner.config import Settings, load_settings
from app_runner.launch import commands
from app_runner.launch.commands import WorkerOptions
from app_runner.launch.source_watch import SourceWatch
from app_runner.launch.supervisor import LaunchError


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings that differ from the defaults."""
    return load_settings(
        {
            "APP_RUNNER_INSTANCE_FOLDER": str(tmp_path),
            "CELERY_WORKER_POOL": "threads",
            "CONCURRENCY": 7,
            "CELERY_QUEUE": "mine",
            "DEFAULT_LOG_LEVEL": "WARNING",
        }
    )


def _value(command: tuple[str, ...], option: str) -> str:
    return command[command.index(option) + 1]


def test_a_worker_follows_the_settings(settings: Settings) -> None:
    command = commands.worker(WorkerOptions(), settings)
    assert _value(command, "--pool") == "threads"
    assert _value(command, "--concurrency") == "7"
    assert "--queues" not in command  # all of them
    assert _value(command, "--loglevel") == "WARNING"
    assert "--beat" not in command


def test_a_worker_does_what_it_is_told(settings: Settings) -> None:
    options = WorkerOptions("solo", 1, "debug", True, "a,b", name="w")
    command = commands.worker(options, settings)
    assert _value(command, "--pool") == "solo"
    assert _value(command, "--queues") == "a,b"
    assert _value(command, "--loglevel") == "DEBUG"
    assert _value(command, "--hostname") == "w@%h"
    assert "--beat" in command


def test_the_scheduler_needs_a_pool_that_can_run_it(settings: Settings) -> None:
    with pytest.raises(LaunchError, match="pool threads cannot run the scheduler"):
        commands.worker(WorkerOptions(periodic_scheduler=True), settings)
    settings["PERIODIC_SCHEDULER"] = True
    with pytest.raises(LaunchError, match="pool threads"):
        commands.worker(WorkerOptions(), settings)
    commands.worker(replace(WorkerOptions(), periodic_scheduler=False), settings)


def test_the_server_has_threads_and_no_files_in_the_home_folder(
    settings: Settings,
) -> None:
    command = commands.server("fd://7", settings, workers=3, threads=5)
    assert _value(command, "--bind") == "fd://7"
    assert _value(command, "--workers") == "3"
    streams = settings["EVENT_STREAMS"]
    assert _value(command, "--threads") == str(5 + streams)
    assert "--no-control-socket" in command


def test_changed_sources_are_noticed_and_nothing_else(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "one.py", tmp_path / "a" / "b" / "two.py"
    second.parent.mkdir(parents=True)
    first.write_text("1")
    watch = SourceWatch([tmp_path, tmp_path / "missing"], every=0)
    assert watch.changed() == []
    second.write_text("2")
    (tmp_path / "a" / "note.txt").write_text("x")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "one.py").write_text("x")
    assert watch.changed() == [second.resolve()]
    first.write_text("longer")
    second.unlink()
    assert sorted(set(watch.changed())) == sorted([first.resolve(), second.resolve()])
    assert watch.changed() == []
