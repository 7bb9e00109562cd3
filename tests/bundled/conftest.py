"""One server and one worker with the bundled plugins, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app_runner.bench.redis_space import database_url
from app_runner.config import PROJECT
from tests.bundled.live import Live, live

BUNDLED = str(PROJECT / "plugins")


@pytest.fixture(scope="session")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    embedded_broker_url: str,
    _database_numbers: Iterator[int],
) -> Iterator[Live]:
    """Give a client of that runner."""
    place = tmp_path_factory.mktemp("bundled")
    broker = database_url(embedded_broker_url, next(_database_numbers))
    with live([BUNDLED], place, BROKER_URL=broker) as found:
        yield found
