"""Plugins that are small, and those that ask step by step, with mistakes on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bundled.live import Live, data_url, rows

CITIES = "city,country\nBonn,DE\nLyon,FR\nOslo,\n"
COUNTRIES = '[{"code": "DE", "city": "Berlin"}, {"code": "FR"}, {"code": "IT", "n": 7}]'
JSON = "application/json"


def test_hello_world_greets(site: Live) -> None:
    found = site.run("hello-world", inputStr="Ada")
    assert found == {"log": b"greeted Ada", "out.txt": b"Hello Ada"}
    assert site.refusal("hello-world") == ["inputStr"]


def test_words_are_counted(site: Live) -> None:
    found = site.run("word-count", text="To be or\nnot to be", top=2)
    assert rows(found["counts.csv"]) == [
        {"word": "to", "count": "2"},
        {"word": "be", "count": "2"},
    ]
    assert site.refusal("word-count", text="a", top="many") == ["top"]


def test_lines_are_found_in_two_steps(site: Live) -> None:
    url = site.submit("two-step", text="one two\nthree\ntwo")
    step = site.step(url, 0)
    assert "Words found:" in site.http.get(step["uiHref"]).text
    assert site.post(step["href"], {"word": "two"}).status_code == 303
    task = site.ended(url)
    assert task["status"] == "SUCCESS", task["log"]
    assert site.files(task)["lines.txt"].decode().split("\n")[:2] == ["one two", "two"]


def test_a_text_without_words_ends_with_a_sentence(site: Live) -> None:
    assert site.failure("two-step", text="!?") == "There are no words in this text."


def answered(site: Live, url: str, number: int, **data: Any) -> dict[str, Any]:
    """Answer a step that waits, and give it."""
    step = site.step(url, number)
    answer = site.post(step["href"], data)
    assert answer.status_code == 303, answer.text
    return step


def joined(site: Live, which: str, **first: Any) -> tuple[str, list[dict[str, str]]]:
    url = site.submit("table-join", **(first or {"table": data_url(CITIES)}))
    answered(site, url, 0, table=data_url(COUNTRIES, JSON))
    answered(site, url, 1, firstColumn="country", secondColumn="code", rows=which)
    task = site.ended(url)
    assert task["status"] == "SUCCESS", task["log"]
    return task["log"], rows(site.files(task)["joined.csv"])


BONN = {"city": "Bonn", "country": "DE", "city (second)": "Berlin", "n": ""}
LYON = {"city": "Lyon", "country": "FR", "city (second)": "", "n": ""}
OSLO = {"city": "Oslo", "country": "", "city (second)": "", "n": ""}
ITALY = {"city": "", "country": "IT", "city (second)": "", "n": "7"}


@pytest.mark.parametrize(
    ("which", "wanted"),
    [
        ("matching", [BONN, LYON]),
        ("all of the first", [BONN, LYON, OSLO]),
        ("all of both", [BONN, LYON, OSLO, ITALY]),
    ],
)
def test_tables_are_joined(site: Live, which: str, wanted: list[dict[str, str]]) -> None:
    log, found = joined(site, which)
    assert log == "2 matches of 3 and 3 rows"
    assert found == wanted


def test_every_pair_of_equal_values_is_a_row(site: Live) -> None:
    url = site.submit("table-join", table=data_url("k,a\n1,x\n1,y\n2,z\n"))
    answered(
        site,
        url,
        0,
        table=data_url(
            '{"k": 1, "b": 1}\n{"k": 1, "b": 2}\n', "application/x-lines+json"
        ),
    )
    answered(site, url, 1, firstColumn="k", secondColumn="k")
    found = rows(site.files(site.ended(url))["joined.csv"])
    assert [(row["a"], row["b"]) for row in found] == [
        *(("x", "1"), ("x", "2"), ("y", "1"), ("y", "2"))
    ]


def test_mistakes_are_told_and_asked_again(site: Live) -> None:
    url = site.submit("table-join", table=data_url("a,b\n1\n"))
    page = site.http.get(site.step(url, 0)["uiHref"]).text
    assert "Line 2, column 2 (b)" in page
    answered(site, url, 0, table=data_url(CITIES))
    answered(site, url, 1, table=data_url("x", "image/png"))
    page = site.http.get(site.step(url, 2)["uiHref"]).text
    assert "it is image/png" in page
    answered(site, url, 2, table=data_url(COUNTRIES, JSON))
    step = site.step(url, 3)
    page = site.http.get(step["uiHref"]).text
    assert '<option value="code"' in page
    wrong = site.post(step["href"], {"firstColumn": "code", "secondColumn": "code"})
    assert list(wrong.json()["errors"]["form"]) == ["firstColumn"]
    answered(site, url, 3, firstColumn="city", secondColumn="n")
    page = site.http.get(site.step(url, 4)["uiHref"]).text
    assert "No value of “city” is among those of “n”." in page
    again = site.post(step["href"], {"firstColumn": "city", "secondColumn": "n"})
    assert again.status_code == 409
    answered(site, url, 4, firstColumn="country", secondColumn="code")
    assert site.ended(url)["log"].endswith("2 matches of 3 and 3 rows")
