"""Translations: every text for users goes through `gettext` or `lazy_gettext`."""

from __future__ import annotations

from pathlib import Path

from flask import (
    Flask,
    Response,
    after_this_request,
    current_app,
    has_request_context,
    request,
)
from flask_babel import Babel, gettext, lazy_gettext, ngettext

__all__ = ["gettext", "init_app", "lazy_gettext", "ngettext"]

TRANSLATIONS = Path(__file__).parent.parent / "translations"


def init_app(app: Flask) -> None:
    """Choose the language by the request's Accept-Language among those that exist."""
    app.config.setdefault("BABEL_TRANSLATION_DIRECTORIES", str(TRANSLATIONS))
    babel = Babel(app, locale_selector=_locale)
    with app.app_context():
        app.config["LANGUAGES"] = sorted(
            {str(locale) for locale in babel.list_translations()} | {"en"}
        )


def add_languages(app: Flask, folder: Path) -> None:
    """Let pages be in the languages of a plugin's catalogues too."""
    found = {path.parent.parent.name for path in folder.glob("*/LC_MESSAGES/*.mo")}
    app.config["LANGUAGES"] = sorted(found | set(app.config["LANGUAGES"]))


def _locale() -> str | None:
    if not has_request_context():
        return None
    after_this_request(_depends_on_language)
    known = {
        name.replace("_", "-").lower(): name for name in current_app.config["LANGUAGES"]
    }
    for tag, quality in request.accept_languages:  # the best first
        wanted = tag.lower()
        found = known.get(wanted) or known.get(wanted.partition("-")[0])
        if found and quality:
            return str(found)
    return None


def _depends_on_language(response: Response) -> Response:
    """Tell caches that others may be given another text (RFC 9110, section 12.5.5)."""
    response.vary.add("Accept-Language")
    return response
