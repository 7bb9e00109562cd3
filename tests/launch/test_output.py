"""Lines of children are whole, named, and coloured on a terminal only."""

from __future__ import annotations

import io
import os

import pytest

from app_runner.launch.output import LONGEST, Console, LineReader


class Terminal(io.StringIO):
    """A terminal as far as anybody can tell."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    file, terminal = io.StringIO(), Terminal()
    Console(file).child_line("worker", "\x1b[1mhello\x1b[0m")
    Console(terminal).child_line("worker", "hello")
    assert file.getvalue() == "worker    | hello\n"
    assert terminal.getvalue() == "\x1b[36mworker    | \x1b[0mhello\n"


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    Console(terminal).child_line("worker", "hello")
    assert "\x1b" not in terminal.getvalue()


def test_a_reader_that_has_gone_is_noticed() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    console = Console(stream)
    console.say("is anybody there?")
    assert console.broken
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_only_whole_lines_are_handed_on_until_the_end() -> None:
    lines: list[str] = []
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        reader = LineReader(pipe, lines.append)
        assert not reader.read()
        os.write(writing, "one\r\ntwo ü".encode()[:-1])
        assert reader.read()
        assert lines == ["one"]
        os.write(writing, "ü".encode()[1:] + b"\nthr\xffee")
        os.close(writing)
        reader.drain()
        assert lines == ["one", "two ü", "thr\ufffdee"]
        assert reader.ended


def test_a_line_that_never_ends_is_broken() -> None:
    lines: list[str] = []
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        reader = LineReader(pipe, lines.append)
        os.write(writing, b"x" * LONGEST)
        reader.drain()
        assert [len(line) for line in lines] == [LONGEST]
    os.close(writing)
