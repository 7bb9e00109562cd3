"""What plugins require: reading it, also without running them, and what is missing.

Installing is in `app_runner.plugins.installing`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from app_runner.babel import gettext as _
from app_runner.errors import RequirementError
from app_runner.plugins.base import PluginBase

#: Files of one plugin that are read for requirements when it cannot be imported.
MOST_FILES = 200
COMMENT = re.compile(r"(^|\s)#.*$")
#: The last resort for ``git+https://…#egg=name``, a form older than ``name @ url``.
BARE_URL = re.compile(r"(?P<url>[a-z+]+://\S+?)#(?:.*&)?egg=(?P<name>[\w.-]+)\S*")


def requirements_of(plugin: PluginBase) -> str:
    """Give what a loaded plugin says; nothing when it says nothing."""
    try:
        return str(plugin.get_requirements() or "")
    except NotImplementedError:
        return ""


def parse(text: str) -> list[Requirement]:
    """Read requirements, one a line as pip does; those of other systems are left out.

    Raises `RequirementError` for options (a plugin chooses no package index) and for
    what is no requirement after PEP 508.
    """
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        line = COMMENT.sub("", line).strip()
        if line:
            requirement = _parse_line(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                found.append(requirement)
    return found


def _parse_line(line: str) -> Requirement:
    bare = BARE_URL.fullmatch(line)
    try:
        return Requirement(f"{bare['name']} @ {bare['url']}" if bare else line)
    except InvalidRequirement:
        text = _("“%(line)s” is no requirement that a plugin can have", line=line)
        raise RequirementError(text) from None


def missing(requirements: Iterable[Requirement]) -> list[Requirement]:
    """Give those that the environment of this process does not fulfil."""
    return [requirement for requirement in requirements if not _is_there(requirement)]


def _is_there(requirement: Requirement) -> bool:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    if not requirement.specifier.contains(version, prereleases=True):
        return False
    return all(_is_there(further) for further in _of_extras(requirement))


def _of_extras(requirement: Requirement) -> Iterator[Requirement]:
    """Give what the extras of a requirement need, one level deep."""
    declared = metadata.requires(requirement.name) if requirement.extras else None
    for text in declared or ():
        found = Requirement(text)
        marker, extras = found.marker, requirement.extras
        if marker is None or marker.evaluate({"extra": ""}):
            continue
        if any(marker.evaluate({"extra": extra}) for extra in extras):
            own = canonicalize_name(found.name) == canonicalize_name(requirement.name)
            if not own:  # "all = name[one,two]" is left to pip
                yield found


def not_installed(requirements: Iterable[Requirement]) -> str:
    """Say that a plugin lacks these."""
    names = ", ".join(sorted(map(shown, requirements)))
    return _("not installed: needs %(names)s", names=names)


def shown(requirement: Requirement) -> str:
    """Write a requirement for people, without URLs (which may hold tokens)."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def read_unloaded(path: Path) -> str:
    """Give what the source of a plugin that cannot be imported says it requires.

    Nothing is run: texts that ``get_requirements`` returns, and ``requirements=`` of a
    call, are found when they are written down as texts, names of texts, or sums of them.
    """
    files = sorted(path.rglob("*.py"))[:MOST_FILES] if path.is_dir() else [path]
    found: dict[str, None] = {}
    for file in files:
        found.update(dict.fromkeys(_texts_in(file)))
    return "\n".join(found)


def _texts_in(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    names = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        for value in _requirement_values(node):
            text = _text(value, names)
            if text:
                yield text


def _requirement_values(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.FunctionDef) and node.name == "get_requirements":
        for inner in ast.walk(node):
            if isinstance(inner, ast.Return) and inner.value is not None:
                yield inner.value
    elif isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg == "requirements":
                yield keyword.value


def _text(value: ast.expr, names: dict[str, ast.expr], depth: int = 0) -> str | None:
    """Give the text of an expression without evaluating it, or None."""
    if depth > 50:
        return None
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name) if name in names:
            return _text(names[name], names, depth + 1)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([left, right], "", names, depth)
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(glue)), attr="join"),
            args=[ast.List(elts=parts) | ast.Tuple(elts=parts)],
        ):
            return _joined(parts, glue, names, depth)
        case ast.Call(func=ast.Attribute(value=inner, attr="strip"), args=[]):
            return _text(inner, names, depth + 1)
    return None


def _joined(
    parts: list[ast.expr], glue: str, names: dict[str, ast.expr], depth: int
) -> str | None:
    texts = [_text(part, names, depth + 1) for part in parts]
    return None if None in texts else glue.join(filter(None, texts))
