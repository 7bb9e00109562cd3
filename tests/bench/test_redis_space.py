"""The bench takes empty databases only, and gives them back empty."""

from collections.abc import Iterator

import pytest

from app_runner.bench.redis_space import (
    NoRedis,
    claim,
    claimed_database,
    database_url,
    embedded_server,
    kind,
)
from app_runner.launch.embedded import connect, server_program
from app_runner.launch.supervisor import LaunchError

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    try:
        server_program()
    except LaunchError as missing:
        pytest.skip(str(missing))
    with embedded_server() as url:
        yield url


def put(url: str, database: int, **values: str) -> None:
    with connect(database_url(url, database)) as connection:
        connection.mset(values)


def test_a_database_in_use_is_passed_over(server: str) -> None:
    put(server, 15, somebody="else's")
    with claimed_database(server) as url:
        assert url == database_url(server, 14)
    with connect(database_url(server, 15)) as connection:
        assert connection.get("somebody") == b"else's"
        connection.flushdb()


def test_two_claims_get_two_databases_and_leave_them_empty(server: str) -> None:
    with claimed_database(server) as one, claimed_database(server) as other:
        assert one != other
    for number in (14, 15):
        with connect(database_url(server, number)) as connection:
            assert connection.dbsize() == 0


def test_when_all_are_in_use_it_says_so(server: str) -> None:
    for number in range(1, 16):
        put(server, number, taken="1")
    with pytest.raises(NoRedis, match="no empty database"):
        claim(server)
    for number in range(1, 16):
        with connect(database_url(server, number)) as connection:
            connection.flushdb()


def test_it_names_the_server(server: str) -> None:
    assert kind(server).split()[0] in ("valkey", "redis")


def test_database_is_part_of_the_url_as_kombu_reads_it() -> None:
    assert database_url("redis://h:1/", 3) == "redis://h:1/3"
    assert database_url("redis://:pass@h:1/0", 3) == "redis://:pass@h:1/3"
    assert database_url("redis+socket:///a.sock?virtual_host=0", 3) == (
        "redis+socket:///a.sock?virtual_host=3"
    )
