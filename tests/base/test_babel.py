"""Texts come in the language of the request, among those that there are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import get_locale

from app_runner import babel
from app_runner.babel import gettext, lazy_gettext
from tests.conftest import close, new_app

CATALOGUE = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgid "Good day, %(name)s"
msgstr "Guten Tag, %(name)s"
"""
GREETING = lazy_gettext("Good day, %(name)s", name="Ada")


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    place = tmp_path_factory.mktemp("german")
    folder = place / "translations" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "messages.po").write_text(CATALOGUE)
    pybabel = Path(sys.executable).with_name("pybabel")
    compiled = ["compile", "--directory", str(place / "translations")]
    subprocess.run([str(pybabel), *compiled], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(babel, "TRANSLATIONS", place / "translations")
        app = new_app(place)
    yield app
    close(app)


@pytest.mark.parametrize(
    ("accepted", "text"),
    [
        ("de", "Guten Tag, Ada"),
        ("de-AT, en;q=0.5", "Guten Tag, Ada"),
        ("fr, en;q=0.5, de;q=0.4", "Good day, Ada"),
        ("fr", "Good day, Ada"),
        ("de;q=0, fr", "Good day, Ada"),
        ("", "Good day, Ada"),
        ("*", "Good day, Ada"),
        (";;;q=nonsense", "Good day, Ada"),
    ],
)
def test_the_language_is_that_of_the_request(
    german: Flask, accepted: str, text: str
) -> None:
    with german.test_request_context(headers={"Accept-Language": accepted}):
        assert gettext("Good day, %(name)s", name="Ada") == text
        assert str(GREETING) == text


def test_outside_a_request_texts_are_english(german: Flask) -> None:
    with german.app_context():
        assert gettext("Good day, %(name)s", name="Ada") == "Good day, Ada"


def test_english_is_always_there(shared_app: Flask) -> None:
    with shared_app.test_request_context(headers={"Accept-Language": "en-GB"}):
        assert "en" in shared_app.config["LANGUAGES"]
        assert str(get_locale()) == "en"
