"""`start` serves, the demo client succeeds, and afterwards no process is left."""

from __future__ import annotations

import contextlib
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

    def end(self) -> None:
        """Kill it, and wait until its watchdog has ended the rest."""
        self.look()
        self.process.kill()
        self.process.wait()
        until(lambda: not self.left())

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
        runner.end()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Give a runner that answers, while port 5005 is taken; tests only look at it."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.suppress(OSError):  # taken by somebody else is as good
        taken.bind(("127.0.0.1", 5005))
        taken.listen()
    runner = Runner(tmp_path_factory.mktemp("serving"))
    try:
        runner.wait_ready()
        yield runner
    finally:
        taken.close()
        runner.end()


def test_each_process_is_named_with_the_address(serving: Runner) -> None:
    printed = serving.output.read_text()
    url = serving.record.url
    port = url.rpartition(":")[2]
    assert port != "5005"
    assert f"Port 5005 is taken, so it is {port}." in printed
    assert f"App Runner is ready: {url}/" in printed
    names = {name for name, _pid, _born in serving.record.processes}
    assert names == {"broker", "server", "worker", "scheduler", "watchdog"}
    for name, pid, _born in serving.record.processes:
        assert f"  {name:<10} pid {pid}" in printed


def test_a_second_start_of_the_folder_is_refused(serving: Runner) -> None:
    second = serving.invoke("start")
    assert second.returncode == 1
    assert f"in use by a runner (pid {serving.process.pid})" in second.stdout


def test_a_taken_port_that_was_asked_for_is_an_error(
    serving: Runner, tmp_path: Path
) -> None:
    port = serving.record.url.rpartition(":")[2]
    told = invoke(environment_of(tmp_path), "start", "--port", port)
    assert told.returncode == 1
    assert told.stdout == f"Port {port} is taken; leave out --port to get a free one.\n"


def test_a_wrong_setting_stops_the_start_with_one_line(tmp_path: Path) -> None:
    told = invoke({**environment_of(tmp_path), "CONCURRENCY": "many"}, "start")
    assert told.returncode == 1
    assert len(told.stdout.splitlines()) == 1
    assert "CONCURRENCY" in told.stdout


def test_other_commands_join_its_broker(serving: Runner) -> None:
    port = serving.record.url.rpartition(":")[2]
    until(lambda: f"start-{port}@" in serving.invoke("celery-status").stdout, 60)


def test_killed_it_leaves_nothing_and_the_folder_is_free(
    tmp_path: Path, runners: list[Runner]
) -> None:
    runners.append(Runner(tmp_path))
    runners[0].wait_ready()
    demo = runners[0].invoke("demo")
    assert demo.stdout.endswith("SUCCESS\n"), demo.stdout + demo.stderr
    runners[0].look()
    runners[0].process.kill()
    runners[0].process.wait()
    runners.append(Runner(tmp_path))
    until(lambda: not runners[0].left())
    until(lambda: runners[1].record.is_current)


@pytest.mark.parametrize(
    ("pool", "number"),
    [
        ("prefork", signal.SIGINT),
        ("threads", signal.SIGTERM),
        ("solo", signal.SIGHUP),
    ],
)
def test_a_task_runs_in_each_pool_and_a_signal_leaves_nothing(
    tmp_path: Path, runners: list[Runner], pool: str, number: signal.Signals
) -> None:
    runners.append(Runner(tmp_path, "--pool", pool))
    runner = runners[0]
    runner.wait_ready()
    demo = runner.invoke("demo")
    assert demo.stdout.endswith("SUCCESS\n"), demo.stdout + demo.stderr
    assert "Hello from the demo" in demo.stdout
    runner.look()
    runner.process.send_signal(number)
    assert runner.process.wait(60) == 0, runner.output.read_text()
    assert runner.left() == []
    assert list((tmp_path / "home").iterdir()) == []
    assert "Traceback" not in runner.output.read_text()
