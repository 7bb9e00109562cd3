"""What every file store must do: a test class inherits this and gives its store."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count
from threading import Barrier, Thread
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_runner.errors import FileMissing, StoreError
from app_runner.files.contract import CHUNK, KEY, MAX_KEY, FileStore

MANY_FOR_ONE_STORE = settings(
    # One store takes many examples, and several classes inherit a test; both are meant.
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
    ]
)
KEYS = st.from_regex(KEY, fullmatch=True).filter(lambda key: len(key) <= 200)
WRONG_KEYS = [
    "",
    "/",
    "/abs",
    "a/",
    "a//b",
    ".",
    "..",
    "../x",
    "a/../b",
    "a/..",
    "a/./b",
    ".hidden",
    "a/.hidden",
    "-rf",
    "~",
    "a~part",
    "a b",
    "a\\b",
    "a\n",
    "a\0b",
    "ä",
    "a:b",
    "C:\\x",
    "a%2e%2e",
    "x" * (MAX_KEY + 1),
]


class Failing(io.RawIOBase):
    """A source that gives some bytes and then breaks."""

    def __init__(self, good: bytes) -> None:
        self._parts = iter([good])

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        for part in self._parts:
            if size >= 0:  # else all is asked for, and that cannot be given
                return part
        raise ConnectionError("the source broke")


class Endless(io.RawIOBase):
    """A source of so many bytes, none of which exist before they are read."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "the source was asked for all at once"
        given = min(size, self._left)
        self._left -= given
        return bytes(given)


class KeepingContract:
    """What holds for every store, also for one that keeps only links.

    A subclass gives the fixture ``store``, empty, and says what is saved so that a
    content is read.
    """

    #: Whether the store holds what it keeps in memory (then nothing is said of its size).
    in_memory = False
    #: Bytes of a large file, and how many of them may be in memory at a time.
    large, memory = 64 * CHUNK, 8 * CHUNK
    #: A key under which nothing is.
    no_such = "no/such"

    @pytest.fixture
    def store(self) -> FileStore:
        raise NotImplementedError

    def saved(self, key: str, content: bytes) -> BinaryIO:
        """Give what is saved so that ``content`` is read."""
        return io.BytesIO(content)

    def kept(self, store: FileStore, key: str, content: bytes) -> str:
        """Keep ``content``; give the key that the row of a file would have."""
        return store.keep(key, self.saved(key, content))[0]

    @staticmethod
    def get(store: FileStore, key: str) -> bytes:
        with store.open(key) as file:
            return file.read()

    @MANY_FOR_ONE_STORE
    @given(content=st.binary(max_size=2000))
    def test_what_was_kept_is_read(self, store: FileStore, content: bytes) -> None:
        key = self.kept(store, "kept/a", content)
        assert self.get(store, key) == content
        assert self.get(store, key) == content

    def test_an_open_file_keeps_its_content(self, store: FileStore) -> None:
        key = self.kept(store, "k", b"first")
        with store.open(key) as file:
            assert self.kept(store, "k", b"second") == key
            assert file.read() == b"first"
        assert self.get(store, key) == b"second"

    def test_an_open_file_can_be_sought(self, store: FileStore) -> None:
        with store.open(self.kept(store, "k", b"0123456789")) as file:
            file.seek(7)
            assert file.read(2) == b"78"
            file.seek(-1, io.SEEK_END)
            assert file.read() == b"9"
            file.seek(0)
            assert file.read(3) == b"012"

    def test_readers_do_not_disturb_each_other(self, store: FileStore) -> None:
        key = self.kept(store, "k", bytes(range(256)))
        with store.open(key) as one, store.open(key) as other:
            assert one.read(100) == bytes(range(100))
            assert other.read(2) == b"\0\1"
            assert one.read() == bytes(range(100, 256))

    def test_what_is_not_there_cannot_be_opened(self, store: FileStore) -> None:
        with pytest.raises(FileMissing, match="no/such"):
            store.open(self.no_such)

    def test_what_failed_is_not_kept(self, store: FileStore) -> None:
        with pytest.raises(ConnectionError, match="the source broke"):
            store.keep("new", self.failing())
        assert list(store.keys()) == []

    def test_deleting_what_is_kept_twice_is_fine(self, store: FileStore) -> None:
        key = self.kept(store, "k", b"x")
        store.delete(key)
        store.delete(key)
        assert key not in set(store.keys())

    @pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "file:///etc/passwd"])
    def test_no_file_of_the_machine_is_opened(self, store: FileStore, key: str) -> None:
        with pytest.raises(StoreError):
            store.open(key)

    def test_reading_takes_little_memory(self, store: FileStore) -> None:
        if self.in_memory:
            pytest.skip("this store keeps its bytes in memory")
        key = self.kept(store, "k", bytes(self.large))
        tracemalloc.start()
        try:
            with store.open(key) as file:
                parts = iter(lambda: file.read(CHUNK), b"")
                assert sum(map(len, parts)) == self.large
            assert tracemalloc.get_traced_memory()[1] < self.memory
        finally:
            tracemalloc.stop()

    @staticmethod
    def failing() -> BinaryIO:
        return Failing(b"x" * 3 * CHUNK)  # type: ignore[return-value]

    def test_its_name_is_one_word(self, store: FileStore) -> None:
        assert store.name.isidentifier()


