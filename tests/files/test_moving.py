"""Files move between stores while the runner works; what is lost is found."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest
from flask import Flask

from app_runner.db import DB
from app_runner.db.models import TaskFile
from app_runner.errors import StoreError
from app_runner.files.local import PART, LocalStore
from app_runner.files.memory import MemoryStore
from app_runner.state import state_of
from app_runner.tasks import moving_files, records, results, uploads
from app_runner.tasks.orphans import orphans

LOCAL, OTHER = "local_filesystem", "other"


class Other(MemoryStore, name=OTHER):
    pass


@pytest.fixture
def app(app: Flask) -> Flask:
    state_of(app).stores.register(Other(app))
    return app


@pytest.fixture
def files(app: Flask) -> list[TaskFile]:
    """Give five files of a task that has ended, in the local store."""
    with app.test_request_context():
        task = records.start("f")
        made = [
            results.save_file(task, f"content {n}", "a", "custom", None) for n in range(5)
        ]
        records.succeed(task)
        for each in made:
            DB.session.refresh(each)
            DB.session.expunge(each)
        return made


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["files", *arguments])
    return result.exit_code, result.output


def migrate(app: Flask, *more: str) -> tuple[int, str]:
    return run(app, "migrate", "--from", LOCAL, "--to", OTHER, *more)


def contents(app: Flask) -> list[bytes]:
    with app.app_context():
        found = []
        for file in DB.session.scalars(DB.select(TaskFile).order_by(TaskFile.id)):
            with results.open_file(file) as stream:
                found.append(stream.read())
        return found


def keys(app: Flask, store: str) -> set[str]:
    return set(state_of(app).stores[store].keys())


def test_all_files_move_and_stay_readable(app: Flask, files: list[TaskFile]) -> None:
    before = contents(app)
    with app.test_request_context():
        uploads.keep_whole(io.BytesIO(b"brought"), "a", None)
    code, output = migrate(app)
    assert (code, "6 files with" in output) == (0, True), output
    assert contents(app) == before
    assert len(keys(app, OTHER)) == 6
    assert len(keys(app, LOCAL)) == 6, "the old bytes stay until they are removed"
    assert "0 files" in migrate(app)[1]
    assert run(app, "check", "--remove")[0] == 0
    assert len(keys(app, LOCAL)) == 6, "they may be on their way back"
    assert migrate(app, "--delete")[0] == 0
    assert keys(app, LOCAL) == set()
    assert contents(app) == before


def test_the_old_bytes_can_go_at_once(app: Flask, files: list[TaskFile]) -> None:
    assert migrate(app, "--delete")[0] == 0
    assert keys(app, LOCAL) == set()


def test_a_move_that_was_stopped_goes_on(app: Flask, files: list[TaskFile]) -> None:
    with app.app_context():
        stores = state_of(app).stores
        moving = moving_files.move(stores[LOCAL], stores[OTHER])
        next(moving)
        next(moving)
        del moving
    assert len(keys(app, OTHER)) == 2
    assert "3 files with" in migrate(app)[1]
    assert len(contents(app)) == 5


def test_a_file_that_is_deleted_meanwhile_stays_deleted(
    app: Flask, files: list[TaskFile]
) -> None:
    with app.app_context():
        stores = state_of(app).stores
        target = stores[OTHER]
        moving = moving_files.move(stores[LOCAL], target)
        next(moving)  # the ids of all are known by now
        second = DB.session.get(TaskFile, files[1].id)
        assert second is not None
        second.delete(commit=True)
        next(moving)
        assert files[1].file_storage_data not in set(target.keys())
        list(moving)
    assert len(contents(app)) == 4


def test_a_copy_that_is_not_the_same_is_not_used(
    app: Flask, files: list[TaskFile]
) -> None:
    class Forgetful(MemoryStore, name="forgetful"):
        def write(self, key: str, source: object) -> int:
            data = source.read()  # type: ignore[attr-defined]
            super().write(key, io.BytesIO(data[:-1] + b"?"))
            return len(data)

    with app.app_context():
        target = Forgetful(app)
        *_unused, moved = moving_files.move(state_of(app).stores[LOCAL], target)
        assert moved.files == 0
        assert all("not the same" in problem for problem in moved.problems)
        assert list(target.keys()) == []
    assert len(contents(app)) == 5


def test_bytes_that_are_missing_are_found(app: Flask, files: list[TaskFile]) -> None:
    state_of(app).stores[LOCAL].delete(files[2].file_storage_data)
    code, output = run(app, "check")
    assert code == 1
    assert f"task_file {files[2].id}: {LOCAL} has no bytes" in output
    code, output = migrate(app)
    assert (code, "4 files with" in output) == (1, True)
    assert "there is no file" in output


def test_bytes_of_nobody_are_found_and_removed(app: Flask, files: list[TaskFile]) -> None:
    store = state_of(app).stores[LOCAL]
    with app.test_request_context():
        running = records.start("still writes")
    mine = {f"{running}/1/of-the-running-task", f"{files[0].task_id}/9/of-a-killed-one"}
    for key in (*mine, "uploads/whole/lost"):
        store.write(key, io.BytesIO(b"x"))
    with app.app_context():
        found = orphans(store, lambda _seconds: None)
    assert sorted(found) == [
        f"{files[0].task_id}/9/of-a-killed-one",
        "uploads/whole/lost",
    ]
    code, output = run(app, "check")
    assert (code, "uploads/whole/lost" in output) == (1, True)
    assert run(app, "check", "--remove")[0] == 0
    assert len(keys(app, LOCAL)) == 6
    assert run(app, "check") == (
        0,
        "Every file has its bytes, and all bytes have their file.\n",
    )


def test_what_is_written_during_the_check_is_no_orphan(app: Flask) -> None:
    with app.test_request_context():
        task = records.start("f")
        records.succeed(task)
        store = state_of(app).stores[LOCAL]
        columns = results.write(task, b"x", "a", "custom", None)

        def row_follows(_seconds: float) -> None:
            DB.session.add(TaskFile(records.get(task), **columns))
            DB.session.commit()

        assert orphans(store, row_follows) == []


def test_old_drafts_are_removed(app: Flask, tmp_path: Path) -> None:
    store = state_of(app).stores[LOCAL]
    assert isinstance(store, LocalStore)
    store.folder.mkdir(parents=True)
    old, new = (store.folder / f"{name}.0{PART}" for name in ("old", "new"))
    for draft in (old, new):
        draft.write_bytes(b"half")
    hours_ago = time.time() - 90_000
    os.utime(old, (hours_ago, hours_ago))
    run(app, "check")
    assert old.exists()
    assert "1 drafts are removed" in run(app, "check", "--remove")[1]
    assert (old.exists(), new.exists()) == (False, True)


def test_a_store_that_does_not_answer_is_told(app: Flask, files: list[TaskFile]) -> None:
    class Gone(MemoryStore, name="gone"):
        def write(self, key: str, source: object) -> int:
            raise StoreError("it does not answer")

    state_of(app).stores.register(Gone(app))
    code, output = run(app, "migrate", "--from", LOCAL, "--to", "gone")
    assert (code, "it does not answer" in output) == (1, True)
    for wrong in ("nowhere", "url_file_store", LOCAL):
        assert run(app, "migrate", "--from", LOCAL, "--to", wrong)[0] == 2
    assert len(contents(app)) == 5
