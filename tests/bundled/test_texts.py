"""Bundled plugins that bring catalogues speak the language of who asks."""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient

from app_runner.config import PROJECT
from app_runner.db.models import ProcessingTask
from tests.plugins.conftest import app_with

CATALOGUES = sorted((PROJECT / "plugins").glob("**/LC_MESSAGES/messages.po"))
HELLO, STEPS = "/plugins/hello-world@1-0-0/", "/plugins/two-step@1-0-0/"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with app_with([str(PROJECT / "plugins")], tmp_path_factory.mktemp("texts")) as app:
        yield app


def get(app: Flask, path: str, language: str, **headers: str) -> Any:
    client: FlaskClient = app.test_client()
    return client.get(path, headers={"Accept-Language": language, **headers})


@pytest.mark.parametrize(
    ("language", "title", "label"),
    [("de", "Hallo Welt", "Eingabe"), ("en", "Hello world", "Input str")],
)
def test_a_processor_speaks_it(app: Flask, language: str, title: str, label: str) -> None:
    assert get(app, HELLO, language).get_json()["title"] == title
    page = get(app, f"{HELLO}ui/", language).text
    assert f'<html lang="{language}"' in page
    assert f">{title} <small>" in page
    assert label in page
    console = get(app, "/", language, Accept="text/html").text
    assert f"<strong>{title}</strong>" in console


def test_the_list_is_kept_for_each_language(app: Flask) -> None:
    for language, begin in (("de", "Grüßt"), ("en", "Say hello"), ("de", "Grüßt")):
        plugins = get(app, "/plugins/", language).get_json()["plugins"]
        (hello,) = (p for p in plugins if p["name"] == "hello-world")
        assert hello["description"].startswith(begin)


@pytest.mark.parametrize(
    "path", [HELLO, f"{HELLO}ui/", "/plugins/", STEPS, "/problems/", "/plugins/no/"]
)
def test_caches_are_told_that_the_language_counts(app: Flask, path: str) -> None:
    german, english = get(app, path, "de"), get(app, path, "en")
    assert "Accept-Language" in german.headers["Vary"]
    if tag := german.headers.get("ETag"):
        known = get(app, path, "de", **{"If-None-Match": tag})
        assert known.status_code == 304
        assert "Accept-Language" in known.headers["Vary"]
        other = get(app, path, "en", **{"If-None-Match": tag})
        assert other.status_code == (304 if english.data == german.data else 200)
        assert other.data in (english.data, b"")


def test_what_is_the_same_in_every_language_does_not_vary(app: Flask) -> None:
    for path in ("/api-spec.json", "/plugins/word-count@1-0-0/"):
        assert "Accept-Language" not in get(app, path, "de").headers.get("Vary", "")


def test_a_plugin_with_full_control_speaks_it(app: Flask) -> None:
    told = get(app, STEPS, "de").get_json()
    assert told["title"] == "Zeilen finden in zwei Schritten"
    assert told["description"].startswith("Zählt die Wörter")
    page = get(app, f"{STEPS}ui/", "de").text
    assert "Zeilen finden" in page
    assert "Ein beliebiger Text" in page
    with app.test_request_context():
        task = ProcessingTask("two-step", data={"counts": {"be": 2}})
        task.add_next_step("/", "/", "word", commit=True)
        step = app.url_for("two-step@1-0-0.WordForm", db_id=task.id)
    shown = get(app, step, "de").text
    assert "Gefundene Wörter: <code>be</code> (2)" in shown
    assert ">Wort" in shown


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-5])
def test_the_compiled_form_says_what_the_catalogue_says(path: Path) -> None:
    with path.open("rb") as source, path.with_suffix(".mo").open("rb") as compiled:
        catalogue, found = read_po(source), gettext.GNUTranslations(compiled)
    texts = [message for message in catalogue if message.id]
    assert texts
    for message in texts:
        assert message.string
        assert found.gettext(str(message.id)) == message.string
