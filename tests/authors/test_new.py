"""A new plugin passes its own tests and the check at once, whatever its kind."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest
from flask import Flask

from app_runner.authors import KINDS
from app_runner.authors.checking import check
from app_runner.authors.new import LONGEST, NotWritten, write_plugin
from app_runner.config import PROJECT
from app_runner.launch.commands import FLASK
from app_runner.launch.embedded import packaged_program
from app_runner.state import state_of
from tests.authors.conftest import AuthorsTests
from tests.conftest import AppFactory
from tests.processes import environment

NAME = "my-first-plugin"


@pytest.mark.integration
@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(
    kind: str, tmp_path: Path, authors_tests: AuthorsTests
) -> None:
    place = write_plugin(NAME, kind, tmp_path)
    tests = authors_tests(place, "-rs")
    assert tests.returncode == 0, tests.stdout + tests.stderr
    if packaged_program():
        assert "skipped" not in tests.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wrong_with_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = write_plugin(NAME, kind, tmp_path / "plugins")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.chdir(scratch)
    report = check(place, scratch)
    assert report.findings == ()
    assert report.plugins == ("my-first-plugin@0-1-0",)


def test_all_kinds_live_side_by_side(tmp_path: Path, make_app: AppFactory) -> None:
    for kind in KINDS:
        write_plugin(f"kind-{kind}", kind, tmp_path / "plugins")
    registry = state_of(make_app(PLUGIN_FOLDERS=[str(tmp_path / "plugins")])).registry
    assert registry.problems == []
    assert {plugin.name for plugin in registry} == {f"kind-{kind}" for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_a_readme_and_documented_modules(kind: str, tmp_path: Path) -> None:
    place = write_plugin(NAME, kind, tmp_path)
    assert (place / "README.md").read_text().startswith("# My first plugin\n")
    for file in place.rglob("*.py"):
        assert ast.get_docstring(ast.parse(file.read_text())), file
        assert max(map(len, file.read_text().splitlines())) <= 90, file


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    place = write_plugin(NAME, "processor", tmp_path)
    before = (place / "__init__.py").read_text()
    with pytest.raises(NotWritten, match="is there already"):
        write_plugin(NAME, "package", tmp_path)
    (tmp_path / "other.py").touch()
    with pytest.raises(NotWritten, match="is there already"):
        write_plugin("other", "package", tmp_path)
    assert (place / "__init__.py").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [place.name, "other.py"]


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "Word", "1st", "a b", "a--b", "-a", "a-", "ä", "a/b", "../a", "a.b"),
        *("class", "match", "json", "flask", "a" * (LONGEST + 1), "a\n", "$module"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotWritten):
        write_plugin(name, "processor", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotWritten, match="cannot be written"):
        write_plugin(NAME, "processor", tmp_path / "file")


def test_the_command_writes_to_the_first_plugin_folder(
    tmp_path: Path, make_app: AppFactory
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    run = make_app(PLUGIN_FOLDERS=[str(folder)]).test_cli_runner()
    told = run.invoke(args=["plugins", "new", NAME])
    assert told.exit_code == 0, told.output
    assert (folder / "my_first_plugin" / "tests" / "test_my_first_plugin.py").is_file()
    assert str(folder / "my_first_plugin") in told.output
    again = run.invoke(args=["plugins", "new", NAME])
    assert again.exit_code == 1
    assert "is there already" in again.output


@pytest.mark.integration
def test_on_a_terminal_it_asks_for_name_and_kind(tmp_path: Path) -> None:
    ours, terminal = os.openpty()
    settings = {"APP_RUNNER_INSTANCE_FOLDER": str(tmp_path / "i"), "PLUGIN_FOLDERS": []}
    try:
        os.write(ours, b"asked-for\nmulti-step\n")
        told = subprocess.run(
            [*FLASK, "plugins", "new", "--folder", str(tmp_path / "made")],
            env=environment(settings),
            cwd=PROJECT,
            stdin=terminal,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(ours)
        os.close(terminal)
    assert told.returncode == 0, told.stderr
    assert "Name" in told.stdout
    assert "multi-step" in told.stdout
    assert "task.ask" in (tmp_path / "made" / "asked_for" / "__init__.py").read_text()


def test_away_from_a_terminal_nothing_is_asked(app: Flask) -> None:
    told = app.test_cli_runner().invoke(args=["plugins", "new"])
    assert told.exit_code == 2
    assert "Give the name" in told.output
