"""Hot documents are kept for a moment, for those who would be given the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from app_runner import hot
from app_runner.hot import HotDocuments
from app_runner.state import BRIEF

HOT, BRIEFLY, COLD = "/api-spec.json", "/plugins/x@1/", "/tasks/1/"


class Counting:
    """Answers with how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200

        self.headers: dict[str, str] = {}

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.asked += 1
        text = f"{Request(environ).host} {self.asked}"
        if environ["PATH_INFO"] == BRIEFLY:
            environ[BRIEF] = True
        return Response(text, self.status, self.headers)(environ, start_response)


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


@pytest.mark.parametrize("path", [HOT, BRIEFLY])
def test_each_host_origin_and_language_has_its_own(
    client: Client, inner: Counting, path: str
) -> None:
    given = [{"Host": "a"}, {"Host": "b"}, {"Host": "b", "Origin": "http://c"}]
    given += [{"Accept-Language": language} for language in ("de", "en", "de")]
    client.get(path)  # what is kept briefly is known from then on
    before = inner.asked
    texts = [client.get(path, headers=headers).text for headers in given]
    assert inner.asked - before == 5
    assert texts[3] == texts[5] != texts[4]


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


def test_what_says_so_is_kept_briefly(client: Client, inner: Counting) -> None:
    for path in (BRIEFLY, COLD):
        texts = [client.get(path).text for _ in range(4)]
        assert len(set(texts)) == (2 if path == BRIEFLY else 4)  # the first tells


@pytest.mark.parametrize(
    ("headers", "hot_answers"),
    [({"Set-Cookie": "a=b"}, 3), ({"Cache-Control": "no-cache"}, 1)],
)
def test_what_is_for_one_receiver_is_not_kept(
    client: Client, inner: Counting, headers: dict[str, str], hot_answers: int
) -> None:
    inner.headers = headers
    for path, different in ((BRIEFLY, 3), (HOT, hot_answers)):
        assert len({client.get(path).text for _ in range(3)}) == different


@pytest.mark.parametrize("path", sorted(hot.HOT))
def test_the_documents_that_everybody_asks_for_are_kept(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)
    door: Any = app.wsgi_app
    while not isinstance(door, HotDocuments):
        door = door._inner
    assert [kept.body for kept in door._kept.values()] == [answer.data]


def test_after_a_change_nothing_brief_from_before_is_given(
    client: Client, inner: Counting
) -> None:
    client.get(BRIEFLY)
    before = client.get(BRIEFLY).text
    assert client.get(BRIEFLY).text == before
    client.post("/plugins/x@1/process/")
    assert client.get(BRIEFLY).text != before


def test_it_is_kept_a_tenth_of_a_second(
    client: Client, inner: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("app_runner.hot.time.monotonic", lambda: next(clock) * 0.06)
    texts = [client.get(BRIEFLY).text for _ in range(5)]
    assert texts == [f"localhost {n}" for n in (1, 2, 2, 3, 3)]


def test_another_query_or_form_has_its_own(client: Client, inner: Counting) -> None:
    client.get(BRIEFLY)
    client.get(BRIEFLY)
    client.get(BRIEFLY, query_string="a=b")
    client.get(BRIEFLY, headers={"Accept": "text/html"})
    assert inner.asked == 4
