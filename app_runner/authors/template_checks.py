"""Looks for templates that print values as HTML without escaping them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from flask import Flask
from jinja2 import TemplateSyntaxError, nodes

from app_runner.authors.findings import Finding, Source
from app_runner.babel import gettext as _

SUFFIXES = (".html", ".htm", ".jinja", ".jinja2", ".j2", ".xml", ".svg")
#: Filters whose results are safe already.
HARMLESS = {"tojson", "markdown", "escape", "e", "forceescape", "urlencode", "length"}


def findings(app: Flask, source: Source) -> Iterator[Finding]:
    """Look at the plugin's template files, and at templates inside its Python files."""
    for file in source.files(*SUFFIXES):
        yield from _file(app, source, file)
    for file in source.files(".py"):
        yield from _texts(app, source, file)


def _file(app: Flask, source: Source, file: Path) -> Iterator[Finding]:
    try:
        for line, text in _unsafe(app, file.read_text("utf-8")):
            yield Finding(source.at(file, line), text)
    except TemplateSyntaxError as error:
        text = _("The template cannot be read: %(why)s", why=error.message)
        yield Finding(source.at(file, error.lineno), text)
    except UnicodeDecodeError:
        yield Finding(source.at(file), _("The template is not written in UTF-8."))


def _texts(app: Flask, source: Source, file: Path) -> Iterator[Finding]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # it does not load, which is told elsewhere
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if "{{" not in node.value and "{%" not in node.value:
            continue
        try:
            for line, text in _unsafe(app, node.value):
                yield Finding(source.at(file, node.lineno + line - 1), text)
        except TemplateSyntaxError:
            continue  # the text was no template


def _unsafe(app: Flask, template: str) -> Iterator[tuple[int, str]]:
    tree = app.jinja_env.parse(template)
    for used in tree.find_all(nodes.Filter):
        if used.name == "safe" and not _is_harmless(used.node):
            text = _(
                "The filter `safe` prints a value without escaping it: whoever chooses "
                "the value can run scripts. Leave it out."
            )
            yield used.lineno, text
    switches = (nodes.EvalContextModifier, nodes.ScopedEvalContextModifier)
    for switch in chain.from_iterable(tree.find_all(kind) for kind in switches):
        if any(_turns_off(option) for option in switch.options):
            text = _("`autoescape false` prints all values unescaped. Leave it out.")
            yield switch.lineno, text


def _is_harmless(node: nodes.Expr | None) -> bool:
    if isinstance(node, nodes.Const | nodes.TemplateData):
        return True
    return isinstance(node, nodes.Filter) and node.name in HARMLESS


def _turns_off(option: nodes.Keyword) -> bool:
    value = option.value
    is_true = isinstance(value, nodes.Const) and bool(value.value)
    return option.key == "autoescape" and not is_true
