"""The commands `flask schedules`: what they make runs, as its user."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import Result
from sqlalchemy import delete

from app_runner.db import DB
from app_runner.db.models import Schedule
from app_runner.state import state_of
from tests.integration.conftest import Runner

pytestmark = pytest.mark.integration
MIDNIGHT = "0 0 1 1 *"
WORD = '{"word": "planned"}'


@pytest.fixture(autouse=True)
def no_schedules(runner: Runner) -> Iterator[None]:
    """Leave none behind."""
    yield
    with runner.app.app_context():
        DB.session.execute(delete(Schedule))
        DB.session.commit()


def flask(runner: Runner, *words: str) -> Result:
    return runner.app.test_cli_runner().invoke(args=["schedules", *words])


def add(runner: Runner, *words: str) -> str:
    """Add a schedule of the plugin that reports, and give its number."""
    added = flask(runner, "add", "report@1", MIDNIGHT, *words)
    assert added.exit_code == 0, added.output
    number, first = added.output.strip().split("\t")
    assert first[4:16] == "-01-01T00:00"
    return number


def test_a_schedule_is_made_run_and_removed(runner: Runner) -> None:
    number = add(runner, "--parameters", WORD, "--user", "ada")
    (line,) = flask(runner, "list").output.splitlines()
    assert line.split("\t")[:4] == [number, "report@1", MIDNIGHT, "ada"]
    assert line.split("\t")[5:] == ["-", "-"]
    ran = flask(runner, "run", number)
    assert ran.exit_code == 0, ran.output
    task = "/" + ran.output.strip().split("/", 3)[3]
    document = runner.ended(task)
    assert document["status"] == "SUCCESS"
    assert document["execution"]["parameters"]["word"] == "planned"
    (line,) = flask(runner, "list").output.splitlines()
    assert line.split("\t")[5] != "-"
    assert "-01-01 00:00" in line  # it waits for its time as before
    assert flask(runner, "remove", number).exit_code == 0
    assert flask(runner, "list").output == ""


def test_what_is_refused_is_said(runner: Runner) -> None:
    settings = state_of(runner.app).settings
    wrong = flask(runner, "add", "nobody@1", MIDNIGHT)
    assert wrong.exit_code == 1
    assert "This plugin is not there" in wrong.output
    assert "cron" in flask(runner, "add", "report@1", "now and then").output
    assert flask(runner, "add", "report@1", MIDNIGHT, "--parameters", "[]").exit_code == 2
    number = add(runner, "--parameters", "{}")
    refused = flask(runner, "run", number)
    assert refused.exit_code == 1
    assert "word" in refused.output
    assert "There is no schedule" in flask(runner, "run", "999").output
    settings["EXPOSURE"] = "private"
    try:
        assert "--user is needed" in flask(runner, "add", "report@1", MIDNIGHT).output
    finally:
        settings["EXPOSURE"] = "local"
