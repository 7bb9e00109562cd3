"""With ``--watch``, server and worker begin anew when a file of a plugin changes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import requests

from app_runner.launch.embedded import packaged_program
from app_runner.launch.source_watch import SourceWatch
from app_runner.launch.worker import source_folders
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder
from tests.launch.conftest import Starter, until
from tests.launch.test_start import Runner
from tests.plugins.conftest import GOOD

pytestmark = pytest.mark.integration


def test_a_changed_file_restarts_server_and_worker_only(start: Starter) -> None:
    started = start("watching")
    started.wait_for("ready, watchdog")
    for name in ("worker", "server"):
        started.wait_for(f"began {name}")
    (started.folder / "sources").mkdir()
    (started.folder / "sources" / "plugin.py").write_text("1")
    started.wait_for("plugin.py has changed; restarted: server, worker.")
    until(lambda: started.log.count("began worker") == 2)
    assert started.asked() == ["server", "worker"]
    assert started.log.count("began server") == 2
    (started.folder / "sources" / "page.html").write_text("1")
    until(lambda: started.log.count("began worker") == 3)
    started.send(signal.SIGTERM)
    assert started.process.wait(30) == 0
    assert started.asked()[-4:] == ["scheduler", "server", "worker", "broker"]
    assert started.left() == []


def test_a_child_that_died_meanwhile_does_not_stop_the_restart(start: Starter) -> None:
    started = start("watching")
    for name in ("worker", "server"):
        started.wait_for(f"began {name}")
    for pid in (started.pid_of("worker"), started.pid_of("server")):
        os.kill(pid, signal.SIGKILL)
    (started.folder / "sources").mkdir()
    (started.folder / "sources" / "plugin.py").write_text("1")
    until(lambda: started.log.count("began worker") >= 2)
    until(lambda: started.log.count("began server") >= 2)


def test_templates_and_single_files_are_watched(tmp_path: Path) -> None:
    single, folder = tmp_path / "one.py", tmp_path / "folder"
    single.touch()
    folder.mkdir()
    watch = SourceWatch([single, folder], every=0)
    (folder / "page.html").touch()
    (folder / "notes.txt").touch()
    single.write_text("1")
    assert watch.changed() == [folder / "page.html", single]


def test_the_folders_of_plugins_are_watched(
    make_app: AppFactory, plugin_folder: PluginFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(plugin_folder.path.parent))
    settings = make_app(PLUGIN_FOLDERS=[f"~/{plugin_folder.path.name}"])
    folders = source_folders(settings.extensions["app_runner"].settings)
    assert plugin_folder.path in folders


@pytest.mark.skipif(not packaged_program(), reason="the extra `embedded` is missing")
def test_a_changed_plugin_is_served_and_worked_for(
    tmp_path: Path, plugin_folder: PluginFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_folder.add("good.py", GOOD)
    monkeypatch.setenv("PLUGIN_FOLDERS", str(plugin_folder))
    runner = Runner(tmp_path, "--watch", "--pool", "solo")
    try:
        url = runner.wait_ready()
        assert versions(url) == ["1.0.0"]
        plugin_folder.add("good.py", GOOD.replace('"1.0.0"', '"1.1.0"'))
        until(lambda: "good.py has changed" in runner.output.read_text(), 60)
        until(lambda: versions(url) == ["1.1.0"], 60)
        until(lambda: runner.output.read_text().count(" ready.") == 2, 60)
    finally:
        runner.end()


def versions(url: str) -> list[str]:
    """Give the versions of the plugins that a runner serves; none while it restarts."""
    try:
        answer = requests.get(f"{url}/plugins/", timeout=30).json()
    except requests.RequestException:
        return []
    return [plugin["version"] for plugin in answer["plugins"]]


def test_fetched_plugins_are_watched_too(make_app: AppFactory) -> None:
    settings = state_of(make_app()).settings
    assert settings.instance / "git_plugins" in source_folders(settings)
