"""`start` serves, the demo client succeeds, and afterwards no process is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_runner.config import PROJECT
from app_runner.launch.embedded import packaged_program
from app_runner.launch.ending import family, is_alive
from app_runner.launch.instance import StartRecord, read_record
from tests.launch.conftest import until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not packaged_program(), reason="the extra `embedded` is not installed"
    ),
]
HIDDEN = "/nonexistent"  # as PATH: no redis-server, no container engine
INVOKE = (sys.executable, "-m", "invoke")


def environment_of(folder: Path) -> dict[str, str]:
    """Give variables for an instance of its own, an empty home and nothing on PATH."""
    chosen = ("EXPOSURE", "BROKER_URL", "RESULT_BACKEND", "SQLALCHEMY_DATABASE_URI")
    kept = {name: text for name, text in os.environ.items() if name not in chosen}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    instance = {"APP_RUNNER_INSTANCE_FOLDER": str(folder / "instance")}
    return {**kept, **instance, "HOME": str(home), "PATH": HIDDEN}


def invoke(environment: dict[str, str], *task: str) -> subprocess.CompletedProcess[str]:
    """Run a task to its end."""
    return subprocess.run(
        [*INVOKE, *task],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


class Runner:
    """A runner that was started in a folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.instance = folder / "instance"
        self.output = folder / "output"
        self.environment = environment_of(folder)
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*INVOKE, "start", *options],
                cwd=PROJECT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.seen: dict[int, str] = {}

    @property
    def record(self) -> StartRecord:
        """Give what it tells others."""
        return read_record(self.instance)

    def wait_ready(self) -> str:
        """Wait until it has printed its address, which is given."""
        until(lambda: self.process.poll() is not None or self.record.url, 90)
        assert self.process.poll() is None, self.output.read_text()
        self.look()
        return self.record.url

    def look(self) -> None:
        """Remember all processes that there are now."""
        self.seen.update(family(self.process.pid))

    def left(self) -> list[int]:
        """Give those of the remembered processes that still live."""
        return [pid for pid, when in self.seen.items() if is_alive(pid, when)]

    def invoke(self, *task: str) -> subprocess.CompletedProcess[str]:
        """Run another task on the same instance."""
        return invoke(self.environment, *task)


@pytest.fixture
def runners(tmp_path: Path) -> Iterator[list[Runner]]:
    """Collect runners, none of which outlives the test."""
    started: list[Runner] = []
    yield started
    for runner in started:
        runner.look()
        runner.process.kill()
        runner.process.wait()
        until(lambda runner=runner: not runner.left())  # type: ignore[misc]


@pytest.fixture
def runner(tmp_path: Path, runners: list[Runner]) -> Runner:
    """Give a runner that answers."""
    runners.append(Runner(tmp_path))
    runners[0].wait_ready()
    return runners[0]


def test_the_demo_succeeds_and_ctrl_c_leaves_nothing(runner: Runner) -> None:
    printed = runner.output.read_text()
    assert f"App Runner is ready: {runner.record.url}/" in printed
    for name, pid, _born in runner.record.processes:
        assert f"  {name:<10} pid {pid}" in printed
    demo = runner.invoke("demo")
    assert demo.stdout.rstrip().endswith("SUCCESS"), demo.stdout + demo.stderr
    assert "Hello from the demo" in demo.stdout
    assert "start-" in runner.invoke("celery-status").stdout
    runner.look()
    runner.process.send_signal(signal.SIGINT)
    assert runner.process.wait(60) == 0, runner.output.read_text()
    assert runner.left() == []
    assert list((runner.instance.parent / "home").iterdir()) == []
    assert "Traceback" not in runner.output.read_text()


def test_killed_it_leaves_nothing_and_starts_again_at_once(
    runner: Runner, runners: list[Runner], tmp_path: Path
) -> None:
    runner.look()
    runner.process.kill()
    runner.process.wait()
    again = Runner(tmp_path)
    runners.append(again)
    until(lambda: not runner.left())
    until(lambda: again.record.is_current and again.record.url, 90)
    assert again.invoke("demo").returncode == 0


def test_the_folder_and_the_port_are_taken_once(runner: Runner, tmp_path: Path) -> None:
    second = runner.invoke("start")
    assert second.returncode == 1
    assert f"in use by a runner (pid {runner.process.pid})" in second.stdout
    port = runner.record.url.rpartition(":")[2]
    other = {"APP_RUNNER_INSTANCE_FOLDER": str(tmp_path / "other")}
    third = invoke({**runner.environment, **other}, "start", "--port", port)
    assert third.returncode == 1
    assert (
        third.stdout.strip()
        == f"Port {port} is taken; leave out --port to get a free one."
    )


def test_the_next_free_port_is_named(tmp_path: Path, runners: list[Runner]) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 5005))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which is as good
        runners.append(Runner(tmp_path))
        url = runners[0].wait_ready()
    port = url.rpartition(":")[2]
    assert port != "5005"
    assert f"Port 5005 is taken, so it is {port}." in runners[0].output.read_text()


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_the_other_pools_work(tmp_path: Path, runners: list[Runner], pool: str) -> None:
    runners.append(Runner(tmp_path, "--pool", pool))
    runners[0].wait_ready()
    demo = runners[0].invoke("demo")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    runners[0].look()
    runners[0].process.terminate()
    assert runners[0].process.wait(60) == 0
    assert runners[0].left() == []


def test_a_wrong_setting_stops_the_start_with_one_line(tmp_path: Path) -> None:
    told = invoke({**environment_of(tmp_path), "CONCURRENCY": "many"}, "start")
    assert told.returncode == 1
    assert len(told.stdout.splitlines()) == 1
    assert "CONCURRENCY" in told.stdout
