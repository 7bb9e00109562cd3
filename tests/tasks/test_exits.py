"""What keeps a job from ending the worker's process, and from going on in two."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from app_runner.errors import JobExited
from app_runner.tasks import exits
from app_runner.tasks.exits import exits_as_errors

WENT_ON = 77


def code_of_child(work: Callable[[], object]) -> int:
    """Fork in a guarded body, do ``work`` in the child, and give its exit code."""
    parent = os.getpid()
    try:
        with exits_as_errors():
            if not (child := os.fork()):
                work()
    finally:
        if os.getpid() != parent:
            os._exit(WENT_ON)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (lambda: None, 0),
        (lambda: int("secret word"), 1),
        (lambda: sys.exit(), 0),
        (lambda: sys.exit(3), 3),
        (lambda: sys.exit("no licence"), 1),
        (lambda: sys.exit(-241), 15),
    ],
)
def test_a_forked_process_ends_with_the_function(
    work: Callable[[], object], code: int
) -> None:
    assert code_of_child(work) == code


def test_a_forked_process_says_what_it_has_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, errors = tmp_path / "said", tmp_path / "errors"

    def fail() -> None:
        print("begun")
        int("secret word")

    with said.open("w") as stdout, errors.open("w") as stderr:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "__stderr__", stderr)
        assert code_of_child(fail) == 1
    assert said.read_text() == "begun\n"
    assert "ValueError" in errors.read_text()
    assert "in fail" in errors.read_text()
    assert "invalid literal" not in errors.read_text(), "values may be passwords"


@pytest.mark.parametrize(
    ("process", "seen"),
    [("ForkPoolWorker-1", JobExited), ("MainProcess", KeyboardInterrupt)],
)
def test_an_interrupt_is_the_authors_in_a_child_of_the_pool_only(
    process: str, seen: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(name=process)
    monkeypatch.setattr(exits, "current_process", lambda: found)
    with pytest.raises(seen), exits_as_errors():
        raise KeyboardInterrupt