class StoreContract(KeepingContract):
    """What holds for a store that holds bytes; a subclass gives the fixture ``store``."""

    @pytest.fixture
    def numbers(self) -> Iterator[int]:
        """Give numbers for keys, as hypothesis calls a test many times."""
        return count()

    @staticmethod
    def put(store: FileStore, key: str, content: bytes) -> int:
        return store.write(key, io.BytesIO(content))

    @MANY_FOR_ONE_STORE
    @given(content=st.binary(max_size=2000))
    def test_what_was_written_is_read(
        self, store: FileStore, numbers: Iterator[int], content: bytes
    ) -> None:
        key = f"content/{next(numbers)}"
        assert self.put(store, key, content) == len(content)
        assert self.get(store, key) == content
        assert store.size(key) == len(content)
        assert key in set(store.keys())

    @MANY_FOR_ONE_STORE
    @given(key=KEYS)
    def test_every_key_of_ours_works(
        self, store: FileStore, numbers: Iterator[int], key: str
    ) -> None:
        unique = f"{next(numbers)}x/{key}"  # one key may not be the folder of another
        if any(len(part) > 200 for part in unique.split("/")):
            return
        self.put(store, unique, key.encode())
        assert self.get(store, unique) == key.encode()
        store.delete(unique)
        assert unique not in set(store.keys())

    @pytest.mark.parametrize("key", WRONG_KEYS)
    def test_a_key_that_is_none_of_ours_is_refused_by_all(
        self, store: FileStore, key: str
    ) -> None:
        calls: list[Callable[[], object]] = [
            lambda: self.put(store, key, b"x"),
            lambda: store.open(key),
            lambda: store.size(key),
            lambda: store.delete(key),
        ]
        for call in calls:
            with pytest.raises(StoreError):
                call()
        assert list(store.keys()) == []

    def test_what_is_there_is_replaced(self, store: FileStore) -> None:
        self.put(store, "a/b", b"a longer first content")
        self.put(store, "a/b", b"second")
        assert self.get(store, "a/b") == b"second"
        assert list(store.keys()) == ["a/b"]

    def test_what_is_missing_is_told(self, store: FileStore) -> None:
        for call in (store.open, store.size):
            with pytest.raises(FileMissing, match="no/such"):
                call("no/such")
        assert list(store.keys()) == []

    def test_deleting_twice_is_fine(self, store: FileStore) -> None:
        self.put(store, "a/b/c", b"x")
        self.put(store, "a/d", b"y")
        store.delete("a/b/c")
        store.delete("a/b/c")
        with pytest.raises(FileMissing):
            store.open("a/b/c")
        assert list(store.keys()) == ["a/d"]
        self.put(store, "a/b/c", b"again")
        assert self.get(store, "a/b/c") == b"again"

    def test_a_failing_source_leaves_nothing(self, store: FileStore) -> None:
        with pytest.raises(ConnectionError, match="the source broke"):
            store.write("new", self.failing())
        assert list(store.keys()) == []
        with pytest.raises(FileMissing):
            store.size("new")

    def test_a_failing_source_keeps_what_was_there(self, store: FileStore) -> None:
        self.put(store, "old", b"content")
        with pytest.raises(ConnectionError, match="the source broke"):
            store.write("old", self.failing())
        assert self.get(store, "old") == b"content"
        assert list(store.keys()) == ["old"]

    def test_nothing_is_to_be_seen_before_all_is_there(self, store: FileStore) -> None:
        seen: list[list[str]] = []

        class Watching(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                seen.append(list(store.keys()))
                return super().read(size)

        store.write("k", Watching(b"x" * 3 * CHUNK))
        assert all(keys == [] for keys in seen)
        assert list(store.keys()) == ["k"]

    def test_of_many_writers_one_wins_whole(self, store: FileStore) -> None:
        contents = [bytes([number]) * CHUNK * 2 for number in range(6)]
        together = Barrier(len(contents))
        failed: list[BaseException] = []

        def write(content: bytes) -> None:
            together.wait()
            try:
                for _ in range(3):
                    self.put(store, "deep/er/shared", content)
                    assert self.get(store, "deep/er/shared") in contents
            except BaseException as error:  # noqa: BLE001 - told by the test's thread
                failed.append(error)

        threads = [Thread(target=write, args=(content,)) for content in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [repr(error) for error in failed] == []
        assert self.get(store, "deep/er/shared") in contents
        assert list(store.keys()) == ["deep/er/shared"]

    def test_writing_and_deleting_side_by_side_works(self, store: FileStore) -> None:
        """Folders that become empty are not taken away under the feet of a writer."""
        failed: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for _ in range(100):
                    self.put(store, f"same/deep/folder/{name}", b"x")
                    store.delete(f"same/deep/folder/{name}")
            except BaseException as error:  # noqa: BLE001 - told by the test's thread
                failed.append(error)

        threads = [Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [repr(error) for error in failed] == []
        assert list(store.keys()) == []

    def test_memory_stays_bounded_both_ways(self, store: FileStore) -> None:
        size = self.large
        if self.in_memory:
            pytest.skip("this store keeps its bytes in memory")
        tracemalloc.start()
        try:
            assert store.write("big", Endless(size)) == size  # type: ignore[arg-type]
            with store.open("big") as file:
                assert (
                    sum(len(part) for part in iter(lambda: file.read(CHUNK), b"")) == size
                )
            assert tracemalloc.get_traced_memory()[1] < self.memory
        finally:
            tracemalloc.stop()
