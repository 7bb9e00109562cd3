"""Hot documents are kept for a moment, for those who would be given the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from app_runner import hot
from app_runner.hot import HotDocuments

HOT = "/api-spec.json"


class Counting:
    """Answers with how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.asked += 1
        text = f"{Request(environ).host} {self.asked}"
        return Response(text, self.status)(environ, start_response)


@pytest.fixture
def inner() -> Counting:
    return Counting()


@pytest.fixture
def client(inner: Counting) -> Client:
    return Client(HotDocuments(inner))


def test_a_hot_document_is_asked_for_once(client: Client, inner: Counting) -> None:
    assert client.get(HOT).text == client.get(HOT).text
    assert inner.asked == 1


def test_it_is_asked_for_again_when_it_is_old(
    client: Client, inner: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot, "KEPT_SECONDS", -1.0)
    assert [client.get(HOT).text for _ in range(2)] == ["localhost 1", "localhost 2"]


def test_each_host_and_origin_has_its_own(client: Client, inner: Counting) -> None:
    for headers in ({"Host": "a"}, {"Host": "b"}, {"Host": "b", "Origin": "http://c"}):
        client.get(HOT, headers=headers)
    assert inner.asked == 3


@pytest.mark.parametrize("name", ["Authorization", "If-None-Match", "Range"])
def test_who_may_deserve_another_answer_is_not_given_the_kept_one(
    client: Client, inner: Counting, name: str
) -> None:
    client.get(HOT)
    client.get(HOT, headers={name: "x=y"})
    assert inner.asked == 2


def test_who_has_a_session_is_not_given_the_kept_one(
    client: Client, inner: Counting
) -> None:
    client.get(HOT)
    client.set_cookie("session", "x")
    client.get(HOT)
    assert inner.asked == 2


def test_errors_and_other_methods_are_not_kept(client: Client, inner: Counting) -> None:
    inner.status = 503
    assert client.get(HOT).status_code == 503
    inner.status = 200
    assert client.get(HOT).status_code == 200
    client.head(HOT)
    client.post(HOT)
    assert inner.asked == 4


def test_what_is_kept_is_bounded(
    client: Client, inner: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot, "MOST_KEPT", 2)
    door: Any = client.application
    for number in range(9):
        client.get(HOT, headers={"Host": f"h{number}"})
        assert len(door._kept) <= 2
