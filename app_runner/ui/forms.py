"""Puts into Jinja what the form templates, ours and those of plugins, call by name."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import nh3
from flask import Flask
from flask_babel import get_locale
from markdown import markdown
from markupsafe import Markup

from app_runner.ui import input_values, inputs
from app_runner.ui.texts import script_texts

#: Globals that templates of plugins know by these names, and those of our own templates.
TEMPLATE_GLOBALS = {
    "get_input_type": inputs.get_input_type,
    "get_input_attr_step": inputs.get_input_attr_step,
    "get_validation_attrs": inputs.get_validation_attrs,
    "space_delimited_list": inputs.space_delimited_list,
    "get_datalist_from_schema": inputs.get_datalist_from_schema,
    "form_inputs": inputs.form_inputs,
    "form_value": input_values.field_value,
    "form_enctype": inputs.form_enctype,
    "form_error_texts": input_values.error_texts,
    "script_texts": script_texts,
}


def init_app(app: Flask) -> None:
    """Give the templates of ``app`` the form functions and the ``markdown`` filter."""
    app.jinja_env.globals.update(TEMPLATE_GLOBALS)
    app.jinja_env.globals["page_language"] = page_language
    app.jinja_env.filters["markdown"] = markdown_to_html


def page_language() -> str:
    """Give the language of the page as a tag for the ``lang`` attribute (BCP 47)."""
    locale = get_locale()
    return "en" if locale is None else str(locale).replace("_", "-")


def markdown_to_html(text: Any) -> Markup:
    """Give ``text`` (Markdown, may hold HTML) as HTML that cannot run a script."""
    return _rendered(str(text or ""))


# A form says the same texts at every request; rendering one costs as much as ten inputs.
@lru_cache(maxsize=2048)
def _rendered(text: str) -> Markup:
    html = markdown(text, extensions=["fenced_code", "tables", "sane_lists"])
    clean = nh3.clean(html, url_schemes={"http", "https", "mailto"})
    return Markup(clean)  # noqa: S704 - nh3 has just removed all that can run
