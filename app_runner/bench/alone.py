"""Measures what needs no server: `python -m app_runner.bench.alone WHAT`.

It prints a JSON object. All but memory is CPU time of one thread, which neighbours on
the machine change little.
"""

import csv
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import IO, Any

import marshmallow as ma

from app_runner import create_app
from app_runner.api.fields import FileUrl
from app_runner.api.schemas import FrontendFormBaseSchema
from app_runner.data.entities import load_entities, save_entities

FIELDS = 50
RENDERED = 60
#: Bytes of the table that the speed is measured with.
TABLE = 30_000_000
ROUNDS = 3
COLUMNS = ["ID", "href", "name", "x", "y", "note"]
KIBIBYTE, MEGABYTE = 1024, 1e6
#: One after the other; descriptions are Markdown.
KINDS: tuple[Callable[[dict[str, str]], Any], ...] = (
    lambda told: ma.fields.String(required=True, metadata=told),
    lambda told: ma.fields.Integer(validate=ma.validate.Range(1, 9), metadata=told),
    lambda told: ma.fields.Boolean(metadata=told),
    lambda told: ma.fields.String(
        metadata={**told, "options": dict.fromkeys("abcde", "choice")}
    ),
    lambda told: FileUrl(data_input_type="entity/list", metadata=told),
)


def form() -> dict[str, Any]:
    """Give the CPU seconds of renderings of a form with many fields."""
    from flask import render_template

    told = [{"label": f"Field {n}", "description": f"*Help* {n}"} for n in range(FIELDS)]
    declared = {f"field_{n}": KINDS[n % len(KINDS)](t) for n, t in enumerate(told)}
    schema = FrontendFormBaseSchema.from_dict(declared)()
    app = create_app({"PLUGIN_FOLDERS": ""})
    shown = {"schema": schema, "values": {}, "errors": {}, "process": "/process/"}
    taken = []
    for _ in range(RENDERED):
        with app.test_request_context():
            start = time.thread_time()
            page = render_template("simple_template.html", **shown)
            taken.append(time.thread_time() - start)
    if page.count("qhana-form-label") < FIELDS:
        raise RuntimeError("the form lacks fields")
    return {"seconds": taken[RENDERED // 3 :]}


def rows() -> Iterator[list[str]]:
    """Give rows without end; in some cells stand quotes and separators."""
    number = 0
    while True:
        number += 1
        note = 'a "quoted" word, and more' if number % 50 == 0 else "plain"
        x, y = f"{number * 0.37:.5f}", str(number % 97)
        yield [str(number), "", f"name {number}", x, y, note]


def write_table(file: IO[str], size: int) -> None:
    """Write a table of about ``size`` bytes."""
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for count, row in enumerate(rows()):
        writer.writerow(row)
        if count % 1000 == 0 and file.tell() >= size:
            return


def ours(source: Path, target: Path) -> None:
    """Read a table into entities and write them, streamed."""
    with source.open("rb") as read, target.open("wb") as written:
        entities = load_entities(read, "text/csv")
        save_entities(entities, written, "text/csv", attributes=COLUMNS)


def plain(source: Path, target: Path) -> None:
    """Do with Python's csv module what keeps the table as it is."""
    with source.open(newline="") as read, target.open("w", newline="") as written:
        csv.writer(written, quoting=csv.QUOTE_ALL).writerows(csv.reader(read))


def table(size: int = TABLE) -> dict[str, Any]:
    """Give MB/s of both ways, in turns, best of each round of two."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.csv"), Path(folder, "out.csv")
        with source.open("w", newline="") as file:
            write_table(file, size)
        megabytes = source.stat().st_size / MEGABYTE
        speeds: dict[str, list[float]] = {"runner": [], "csv": []}
        for _ in range(ROUNDS):
            for name, way in (("csv", plain), ("runner", ours)):
                start = time.thread_time()
                way(source, target)
                speeds[name].append(megabytes / (time.thread_time() - start))
        if source.read_bytes() != target.read_bytes():
            raise RuntimeError("the table did not come back as it was")
    return {name: [median(found)] for name, found in speeds.items()}


def memory(size: int) -> dict[str, Any]:
    """Give by how many MB the peak of resident memory grows over a table."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.csv"), Path(folder, "out.csv")
        with source.open("w", newline="") as file:
            write_table(file, size)
        before = peak()
        ours(source, target)
        return {"grown": peak() - before, "size": source.stat().st_size / MEGABYTE}


def peak() -> float:
    """Give the highest resident memory so far, in MB (getrusage(2) tells KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE / MEGABYTE


WHAT: dict[str, Callable[..., dict[str, Any]]] = {
    "form": form,
    "table": table,
    "memory": memory,
}

if __name__ == "__main__":
    print(json.dumps(WHAT[sys.argv[1]](*map(int, sys.argv[2:]))))
