"""Prints what the children say, line by line, each with the name of who said it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import IO, TextIO

COLOURS = (36, 32, 33, 35, 34, 31)  # SGR foreground colours, ECMA-48 8.3.117
STYLED = re.compile(r"\x1b\[[0-9;]*m")
LONGEST = 64 * 1024  # bytes of a line that never ends, then it is broken


class Console:
    """The supervisor's output: lines with a prefix, colour only on a terminal."""

    def __init__(self, stream: TextIO, width: int = 9) -> None:
        self._stream = stream
        self._width = width
        self._colourful = stream.isatty() and not os.environ.get("NO_COLOR")
        self._names: list[str] = []
        self.broken = False  # nobody reads any more

    def child_line(self, name: str, text: str) -> None:
        """Print a line that the child of this name has written."""
        if name not in self._names:
            self._names.append(name)
        prefix = f"{name:<{self._width}} | "
        if self._colourful:
            colour = COLOURS[self._names.index(name) % len(COLOURS)]
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        else:
            text = STYLED.sub("", text)
        self.say(prefix + text)

    def say(self, text: str) -> None:
        """Print a line of the supervisor's own."""
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except (OSError, ValueError):  # the pipe or terminal was closed
            self.broken = True


class LineReader:
    """Reads what is there from a pipe, without waiting, and hands on whole lines."""

    def __init__(self, pipe: IO[bytes], take: Callable[[str], None]) -> None:
        os.set_blocking(pipe.fileno(), False)
        self.pipe = pipe
        self.ended = False  # the writers are gone
        self._take = take
        self._rest = b""

    def read(self) -> bool:
        """Hand on the lines that have come; gives whether there was anything."""
        try:
            chunk = os.read(self.pipe.fileno(), LONGEST)
        except BlockingIOError:
            return False
        self.ended = not chunk
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (self.ended or len(self._rest) >= LONGEST):
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._take(line.decode("utf-8", "replace").rstrip("\r"))
        return bool(chunk)

    def drain(self) -> None:
        """Read all that was written up to now (bounded: a writer may never stop)."""
        for _chunk in range(256):
            if self.ended or not self.read():
                return
