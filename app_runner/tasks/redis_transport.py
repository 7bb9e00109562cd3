"""kombu's Redis transport, for a broker that goes away, with less waiting.

When the connection is lost while a job runs, kombu 5.7 asks the closed connection where
the broker was, and the worker ends with an AttributeError. As a connection error it is
what everybody expects there: Celery connects anew and the job goes on.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from kombu.utils.json import dumps
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

Command = tuple[str | float, ...]


class QoS(redis.QoS):
    """What was delivered and not acknowledged, as kombu keeps it in Redis.

    A job need not wait for the answer to the note that it was delivered. The answer is
    read when the next note is written, over the same connection, so what is told later
    comes later. An answer that does not come is the end of the connection, as ever.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take what kombu gives; nothing is connected yet."""
        super().__init__(*args, **options)
        self._guard = threading.RLock()
        self._pool: Any = None
        self._connection: Any = None
        self._unread = 0

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note that a message was delivered."""
        info = message.delivery_info
        raw = dumps([message._raw, info["exchange"], info["routing_key"]])
        self._note(
            ("ZADD", self.unacked_index_key, time.time(), delivery_tag),
            ("HSET", self.unacked_key, delivery_tag, raw),
        )
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Forget a message, and be sure of it."""
        with self._guard:
            self._note(
                ("ZREM", self.unacked_index_key, delivery_tag),
                ("HDEL", self.unacked_key, delivery_tag),
            )
            self.settle()
        virtual.QoS.ack(self, delivery_tag)

    def restore_by_tag(self, *args: Any, **options: Any) -> None:
        """Give a message back to its queue, behind all that was noted of it."""
        self.settle()
        super().restore_by_tag(*args, **options)

    def settle(self) -> None:
        """Read the answers that are unread; raises what they or their lack say."""
        with self._guard:
            try:
                while self._unread:
                    self._connection.read_response()
                    self._unread -= 1
            except BaseException:
                self._drop()
                raise

    def _note(self, *commands: Command) -> None:
        with self._guard:
            self.settle()
            if self._connection is not None and not self._is_open():
                self._drop()  # nothing was under way
            if self._connection is None:
                channel: Any = self.channel
                self._pool = channel.pool
                self._connection = self._pool.get_connection()
            try:
                packed = self._connection.pack_commands(commands)
                self._connection.send_packed_command(packed)
            except BaseException:
                self._drop()
                raise
            self._unread += len(commands)

    def _is_open(self) -> bool:
        """Tell whether the server has not closed the connection while it was idle."""
        try:
            return not self._connection.can_read(timeout=0)
        except (RedisError, OSError):
            return False

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._unread = 0
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)


class Channel(redis.Channel):
    """A channel that says so when its connection is closed.

    It keeps the client of its pool of connections: kombu makes one for each command,
    which takes as long as the command itself.
    """

    QoS = QoS
    _kept: Any = None

    def close(self) -> None:
        """Close it when the server has taken what it was told."""
        qos: Any = self._qos
        if qos is not None and not self.closed:
            with suppress(RedisError, OSError):
                qos.settle()
        super().close()

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to the broker is closed")
        params: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        return params

    def _create_client(self, asynchronous: bool = False) -> Any:
        create: Any = super()._create_client  # type: ignore[misc]
        if asynchronous:
            return create(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = create()
        return self._kept


class Transport(redis.Transport):
    """The transport with that channel."""

    Channel = Channel


def install() -> None:
    """Use it for all Redis brokers of this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
