"""The floor loads nothing of the runner; its constants are as long as they must be."""

import ast
import json
from pathlib import Path

import pytest

import app_runner.bench
from app_runner.bench.sides import floor_environment

SOURCE = Path(app_runner.bench.__file__).with_name("floor.py")


@pytest.mark.parametrize("name", ["floor.py", "plain_files.py"])
def test_the_floor_imports_nothing_of_the_runner(name: str) -> None:
    tree = ast.parse(SOURCE.with_name(name).read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(each.name for each in node.names)]
    }
    assert not [name for name in imported if name and name.startswith("app_runner")]


@pytest.fixture
def floor_source(tmp_path: Path) -> str:
    folder = tmp_path / "floor"
    environment = floor_environment(folder, "memory://", {"/plugins/": 700})
    assert json.loads(environment["FLOOR_SIZES"]) == {"/plugins/": 700}
    return (folder / "floor.py").read_text(encoding="utf-8")


def test_constant_answers_have_the_asked_size(
    floor_source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", "memory://")
    monkeypatch.setenv("FLOOR_SIZES", json.dumps({"/plugins/": 700}))
    names: dict[str, object] = {"__name__": "floor"}
    exec(compile(floor_source, "floor.py", "exec"), names)  # noqa: S102
    answer = names["app"].test_client().get("/plugins/")  # type: ignore[attr-defined]
    assert answer.mimetype == "application/json"
    assert len(answer.data) == 700
    assert json.loads(answer.data)
