"""What can be saved, and how it is written for each type."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.processors.conftest import Load

ROWS = '[{"a": 1, "b": "x,y"}, {"a": 2, "c": None}]'
WRITTEN = {
    ("r.csv", "text/csv"): 'a,b,c\r\n1,"x,y",\r\n2,,\r\n',
    ("r.json", "application/json"): '[\n{"a": 1, "b": "x,y"},\n{"a": 2, "c": null}\n]',
    ("r", "application/x-lines+json"): '{"a": 1, "b": "x,y"}\n{"a": 2, "c": null}\n',
}


@pytest.mark.parametrize(("name", "kind"), WRITTEN)
def test_rows_are_written_for_their_type(load: Load, name: str, kind: str) -> None:
    site = load(f"""
        @plugin.processor(outputs=[Output({name!r}, "entity/list", {kind!r})])
        def work(task: Task) -> str:
            task.save({name!r}, {ROWS.replace("null", "None")})
        """)
    task = site.done()
    assert task["status"] == "SUCCESS", task["log"]
    assert site.content(task, name).decode() == WRITTEN[name, kind]
    (output,) = task["outputs"]
    assert (output["dataType"], output["contentType"]) == ("entity/list", kind)


def test_rows_may_come_one_by_one(load: Load) -> None:
    site = load("""
        @plugin.processor()
        def work(task: Task, count: int) -> str:
            task.save("r.csv", ({"n": n, "ä": n * n} for n in range(count)))
        """)
    task = site.done(count=30_000)
    rows = list(csv.DictReader(io.StringIO(site.content(task, "r.csv").decode())))
    assert len(rows) == 30_000
    assert rows[-1] == {"n": "29999", "ä": str(29_999**2)}
    assert site.content(site.done(count=0), "r.csv").strip() == b""


def test_rows_without_names_have_no_header(load: Load) -> None:
    site = load("""
        from collections import namedtuple
        Pair = namedtuple("Pair", "a b")

        @plugin.processor()
        def work(task: Task) -> str:
            task.save("r.csv", [[1, "x"], (2, "y")])
            task.save("n.csv", (Pair(n, "z") for n in range(2)))
            task.save("l.jsonl", [[1], [2]])
            task.save("e.csv", [])
        """)
    task = site.done()
    assert site.content(task, "r.csv") == b"1,x\r\n2,y\r\n"
    assert site.content(task, "n.csv") == b"a,b\r\n0,z\r\n1,z\r\n"
    assert site.content(task, "l.jsonl") == b"[1]\n[2]\n"
    assert site.content(task, "e.csv") == b""
    types = {o["name"]: o["contentType"] for o in task["outputs"]}
    assert types["l.jsonl"] == "application/x-lines+json"


def test_plain_values_are_json(load: Load) -> None:
    site = load("""
        @plugin.processor()
        def work(task: Task) -> str:
            task.save("n.json", 1.5)
            task.save("t.json", (1, "ä", None))
            task.save("e.json", [])
            task.save("b.txt", True)
        """)
    task = site.done()
    assert json.loads(site.content(task, "n.json")) == 1.5
    assert json.loads(site.content(task, "t.json")) == [1, "ä", None]
    assert json.loads(site.content(task, "e.json")) == []
    assert site.content(task, "b.txt") == b"true"


def test_scratch_files_are_no_results(load: Load) -> None:
    site = load("""
        @plugin.processor()
        def work(task: Task) -> str:
            task.save_scratch("a", "old")
            task.save_scratch("a", [{"x": 1}], "application/json")
            with task.open_scratch("a") as file:
                text = file.read().decode()
            try:
                task.open_scratch("b")
            except FileNotFoundError:
                return "wrong"
            except Exception as error:
                return f"{text} {error}"
        """)
    task = site.done()
    assert task["log"] == "[\n{\"x\": 1}\n] the task has no scratch file 'b'"
    assert task["outputs"] == []


def test_no_library_is_imported_for_plain_objects(load: Load) -> None:
    site = load("""
        import sys

        @plugin.processor()
        def work(task: Task) -> str:
            before = set(sys.modules)
            task.save("a.csv", [{"x": 1}])
            new = set(sys.modules) - before
            return str(sorted(new & {"pandas", "numpy", "matplotlib"}))
        """)
    assert site.done()["log"] == "[]"


def test_tables_of_pandas_are_saved(load: Load) -> None:
    pytest.importorskip("pandas")
    site = load("""
        @plugin.processor()
        def work(task: Task) -> str:
            import pandas
            table = pandas.DataFrame({"a": [1, 2], "b": ["x", "ä"]})
            task.save("t.csv", table)
            task.save("t.json", table)
            task.save("t.lines", table, content_type="application/x-lines+json")
            task.save("s.csv", table.set_index("b")["a"])
            table.index = [7, 8]
            task.save("j.csv", table[["a"]].rename_axis("a"))
        """)
    task = site.done()
    assert task["status"] == "SUCCESS", task["log"]
    assert site.content(task, "t.csv").decode() == "a,b\n1,x\n2,ä\n"
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "ä"}]
    assert json.loads(site.content(task, "t.json")) == rows
    lines = site.content(task, "t.lines").decode().splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert site.content(task, "s.csv").decode() == "b,a\nx,1\nä,2\n"
    assert site.content(task, "j.csv").decode() == "a (index),a\n7,1\n8,2\n"


def test_arrays_of_numpy_are_saved(load: Load) -> None:
    numpy = pytest.importorskip("numpy")
    site = load("""
        @plugin.processor()
        def work(task: Task, kind: str = "") -> str:
            import numpy
            array = numpy.array([[1, 2], [3, 4]])
            task.save("a.npy", array)
            task.save("a.json", array)
            task.save("n.json", array.sum())
            task.save("a.csv", array)
            if kind:
                task.save("a", array, content_type=kind)
        """)
    task = site.done()
    assert task["status"] == "SUCCESS", task["log"]
    assert numpy.load(io.BytesIO(site.content(task, "a.npy"))).tolist() == [
        [1, 2],
        [3, 4],
    ]
    assert json.loads(site.content(task, "a.json")) == [[1, 2], [3, 4]]
    assert json.loads(site.content(task, "n.json")) == 10
    assert site.content(task, "a.csv").decode() == "1,2\n3,4\n"
    assert "cannot be saved as image/png" in site.done(kind="image/png")["log"]


def test_a_figure_becomes_a_png_and_an_svg(load: Load) -> None:
    pytest.importorskip("matplotlib")
    site = load("""
        @plugin.processor(outputs=[Output("plot.png", "plot", "image/png")])
        def work(task: Task) -> str:
            from matplotlib.figure import Figure
            figure = Figure()
            figure.add_subplot().plot([1, 2])
            task.save("plot.png", figure)
        """)
    task = site.done()
    assert task["status"] == "SUCCESS", task["log"]
    types = {o["name"]: (o["dataType"], o["contentType"]) for o in task["outputs"]}
    assert types == {
        "plot.png": ("plot", "image/png"),
        "plot.svg": ("plot", "image/svg+xml"),
    }
    assert site.content(task, "plot.png").startswith(b"\x89PNG")
    assert b"<svg" in site.content(task, "plot.svg")
