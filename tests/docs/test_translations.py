"""Catalogues have every text of the sources, and their compiled forms say the same."""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from flask.testing import FlaskClient

from tests.docs.pages import ROOT

TRANSLATIONS = ROOT / "translations"
KEYWORDS: dict[str, Any] = {
    "_": None,
    "N_": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
}
LANGUAGES = sorted(
    path.parts[-3] for path in TRANSLATIONS.glob("*/LC_MESSAGES/messages.po")
)
REFRESH = "./run translate brings the files up to date; then fill in what is empty"


def in_sources() -> set[Any]:
    """Give the texts that the sources have now."""
    with (TRANSLATIONS / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = extract_from_dir(ROOT, methods, options, KEYWORDS)
    return {message for _file, _line, message, _comments, _context in found}


def read(path: Path) -> Catalog:
    """Read a catalogue or a template."""
    with path.open("rb") as file:
        return read_po(file)


def texts(catalog: Catalog) -> set[Any]:
    """Give the ids of all entries but the header."""
    return {message.id for message in catalog if message.id}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    """Give each language that there is."""
    return str(request.param)


def catalogue(language: str, suffix: str) -> Path:
    """Give where the catalogue of a language lies."""
    return TRANSLATIONS / language / "LC_MESSAGES" / f"messages{suffix}"


def test_the_template_has_the_texts_of_the_sources() -> None:
    assert texts(read(TRANSLATIONS / "messages.pot")) == in_sources(), REFRESH


def test_german_is_there() -> None:
    assert "de" in LANGUAGES


def test_a_catalogue_has_every_text_of_the_template(language: str) -> None:
    catalog = read(catalogue(language, ".po"))
    assert texts(catalog) == texts(read(TRANSLATIONS / "messages.pot")), REFRESH


def test_every_text_is_translated_and_keeps_its_placeholders(language: str) -> None:
    catalog = read(catalogue(language, ".po"))
    untranslated = [m.id for m in catalog if m.id and (m.fuzzy or not all(_forms(m)))]
    assert untranslated == []
    assert [str(error) for _, errors in catalog.check() for error in errors] == []


def _forms(message: Any) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (message.string,)


def compiled(language: str) -> Iterator[tuple[str, str]]:
    """Give what the compiled catalogue says for each text, plurals form by form."""
    with catalogue(language, ".mo").open("rb") as file:
        known = gettext.GNUTranslations(file)
    messages: Any = read(catalogue(language, ".po"))
    for message in messages:
        if isinstance(message.id, tuple):
            one, many = message.id
            for number, form in ((1, 0), (2, 1)):
                yield known.ngettext(one, many, number), message.string[form]
        elif message.id:
            yield known.gettext(message.id), message.string


def test_the_compiled_catalogue_says_what_its_source_says(language: str) -> None:
    assert [pair for pair in compiled(language) if pair[0] != pair[1]] == [], REFRESH


def test_a_german_browser_is_answered_in_german(client: FlaskClient) -> None:
    answer = client.get(
        "/", headers={"Accept": "text/html", "Accept-Language": "de-AT,en;q=0.5"}
    )
    assert '<html lang="de">' in answer.text
    assert "Ein Plugin wählen" in answer.text
