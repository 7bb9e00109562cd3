"""Imports go down only: an author who knows one layer need not know those above it.

Read from the syntax trees, so that an import inside a function counts as well; those
below ``if TYPE_CHECKING`` do not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from app_runner.config import PROJECT

PACKAGE = PROJECT / "app_runner"

#: First part of the module's name below ``app_runner`` -> layer.
LAYERS = {
    "config": 0,
    "setting_types": 0,
    "file_settings": 0,
    "task_settings": 0,
    "access_settings": 0,
    "answers": 0,
    "application": 0,
    "bodies": 0,
    "masking": 0,
    "rules": 0,
    "errors": 0,
    "logs": 0,
    "state": 0,
    "submission": 0,
    "babel": 0,
    "fetch": 0,
    "ids": 0,
    "crash_points": 0,
    "data": 0,
    "db": 1,
    "files": 1,
    "tasks": 2,
    "plugins": 2,
    "api": 3,
    "ui": 3,
    "plugin_api": 4,
    "__init__": 5,
    "wsgi": 5,
    "celery_worker": 5,
    "hosting": 5,
    "dispatch": 5,
    "hot": 5,
    "compat": 5,
    "authors": 5,
    "testing": 5,
    "launch": 5,
    "bench": 5,
    "drill": 5,
}
#: Parts of one layer that may not import each other: (importer, imported).
APART = {
    ("tasks", "plugins"),
    ("plugins", "tasks"),
    ("api", "ui"),
    ("db", "files"),
    ("files", "db"),
}
#: The domain knows nothing of the request that it works for.
WITHOUT_REQUEST = {"db", "files", "tasks", "plugins"}
#: Values at module level that may be changed belong to no app, so there are none.
CONTAINERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MAKERS = {"list", "dict", "set", "defaultdict", "deque", "OrderedDict", "Counter"}
OPENS_URLS = re.compile(
    r"requests\.(get|post|put|head|request|[sS]ession)\b|\b(urlopen|http\.client|httpx)\b"
)


class Import(NamedTuple):
    """One imported name, and where."""

    file: Path
    line: int
    module: str  # absolute
    name: str  # what `from module import name` takes, or ""

    def __str__(self) -> str:
        return f"{self.file.relative_to(PROJECT)}:{self.line}: {self.module} {self.name}"


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_for_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree without what is there for type checkers only."""
    yield node
    for child in ast.iter_child_nodes(node):
        if is_for_typing(child):
            for other in child.orelse:  # type: ignore[attr-defined]
                yield from running(other)
        else:
            yield from running(child)


def imports(file: Path) -> Iterator[Import]:
    package = ("app_runner", *file.relative_to(PACKAGE).parent.parts)
    for node in running(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                yield Import(file, node.lineno, module, alias.name)


def imported_part(one: Import) -> str | None:
    """Give the part of ours that is imported, or None for other packages."""
    head, *rest = one.module.split(".")
    if head != "app_runner":
        return None
    if rest:
        return rest[0]
    return one.name if one.name in LAYERS else "__init__"


ALL = [one for file in sources() for one in imports(file)]
OURS = [(one, part) for one in ALL if (part := imported_part(one)) is not None]


def test_every_part_has_a_layer() -> None:
    parts = {part_of(file) for file in sources()}
    assert parts <= LAYERS.keys(), "add the new part to LAYERS, where it belongs"


def test_imports_go_down_only() -> None:
    upward = [str(one) for one, part in OURS if LAYERS[part_of(one.file)] < LAYERS[part]]
    assert upward == []


def test_neighbours_that_are_apart_stay_apart() -> None:
    wrong = [str(one) for one, part in OURS if (part_of(one.file), part) in APART]
    assert wrong == []


def test_the_domain_knows_no_request() -> None:
    names = {"request", "has_request_context", "session", "g"}
    wrong = [
        str(one)
        for one in ALL
        if part_of(one.file) in WITHOUT_REQUEST
        and one.module.partition(".")[0] == "flask"
        and one.name in names
    ]
    assert wrong == []


def test_only_the_fetcher_opens_urls() -> None:
    own_server = {
        "launch",
        "bench",
        "testing",
        "drill",
    }  # call nobody but the runner itself
    wrong = [
        f"{file.relative_to(PROJECT)}: {found[0]}"
        for file in sources()
        if part_of(file) not in {"fetch", *own_server}
        and (found := OPENS_URLS.search(file.read_text()))
    ]
    assert wrong == []


def is_changeable(value: ast.AST | None) -> bool:
    if isinstance(value, ast.Call):
        made = ast.unparse(value.func).rpartition(".")[2]
        return made in MAKERS
    return isinstance(value, CONTAINERS)


def changed_names(tree: ast.Module) -> set[str]:
    """Give the names of which some code sets an entry or calls a changing method."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            found.add(ast.unparse(node.value))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {
                "append",
                "add",
                "update",
                "setdefault",
                "pop",
                "clear",
            }:
                found.add(ast.unparse(node.func.value))
        elif isinstance(node, ast.Global):
            found.update(node.names)
    return found


def test_no_module_keeps_state_of_an_app() -> None:
    """Two runners in one process share nothing; constants may be containers."""
    wrong = []
    for file in sources():
        tree = ast.parse(file.read_text())
        changed = changed_names(tree)
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and is_changeable(node.value):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                wrong += [
                    f"{file.relative_to(PROJECT)}:{node.lineno}: {name}"
                    for name in map(ast.unparse, targets)
                    if name in changed
                ]
        wrong += [
            f"{file.relative_to(PROJECT)}:{node.lineno}: global"
            for node in ast.walk(tree)
            if isinstance(node, ast.Global)
        ]
    assert wrong == []


def test_functions_stay_short() -> None:
    long = [
        f"{file.relative_to(PROJECT)}:{node.lineno}: {node.name}"
        for file in sources()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 50
    ]
    assert long == []


@pytest.mark.parametrize(
    "file", sources(), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_a_module_says_what_it_is_for_and_stays_short(file: Path) -> None:
    text = file.read_text()
    assert ast.get_docstring(ast.parse(text)), "a module begins with its purpose"
    assert len(text.splitlines()) <= 350
