"""Looks for packages that a plugin imports and does not require."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from flask import Flask
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app_runner.authors.findings import Finding, Source
from app_runner.babel import gettext as _
from app_runner.errors import RequirementError
from app_runner.plugins.requirements import parse, requirements_of
from app_runner.state import state_of

#: Always there: the runner itself and the names that published plugins import.
OURS = {"app_runner", "qhana_plugin_runner"}
RUNNER = "app-runner"


def findings(app: Flask, source: Source) -> Iterator[Finding]:
    """Give the imports that no plugin of the file requires; the loader tells the rest."""
    registry = state_of(app).registry
    declared: set[str] = set()
    for plugin in registry:
        try:
            required = parse(requirements_of(plugin))
        except RequirementError:
            continue
        declared |= {canonicalize_name(requirement.name) for requirement in required}
    if len(registry):
        yield from _undeclared(source, declared)


def _undeclared(source: Source, declared: set[str]) -> Iterator[Finding]:
    known = declared | _needed_by_runner()
    owners = metadata.packages_distributions()
    for file, line, name in _imports(source):
        distributions = {canonicalize_name(owner) for owner in owners.get(name, ())}
        if distributions and not distributions & known:
            text = _(
                "It imports %(name)s, which its requirements do not name.", name=name
            )
            yield Finding(source.at(file, line), text)


def _imports(source: Source) -> Iterator[tuple[Path, int, str]]:
    """Give the other packages that are imported; in ``try`` they may be missing."""
    own = {source.path.stem, *OURS, *sys.stdlib_module_names}
    for file in source.files(".py"):
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in _required(tree):
            for name in _top_names(node):
                if name not in own:
                    yield file, node.lineno, name


def _required(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not isinstance(child, ast.Try):
            yield from _required(child)


def _top_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [] if node.level else [(node.module or "").partition(".")[0]]


@cache
def _needed_by_runner() -> set[str]:
    """Give all distributions that are there because the runner needs them."""
    found, waiting = set[str](), [RUNNER]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            texts = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue
        needed = [Requirement(text) for text in texts]
        waiting += [r.name for r in needed if r.marker is None or r.marker.evaluate()]
    return found
