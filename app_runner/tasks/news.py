"""Tells other processes at once that a task has changed, where the broker can do that.

With a broker that speaks Redis' protocol, the id of a task that has ended or asks
something goes out on a channel. Who misses it loses only time: the row is the truth, and
who waits for it asks the database as well (see `app_runner.tasks.watching`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from typing import Any

from flask import Flask
from kombu import Connection
from kombu.exceptions import KombuError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from app_runner.state import RunnerState, state_of
from app_runner.tasks.signals import TASK_STATUS_CHANGED, TASK_STEPS_CHANGED

LOG = logging.getLogger(__name__)
CACHE = "news"
#: Seconds that a job waits for the channel at most, and that it does without it then.
PATIENCE, PAUSE = 0.3, 5.0
FAILS = (RedisError, KombuError, OSError)


class Channel:
    """The channel of one runner, for telling and for hearing."""

    def __init__(self, state: RunnerState) -> None:
        """Take the runner; connects when it is used."""
        self._state = state
        broker = str(state.settings["BROKER_URL"])
        self.exists = broker.startswith(("redis", "sentinel"))
        secret = str(state.app.config["SECRET_KEY"]).encode()
        digest = hashlib.sha256(b"app-runner news\0" + secret).hexdigest()
        self._name = f"app-runner.{digest[:16]}"  # databases of one Redis share channels
        self._connection: Connection | None = None
        self._teller: Any = None  # a connection of redis-py whose last answer is unread
        self._told_by = os.getpid()
        self._lock = threading.Lock()
        self._silent_until = 0.0

    def tell(self, task_id: int) -> None:
        """Tell whoever listens; never fails, and never takes long."""
        if not self.exists or time.monotonic() < self._silent_until:
            return
        if self._told_by != os.getpid():
            # A forked process shares no connection, and a thread that it lacks may have
            # held the lock.
            self._lock, self._teller = threading.Lock(), None
            self._told_by = os.getpid()
        try:
            with self._lock:
                self._publish(task_id)
        except FAILS as error:
            LOG.debug("Nobody was told of task %s: %s", task_id, error)
            self._silent_until = time.monotonic() + PAUSE
            self._teller = None

    def _publish(self, task_id: int) -> None:
        """Send it; the answer, for which nobody has to wait, is read before the next."""
        if self._teller is not None and not self._is_usable(self._teller):
            self._teller.disconnect()
            self._teller = None
        if self._teller is None:
            self._teller = self._client().connection_pool.get_connection()
        self._teller.send_command("PUBLISH", self._name, task_id)

    def _is_usable(self, connection: Any) -> bool:
        """Read the last answer; tells whether the connection is open and silent then."""
        try:
            connection.read_response()
            return not connection.can_read(timeout=0)
        except (RedisConnectionError, RedisTimeout):
            return False

    def listen(self) -> Any:
        """Give a subscription of redis-py; raises one of `FAILS`."""
        subscription = self._client().pubsub(ignore_subscribe_messages=True)
        subscription.subscribe(self._name)
        return subscription

    def _client(self) -> Any:
        """Give a client of Redis, made as kombu makes those of the broker."""
        if self._connection is None:
            bounds = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
            self._connection = self._state.celery.connection_for_write(
                transport_options={**bounds, "max_retries": 0}
            )
        channel: Any = self._connection.default_channel
        return channel.client


def channel_of(app: Flask) -> Channel:
    """Give the channel of an app."""
    found: Channel = state_of(app).caches[CACHE]
    return found


@TASK_STATUS_CHANGED.connect
@TASK_STEPS_CHANGED.connect
def _changed(app: Flask, task_id: int | str, **_more: object) -> None:
    channel_of(app).tell(int(task_id))


def init_app(app: Flask) -> None:
    """Make the channel; nothing connects yet."""
    state = state_of(app)
    state.caches[CACHE] = Channel(state)
