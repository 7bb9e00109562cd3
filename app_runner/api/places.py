"""Places for those who wait for news of a task: each holds a thread of the server.

A thread that waits reads nothing from its connection, so it must look there now and then
whether the client is gone. Who takes a place sends those away at once whose clients are.
"""

from __future__ import annotations

import select
import socket
import threading

from flask import Flask, request

from app_runner.state import current_runner, state_of
from app_runner.tasks.watching import Watched, threads_to_spare

CACHE = "waiting_places"
#: Where servers hand on the connection of a request.
SOCKETS = ("gunicorn.socket", "werkzeug.socket")
#: What the other side has closed, on Linux also when only its sending half.
GONE = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
#: Seconds until a client that is gone is noticed, when nobody comes meanwhile.
LOOK_EVERY = 5.0


class Place:
    """The place of one client."""

    def __init__(self, watched: Watched, connection: socket.socket | None) -> None:
        """Take what the client waits for, and its connection, if the server tells it."""
        self.watched = watched
        self._connection = connection

    def is_deserted(self) -> bool:
        """Tell whether the client has closed its connection."""
        if self._connection is None:
            return False
        if (descriptor := self._connection.fileno()) < 0:
            return True
        poll = select.poll()
        poll.register(descriptor, GONE)
        return bool(poll.poll(0))


class Places:
    """All places of this process."""

    def __init__(self, count: int) -> None:
        """Take how many there are at most; a server with few threads has fewer."""
        self._count = count
        self._taken: set[Place] = set()
        self._lock = threading.Lock()

    def take(self, watched: Watched) -> Place | None:
        """Give a place to the client of the present request, if one is free."""
        spare = threads_to_spare()
        most = self._count if spare is None else min(self._count, spare)
        found = (request.environ.get(name) for name in SOCKETS)
        place = Place(watched, next((one for one in found if one is not None), None))
        with self._lock:
            for deserted in [one for one in self._taken if one.is_deserted()]:
                self._taken.discard(deserted)
                deserted.watched.nudge()
            if len(self._taken) >= most:
                return None
            self._taken.add(place)
        return place

    def give_back(self, place: Place) -> None:
        """Give a place back."""
        with self._lock:
            self._taken.discard(place)


def places() -> Places:
    """Give the places of the current app."""
    found: Places = current_runner.caches[CACHE]
    return found


def init_app(app: Flask) -> None:
    """Make the places."""
    count = state_of(app).settings["EVENT_STREAMS"]
    state_of(app).caches[CACHE] = Places(count)
