"""The tutorial, typed into an empty folder: its plugins are short, run, and are right."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from app_runner.bench.redis_space import database_url
from app_runner.config import PROJECT
from tests.bundled.live import Live, live, rows
from tests.docs.pages import DOCS, blocks

TUTORIAL = DOCS / "tutorial.md"
HELLO, LETTERS, TEST = blocks(TUTORIAL, "python")
NAMES = re.findall(r"[Ss]ave (?:this|it) as\s+`([^`]+)`", TUTORIAL.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Type the blocks of the page into an empty folder."""
    place = tmp_path_factory.mktemp("my-plugins")
    assert len(NAMES) == 3
    for name, source in zip(NAMES, (HELLO, LETTERS, TEST), strict=True):
        (place / name).write_text(source)
    return place


@pytest.fixture(scope="module")
def site(
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    embedded_broker_url: str,
    _database_numbers: Iterator[int],
) -> Iterator[Live]:
    """Start a server and a worker on that folder."""
    broker = database_url(embedded_broker_url, next(_database_numbers))
    place = tmp_path_factory.mktemp("tutorial")
    with live([str(folder)], place, BROKER_URL=broker) as found:
        yield found


def commands() -> list[tuple[str, dict[str, str]]]:
    """Give path and form of each curl command of the page."""
    found = []
    for block in blocks(TUTORIAL, "console"):
        words = shlex.split(block.removeprefix("$ "))
        sent = [words[n + 1] for n, word in enumerate(words) if word in OPTIONS]
        pairs = dict(parse_qsl("&".join(sent), keep_blank_values=True))
        found.append((words[-1].removeprefix("http://127.0.0.1:5005"), pairs))
    return found


OPTIONS = ("-d", "--data-urlencode")


def code_lines(source: str) -> int:
    return len([line for line in source.splitlines() if line.strip()])


def test_the_plugins_are_short() -> None:
    assert code_lines(HELLO) <= 10
    assert code_lines(LETTERS) <= 20


def answered(site: Live, number: int) -> Any:
    """Do what a command of the page does."""
    path, sent = commands()[number]
    return site.http.post(f"{site.url}{path}", sent, timeout=30)


def test_hello_greets(site: Live) -> None:
    answer = answered(site, 0)
    assert answer.json()["status"] in ("PENDING", "SUCCESS")
    task = site.ended(answer.url)
    assert (task["status"], task["log"]) == ("SUCCESS", "Hello Ada")
    refused = answered(site, 1)
    assert refused.status_code == 422
    assert list(refused.json()["errors"]["form"]) == ["name"]


def test_letters_are_counted_with_progress_and_a_file(site: Live) -> None:
    task = site.ended(answered(site, 2).url)
    assert task["log"] == "2 different letters"
    assert task["progress"] == {"start": 0, "target": 1, "value": 1, "unit": "lines"}
    (output,) = task["outputs"]
    assert (output["dataType"], output["contentType"]) == ("entity/list", "text/csv")
    assert rows(site.files(task)["letters.csv"]) == [
        {"ID": "a", "count": "2"},
        {"ID": "n", "count": "2"},
    ]
    form = site.http.get(site.at("letters", "ui/")).text
    assert "<textarea" in form
    assert 'type="number"' in form
    assert site.refusal("letters", text="a", atLeast=0) == ["atLeast"]


@pytest.mark.parametrize("name", ["hello.py", "letters.py"])
def test_nothing_is_wrong_with_them(folder: Path, name: str) -> None:
    printed = run("flask", "--app", "app_runner", "plugins", "check", str(folder / name))
    assert "Nothing is wrong" in printed


def test_the_test_of_the_page_passes(folder: Path) -> None:
    assert "1 passed" in run("pytest", "-q", "-p", "no:cacheprovider", str(folder))


def run(module: str, *arguments: str) -> str:
    """Run a program that must end well, and give what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
