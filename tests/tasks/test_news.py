"""The channel that tells other processes which task has changed, on a real broker."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from app_runner.tasks.news import Channel, channel_of
from tests.conftest import AppFactory

pytestmark = pytest.mark.integration
TOLD = [3, 1, 2]


@pytest.fixture
def channel(make_app: AppFactory, broker_url: str) -> Channel:
    return channel_of(make_app(BROKER_URL=broker_url))


def heard(subscription: Any, count: int) -> list[int]:
    messages = [subscription.get_message(timeout=5) for _ in range(count)]
    return [int(message["data"]) for message in messages if message]


def connections(channel: Channel) -> int:
    return len(channel._client().client_list())


def test_all_that_is_told_is_heard_in_order(channel: Channel) -> None:
    subscription = channel.listen()
    assert subscription.get_message(timeout=0.2) is None  # it has subscribed
    for task_id in TOLD:
        channel.tell(task_id)
    assert heard(subscription, len(TOLD)) == TOLD


def test_telling_again_needs_no_further_connection(channel: Channel) -> None:
    channel.tell(1)
    before = connections(channel)
    for task_id in range(50):
        channel.tell(task_id)
    assert connections(channel) == before


def test_who_lost_the_connection_tells_over_another(channel: Channel) -> None:
    subscription = channel.listen()
    assert subscription.get_message(timeout=0.2) is None
    channel.tell(1)
    assert heard(subscription, 1) == [1]
    channel._client().client_kill_filter(_type="normal", skipme=True)
    channel.tell(2)
    assert heard(subscription, 1) == [2]


def test_a_forked_process_tells_over_a_connection_of_its_own(channel: Channel) -> None:
    subscription = channel.listen()
    assert subscription.get_message(timeout=0.2) is None
    channel.tell(1)
    ours = channel._teller
    if (child := os.fork()) == 0:
        channel.tell(2)
        os._exit(channel._teller is ours)
    assert os.waitpid(child, 0)[1] == 0
    channel.tell(3)
    assert heard(subscription, 3) == [1, 2, 3]


def test_a_process_forked_while_a_thread_tells_is_not_held_up(channel: Channel) -> None:
    subscription = channel.listen()
    assert subscription.get_message(timeout=0.2) is None
    with channel._lock:  # as the thread that tells has it
        if (child := os.fork()) == 0:
            signal.alarm(5)
            channel.tell(2)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert heard(subscription, 1) == [2]
