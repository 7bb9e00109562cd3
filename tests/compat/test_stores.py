"""File stores of published plugins keep files of a runner that is told to use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from app_runner.compat.facades import STORE
from app_runner.compat.stores import AdaptedStore, PublishedStore
from app_runner.db.models import ProcessingTask, TaskFile
from app_runner.errors import FileMissing, SettingError, StoreError
from app_runner.files.contract import CHUNK, FileStore
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder
from tests.fetch.servers import Exchange, Server, serving
from tests.files.contract import KeepingContract

PLUGIN = """
    from typing import Optional

    import requests
    from flask import Flask

    from qhana_plugin_runner.db.models.tasks import TaskFile
    from qhana_plugin_runner.storage import FileStore
    from qhana_plugin_runner.util.plugins import QHAnaPluginBase


    class ShelfPlugin(QHAnaPluginBase):
        name = "shelf"
        version = "v0.1.0"
        description = "Keeps files on a shelf."
        tags = []

        def __init__(self, app: Optional[Flask]) -> None:
            super().__init__(app)


    class Shelf(FileStore, name="shelf"):
        def __init__(self, app: Flask) -> None:
            super().__init__(app=app)
            self._place: Optional[str] = None

        def init_app(self, app: Flask):
            super().init_app(app)
            if not app.config.get("SHELF"):
                raise ValueError("No configuration for the shelf found.")
            self._place = app.config["SHELF"]

        def persist_file(self, file_, target, mimetype="application/octet-stream"):
            file_.seek(0)
            assert "b" in file_.mode
            url = f"{self._place}/{target}"
            requests.put(url, data=file_.read(), timeout=9).raise_for_status()

        def get_file_url(self, file_storage_data: str, external: bool = True) -> str:
            return f"{self._place}/{file_storage_data}"

        def get_task_file_url(self, file_info: TaskFile, external: bool = True) -> str:
            return super().get_task_file_url(file_info, external=external)
"""


@pytest.fixture
def shelf() -> Iterator[Server]:
    """A server that keeps what is put, and says no when a path has ``full`` in it."""
    kept: dict[str, bytes] = {}

    def answer(exchange: Exchange) -> None:
        if exchange.command == "PUT":
            kept[exchange.path] = exchange.server.seen[-1].body
            exchange.reply(status=507 if "full" in exchange.path else 200)
        elif exchange.path in kept:
            exchange.reply(kept[exchange.path])
        else:
            exchange.reply(status=404)

    with serving(answer) as server:
        yield server


Make = Callable[..., Flask]


@pytest.fixture
def make(make_app: AppFactory, plugin_folder: PluginFolder) -> Make:
    def with_plugin(place: str, **settings: Any) -> Flask:
        plugin_folder.add("shelf-storage.py", PLUGIN)
        folders = [str(plugin_folder)]
        return make_app(PLUGIN_FOLDERS=folders, SHELF=place, **settings)

    return with_plugin


def keep(app: Flask, content: str, **which: Any) -> TaskFile:
    task = ProcessingTask(task_name="t")
    task.save(commit=True)
    with app.test_request_context():
        return STORE.persist_task_result(
            task.id, content, "a.csv", "entity/list", "text/csv", **which
        )


def read(app: Flask, file: TaskFile) -> bytes:
    with app.test_request_context():
        parts = urlsplit(STORE.get_task_file_url(file))
    with app.test_client().get(f"{parts.path}?{parts.query}") as answer:
        return bytes(answer.data)


def test_files_go_to_it_by_its_name(make: Make, shelf: Server) -> None:
    app = make(shelf.url(path=""))
    assert state_of(app).registry.problems == []
    with app.app_context():
        file = keep(app, "ID\r\n1\r\n", storage_provider="shelf")
        assert (file.storage_provider, file.size) == ("shelf", 7)
        assert [(seen.method, seen.body) for seen in shelf.seen] == [
            ("PUT", b"ID\r\n1\r\n")
        ]
        assert shelf.seen[0].path == f"/{file.file_storage_data}"
        assert read(app, file) == b"ID\r\n1\r\n"
        with STORE.open(file) as opened:
            assert opened.read() == b"ID\r\n1\r\n"
        assert keep(app, "x").storage_provider == "local_filesystem"


@pytest.mark.parametrize("exposure", ["local", "public"])
def test_it_can_be_the_default(make: Make, shelf: Server, exposure: str) -> None:
    app = make(shelf.url(path=""), DEFAULT_FILE_STORE="shelf", EXPOSURE=exposure)
    with app.app_context():
        file = keep(app, "hello")
        assert file.storage_provider == "shelf"
        with STORE.open(file) as opened:
            assert opened.read() == b"hello"


def test_it_is_found_by_name_under_its_own_methods(make: Make, shelf: Server) -> None:
    app = make(shelf.url(path=""))
    with app.app_context():
        store = STORE["shelf"]
        task = ProcessingTask(task_name="t")
        task.save(commit=True)
        file = store.persist_task_result(task.id, "a", "a.txt", "txt", "text/plain")
        scratch = store.persist_task_temp_file(task.id, b"b", "b.txt")
        assert (file.storage_provider, scratch.storage_provider) == ("shelf", "shelf")
        url = store.get_task_file_url(file, external=False)
        assert url == shelf.url(path=f"/{file.file_storage_data}")
        own = STORE["local_filesystem"].persist_task_temp_file(task.id, "c", "c.txt")
        assert own.storage_provider == "local_filesystem"


def test_a_store_that_does_not_start_is_a_problem(make: Make) -> None:
    app = make("")
    registry = state_of(app).registry
    (problem,) = registry.problems
    assert problem.part == "file store shelf"
    assert problem.message == "ValueError: No configuration for the shelf found."
    assert [p.name for p in registry] == ["shelf"]
    with pytest.raises(SettingError, match="DEFAULT_FILE_STORE"):
        make("", DEFAULT_FILE_STORE="shelf")


def test_what_a_store_cannot_do_is_told(make: Make, shelf: Server) -> None:
    app = make(shelf.url(path="/full"))
    store = state_of(app).stores["shelf"]
    with app.app_context():
        with pytest.raises(StoreError, match="507"):
            keep(app, "x", storage_provider="shelf")
        with pytest.raises(FileMissing):
            store.open("no/such")
        with pytest.raises(FileMissing):
            store.size("no/such")


class Folder(PublishedStore, name="folder"):
    """Keeps files in a folder, and gives URLs of files."""

    root: Path

    def persist_file(self, file_: Any, target: str | Path, mimetype: str) -> None:
        path = self.root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_.read())

    def get_file_url(self, file_storage_data: str, external: bool = True) -> str:
        assert not external
        return (self.root / file_storage_data).as_uri()


class TestAFolder(KeepingContract):
    """A store that gives URLs of files keeps that part of the contract that it can."""

    large, memory = 64 * CHUNK, 12 * CHUNK

    @pytest.fixture
    def store(self, app: Flask, tmp_path: Path) -> FileStore:
        folder = Folder(app)
        folder.root = tmp_path

        class Adapted(AdaptedStore, name="folder"):
            pass

        return Adapted(app, folder)

    def test_its_size_is_known(self, store: FileStore) -> None:
        assert store.size(self.kept(store, "k", b"12345")) == 5
