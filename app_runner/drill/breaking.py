"""Lets a server go away and come back: the drill's own process, or the way to another.

What the drill has not started it may not kill; there the programs get to it through a
proxy, which can be cut. To them it is the same.
"""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import suppress
from typing import Protocol

from app_runner.launch.ending import send

from .programs import Keeper, Program

CHUNK = 1 << 16


class Breakable(Protocol):
    """A server that can be away, or stand still."""

    def cut(self) -> None:
        """Let it be gone: connections break, new ones are refused."""

    def restore(self) -> None:
        """Let it be there again."""

    def freeze(self) -> None:
        """Let it stand still: connections stay, nothing is answered."""

    def thaw(self) -> None:
        """Let it go on."""


class OwnServer:
    """A server that is a program of the drill."""

    def __init__(self, program: Program, keeper: Keeper) -> None:
        """Take the program, and who starts it again unless told otherwise."""
        self._program, self._keeper = program, keeper

    def cut(self) -> None:
        """Kill it."""
        self._keeper.leave(self._program)
        self._program.kill()

    def restore(self) -> None:
        """Start it."""
        self._keeper.resume(self._program)

    def freeze(self) -> None:
        """Stop it."""
        send(signal.SIGSTOP, self._program.pid)

    def thaw(self) -> None:
        """Wake it."""
        send(signal.SIGCONT, self._program.pid)


class Proxy:
    """Passes connections on to a server of somebody else, as long as it likes."""

    def __init__(self, target: tuple[str, int]) -> None:
        """Take host and port of the server; it listens when the call returns."""
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._open: set[socket.socket] = set()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def cut(self) -> None:
        """Break all connections and take no new ones."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._open):
            _close(end)

    def restore(self) -> None:
        """Listen again, at the same port."""
        self._listener = self._listen(self.port)

    def freeze(self) -> None:
        """Pass nothing on."""
        self._flows.clear()

    def thaw(self) -> None:
        """Pass on what has come meanwhile."""
        self._flows.set()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # it is closed when we are cut
            while True:
                client, _address = listener.accept()
                self._flows.wait()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, 5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        self._open |= {client, server}
        for ends in ((client, server), (server, client)):
            threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                self._flows.wait()
                target.sendall(data)
        for end in (source, target):
            self._open.discard(end)
            _close(end)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)  # wakes who reads from it
    end.close()
