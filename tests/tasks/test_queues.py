"""Which queue a job waits in, and which queues a worker takes from."""

from __future__ import annotations

from typing import Any

import pytest
from celery.utils.saferepr import saferepr
from flask import Flask

from app_runner.config import load_settings
from app_runner.errors import SettingError
from app_runner.state import state_of
from app_runner.tasks.journal import Outgoing
from app_runner.tasks.queue import shown
from app_runner.tasks.queues import QueuePlan, check_pool
from app_runner.tasks.recorder import RecordedTask


def plan(**settings: Any) -> QueuePlan:
    made = QueuePlan(load_settings(settings))
    for name, version in (("a", "1"), ("a", "2"), ("b", "1"), ("big.c", "1")):
        job = RecordedTask(plan, f"{name}@{version}.run", {"queue_priority": 7})
        made.add(name, f"{name}@{version}", [job])
    return made


def test_each_plugin_has_a_queue_and_its_versions_share_it() -> None:
    queues = plan()
    assert queues.names == ["celery", "celery.a", "celery.b", "celery.big.c"]
    assert queues.place("a@1.run").queue == queues.place("a@2.run").queue == "celery.a"
    assert queues.plugins_of("celery.a") == ["a@1", "a@2"]
    assert queues.place("app-runner.save-result").queue == "celery"


def test_settings_put_plugins_together() -> None:
    queues = plan(PLUGIN_QUEUES='{"a@2": "slow", "b": "slow"}', CELERY_QUEUE="q")
    assert queues.names == ["q", "q.a", "q.big.c", "slow"]
    assert queues.plugins_of("slow") == ["a@2", "b@1"]
    together = plan(PLUGIN_QUEUES={"*": "celery"})
    assert together.names == together.consumed(None) == ["celery"]


@pytest.mark.parametrize(
    ("asked", "consumed"),
    [
        (None, ["celery", "celery.a", "celery.big.c", "slow"]),
        (["celery"], ["celery", "celery.a", "celery.big.c"]),
        (["slow"], ["slow"]),
        (["slow", "celery.a"], ["slow", "celery.a"]),
    ],
)
def test_a_worker_takes_from_what_it_is_told(
    asked: list[str] | None, consumed: list[str]
) -> None:
    assert plan(PLUGIN_QUEUES={"b": "slow"}).consumed(asked) == consumed


def test_a_worker_that_serves_some_plugins_serves_the_runner_too() -> None:
    assert plan(WORKER_PLUGINS="b, big*").consumed(None) == [
        "celery",
        "celery.b",
        "celery.big.c",
    ]
    assert plan(WORKER_PLUGINS="a@2").consumed(["celery"]) == ["celery", "celery.a"]


def test_priorities_are_turned_to_what_the_broker_understands() -> None:
    redis = plan(PLUGIN_PRIORITIES={"b": 0})
    rabbit = plan(PLUGIN_PRIORITIES='{"b": 0}', BROKER_URL="amqp://localhost")
    for job, number in (("a@1.run", 7), ("b@1.run", 0), ("app-runner.x", 5)):
        assert redis.broker_priority(redis.place(job)) == 9 - number
        assert rabbit.broker_priority(rabbit.place(job)) == number


def test_a_message_goes_to_the_queue_of_its_plugin(app: Flask) -> None:
    celery = state_of(app).celery
    job = celery.tasks["works@1.work"]
    job.apply_async(kwargs={"db_id": 0})
    with celery.connection_for_read() as connection:
        queue = celery.amqp.queues["celery.works"](connection.default_channel)
        message = queue.get(no_ack=True)
    assert message is not None
    assert message.headers["task"] == "works@1.work"
    properties: Any = message.properties
    assert properties["priority"] == 5


def test_a_pool_that_comes_too_late_is_refused() -> None:
    check_pool("gevent", ["celery", "worker", "--pool", "gevent"])
    check_pool("gevent", ["celery", "beat"])
    check_pool("prefork", ["celery", "worker"])
    with pytest.raises(SettingError, match="--pool gevent"):
        check_pool("gevent", ["celery", "worker"])


def test_arguments_are_shown_as_celery_shows_them() -> None:
    job = {"db_id": 7}
    as_usual = {"argsrepr": saferepr(()), "kwargsrepr": saferepr(job)}
    assert shown(Outgoing("a@1.run", (), job, {})) == as_usual
    for args, kwargs in (
        ((1,), job),
        ((), {**job, "key": "secret"}),
        ((), {}),
        (None, None),
    ):
        assert shown(Outgoing("a@1.run", args, kwargs, {})) == {}, "Celery finds out"
