"""The notes that Redis keeps of what was delivered, as a channel of a worker has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Producer, Queue
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from app_runner.launch.embedded import connect
from app_runner.tasks import redis_transport

pytestmark = pytest.mark.integration
QUEUE = Queue("q", durable=False)
Take = Callable[[], Any]


@pytest.fixture
def url(own_broker: Callable[[], str]) -> str:
    redis_transport.install()
    return own_broker()


@pytest.fixture
def broker(url: str) -> Iterator[Redis]:
    with connect(url) as found:
        yield found


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with Connection(url) as found:
        yield found


@pytest.fixture
def take(connection: Connection) -> Iterator[Take]:
    """Publish a message and take it from the queue, unacknowledged."""
    producer = Producer(connection.channel())
    taken: list[Any] = []

    def one() -> Any:
        producer.publish("hello", routing_key=QUEUE.name, declare=[QUEUE])
        taken.clear()
        while not taken:
            connection.drain_events(timeout=30)
        return taken[0]

    with Consumer(
        connection.channel(),
        [QUEUE],
        callbacks=[lambda body, message: taken.append(message)],
    ):
        yield one


def notes(broker: Redis) -> tuple[int, int]:
    return broker.zcard("unacked_index"), broker.hlen("unacked")


def id_of(qos: Any) -> int:
    """Give the number by which the server knows the connection of the notes."""
    qos.settle()
    qos._connection.send_command("CLIENT", "ID")
    return int(qos._connection.read_response())


def test_what_is_taken_is_noted_until_it_is_acknowledged(
    broker: Redis, take: Take
) -> None:
    first, second = take(), take()
    second.channel.qos.settle()
    assert notes(broker) == (2, 2)
    first.ack()
    assert notes(broker) == (1, 1)
    second.ack()
    assert notes(broker) == (0, 0)


def test_what_is_given_back_is_in_the_queue_again(broker: Redis, take: Take) -> None:
    take().reject(requeue=True)
    assert notes(broker) == (0, 0)
    assert broker.llen(QUEUE.name) == 1


def test_a_channel_that_closes_gives_back_what_it_has_taken(
    broker: Redis, take: Take
) -> None:
    take().channel.close()
    assert notes(broker) == (0, 0)
    assert broker.llen(QUEUE.name) == 1


def test_a_connection_that_was_closed_while_it_was_idle_is_replaced(
    broker: Redis, take: Take
) -> None:
    message = take()
    assert broker.client_kill_filter(_id=str(id_of(message.channel.qos))) == 1
    message.ack()
    assert notes(broker) == (0, 0)


def test_a_note_that_may_be_lost_is_a_connection_that_is_lost(
    broker: Redis, take: Take
) -> None:
    message = take()
    qos = message.channel.qos
    number = id_of(qos)
    qos._unread = 1  # of a note that the server did not come to
    broker.client_kill_filter(_id=str(number))
    with pytest.raises(RedisConnectionError):
        qos.settle()
    message.ack()
    assert notes(broker) == (0, 0)


def test_a_server_that_refuses_a_note_is_heard(broker: Redis, take: Take) -> None:
    broker.set("unacked", "not what is expected")
    message = take()
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        message.ack()
    broker.delete("unacked")
    message.ack()
    assert notes(broker) == (0, 0)
