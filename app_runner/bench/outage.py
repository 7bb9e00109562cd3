"""How long submits take while the broker is down."""

import time
from collections.abc import Iterator
from contextlib import closing, suppress

import redis

from app_runner.launch.embedded import connect

from .http_load import BadAnswer, Connection, address_of, request_bytes
from .measures import submit
from .plugins import FORM, PROCESSOR_NAME
from .redis_space import embedded_server
from .report import Row, Target
from .scene import FEW, LIVE, Scene
from .sides import runner_environment, serving

SUBMITS = 100
#: Seconds for the answer to a submit, at the 99th percentile.
BOUND = 2.0


def submits(scene: Scene) -> Iterator[Row]:
    """Kill a broker of our own, then submit: each is accepted, or refused with 503."""
    folder = scene.folder / "outage"
    with embedded_server() as broker:
        environment = runner_environment(folder, broker, scene.plugins(FEW))
        with serving("outage", "app_runner.wsgi:app", LIVE, folder, environment) as side:
            url = scene.entry_point(side, PROCESSOR_NAME)
            with closing(Connection(address_of(url))) as connection:
                submit(connection, url)
            with connect(broker) as client, suppress(redis.RedisError):
                client.shutdown(nosave=True)
            taken = sorted(_submitted(url) for _ in range(SUBMITS))
    p99 = taken[int(0.99 * SUBMITS)]
    target = Target("at most", BOUND, on="figure")
    yield Row("submit with the broker down, p99", "s", [p99], target=target)


def _submitted(url: str) -> float:
    start = time.perf_counter()
    with closing(Connection(address_of(url))) as connection:
        answer = connection.ask(request_bytes(url, form=FORM))
    if answer.status not in (303, 503):
        raise BadAnswer(f"POST {url} answered {answer.status}: {answer.body[:500]!r}")
    return time.perf_counter() - start
