"""The local store keeps the contract, and is careful with the file system."""

from __future__ import annotations

import io
import os
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app_runner.errors import FileMissing, StoreError
from app_runner.files.contract import CHUNK
from app_runner.files.local import LocalStore
from app_runner.state import state_of
from tests.conftest import AppFactory
from tests.files.contract import StoreContract

ROOT = os.geteuid() == 0


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


class TestLocalStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore.at(tmp_path / "files")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore.at(tmp_path / "files")


def put(store: LocalStore, key: str, content: bytes) -> int:
    return store.write(key, io.BytesIO(content))


def test_a_failed_write_leaves_no_file_at_all(store: LocalStore) -> None:
    with pytest.raises(ConnectionError):
        store.write("a/b", StoreContract.failing())
    assert files_below(store.folder) == []


def test_folders_that_become_empty_go(store: LocalStore) -> None:
    put(store, "a/b/c", b"x")
    put(store, "a/d", b"x")
    store.delete("a/b/c")
    assert not (store.folder / "a" / "b").exists()
    store.delete("a/d")
    assert store.folder.is_dir()
    assert list(store.folder.iterdir()) == []


def test_what_is_being_written_is_no_key(store: LocalStore) -> None:
    put(store, "a", b"x")
    (store.folder / "b.0123456789abcdef~part").write_bytes(b"left by a killed process")
    assert list(store.keys()) == ["a"]


def test_a_store_that_was_never_written_to_has_no_keys(store: LocalStore) -> None:
    assert list(store.keys()) == []
    store.delete("a/b")


def test_a_folder_is_no_file(store: LocalStore) -> None:
    put(store, "a/b", b"x")
    with pytest.raises(FileMissing):
        store.open("a")
    with pytest.raises(StoreError):
        put(store, "a", b"a folder is in the way")
    with pytest.raises(FileMissing):
        store.size("a")
    with pytest.raises(StoreError):
        put(store, "a/b/c", b"a file is in the way")
    assert files_below(store.folder) == ["a/b"]


def test_deleting_a_folder_deletes_no_file(store: LocalStore) -> None:
    put(store, "a/b", b"x")
    with pytest.raises(StoreError):
        store.delete("a")
    assert files_below(store.folder) == ["a/b"]


@pytest.mark.parametrize("link", ["folder", "file"])
def test_a_link_out_of_the_folder_is_not_followed(
    store: LocalStore, tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.folder.mkdir()
    target = outside if link == "folder" else outside / "secret"
    (store.folder / "link").symlink_to(target)
    key = "link/secret" if link == "folder" else "link"
    calls: list[Any] = [store.open, store.size, lambda key: put(store, key, b"x")]
    for call in [*calls, store.delete]:
        with pytest.raises(StoreError):
            call(key)
    assert (outside / "secret").read_bytes() == b"secret"
    assert files_below(outside) == ["secret"]


def test_a_link_out_of_the_folder_is_no_key(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    put(store, "mine", b"x")
    (store.folder / "link").symlink_to(tmp_path / "secret")
    assert list(store.keys()) == ["mine"]


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "files").symlink_to(tmp_path / "disk")
    store = LocalStore.at(tmp_path / "files")
    put(store, "a/b", b"x")
    assert list(store.keys()) == ["a/b"]
    store.delete("a/b")
    assert (tmp_path / "disk").is_dir()


@contextmanager
def disk_full_after(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``size`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_told_and_keeps_what_was_there(store: LocalStore) -> None:
    put(store, "old", b"content")
    with disk_full_after(CHUNK):
        for key in ("old", "new"):
            with pytest.raises(StoreError, match="too large"):
                put(store, key, b"x" * 3 * CHUNK)
    with store.open("old") as file:
        assert file.read() == b"content"
    assert files_below(store.folder) == ["old"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_the_cause_of_a_store_error_is_chained(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "files").write_text("a file where the folder should be")
    with pytest.raises(StoreError) as raised:
        put(store, "a", b"x")
    assert isinstance(raised.value.__cause__, OSError)
    assert str(tmp_path) not in str(raised.value)


@pytest.mark.skipif(ROOT, reason="root may read and write everything")
def test_a_folder_without_rights_is_told(store: LocalStore) -> None:
    put(store, "a/b", b"x")
    (store.folder / "a").chmod(0)
    try:
        for call in (store.open, store.size, store.delete):
            with pytest.raises(StoreError, match="Permission denied"):
                call("a/b")
    finally:
        (store.folder / "a").chmod(stat.S_IRWXU)


def test_free_space_is_known_before_the_first_write(store: LocalStore) -> None:
    assert store.free_bytes() > 0


def test_the_folder_is_in_the_instance_unless_it_is_set(
    make_app: AppFactory, tmp_path: Path
) -> None:
    app = make_app()
    store = state_of(app).stores["local_filesystem"]
    assert isinstance(store, LocalStore)
    assert store.folder == state_of(app).settings.instance / "files"
    app = make_app(FILE_STORE_FOLDER=str(tmp_path / "disk"))
    store = state_of(app).stores["local_filesystem"]
    assert isinstance(store, LocalStore)
    assert store.folder == tmp_path / "disk"
