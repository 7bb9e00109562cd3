"""Puts into Jinja what the form templates, ours and those of plugins, call by name."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import nh3
from flask import Flask, has_request_context, request
from flask_babel import get_locale
from markdown import markdown
from markupsafe import Markup
from marshmallow import Schema

from app_runner.plugins.base import PluginBase
from app_runner.state import current_runner
from app_runner.ui import input_values, inputs
from app_runner.ui.input_values import Option
from app_runner.ui.texts import script_texts

PLUGINS = "/plugins/"
#: Globals that templates of plugins know by these names, and those of our own templates.
TEMPLATE_GLOBALS = {
    "get_input_type": inputs.get_input_type,
    "get_input_attr_step": inputs.get_input_attr_step,
    "get_validation_attrs": inputs.get_validation_attrs,
    "space_delimited_list": inputs.space_delimited_list,
    "get_datalist_from_schema": inputs.get_datalist_from_schema,
    "form_value": input_values.field_value,
    "form_enctype": inputs.form_enctype,
    "form_error_texts": input_values.error_texts,
    "script_texts": script_texts,
}


def init_app(app: Flask) -> None:
    """Give the templates of ``app`` the form functions and the ``markdown`` filter."""
    app.jinja_env.globals.update(TEMPLATE_GLOBALS)
    app.jinja_env.globals["page_language"] = page_language
    app.jinja_env.globals["form_inputs"] = form_inputs
    app.jinja_env.globals["told"] = told
    app.jinja_env.filters["markdown"] = markdown_to_html


def page_language() -> str:
    """Give the language of the page as a tag for the ``lang`` attribute (BCP 47)."""
    locale = get_locale()
    return "en" if locale is None else str(locale).replace("_", "-")


def told(text: Any) -> Any:
    """Give a text of the plugin whose page this is, in the language of the page."""
    plugin = _plugin_of_page()
    return text if plugin is None else plugin.told(text)


def form_inputs(schema: Schema, *args: Any, **options: Any) -> list[inputs.Input]:
    """Describe the inputs of a form, with the plugin's texts in the page's language."""
    found = inputs.form_inputs(schema, *args, **options)
    plugin = _plugin_of_page()
    return found if plugin is None else [_told_input(plugin, one) for one in found]


def _told_input(plugin: PluginBase, one: inputs.Input) -> inputs.Input:
    def options(given: list[Option]) -> list[Option]:
        return [replace(each, label=str(plugin.told(each.label))) for each in given]

    return replace(
        one,
        label=str(plugin.told(one.label)),
        description=str(plugin.told(one.description)),
        options=options(one.options),
        proposals=options(one.proposals),
    )


def _plugin_of_page() -> PluginBase | None:
    """Give the plugin that is asked, if it has catalogues."""
    if not (has_request_context() and request.path.startswith(PLUGINS)):
        return None
    identifier = request.path[len(PLUGINS) :].partition("/")[0]
    loaded = current_runner.registry.get(identifier)
    return loaded.plugin if loaded and loaded.plugin.translations else None


def markdown_to_html(text: Any) -> Markup:
    """Give ``text`` (Markdown, may hold HTML) as HTML that cannot run a script."""
    return _rendered(str(text or ""))


# A form says the same texts at every request; rendering one costs as much as ten inputs.
@lru_cache(maxsize=2048)
def _rendered(text: str) -> Markup:
    html = markdown(text, extensions=["fenced_code", "tables", "sane_lists"])
    clean = nh3.clean(html, url_schemes={"http", "https", "mailto"})
    return Markup(clean)  # noqa: S704 - nh3 has just removed all that can run
