"""Converts tables between CSV, JSON, JSON lines and Parquet.

`tables.py` reads and writes them row by row, so memory does not depend on their length.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal

from app_runner.plugin_api import (
    Boolean,
    FileInput,
    InputFile,
    Output,
    Plugin,
    Task,
    Upload,
    UploadedFile,
    given_file,
)

plugin = Plugin(
    "data-converter",
    "1.0.0",
    title="Data converter",
    tags=["table", "data"],
    requirements="pyarrow>=18.0",
)
#: Media types by the endings of files.
TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/x-lines+json",
    "parquet": "application/vnd.apache.parquet",
}


@plugin.processor(outputs=[Output("the table", "entity/list", "*/*", required=False)])
def convert(
    task: Task,
    table: Annotated[
        InputFile | None,
        FileInput(data_type="entity/list", content_types=list(TYPES.values())),
    ] = None,
    own: Annotated[UploadedFile | None, Upload(label="Or a file of your own")] = None,
    to: Literal["csv", "json", "jsonl", "parquet"] = "json",
    typed: Annotated[
        bool,
        Boolean(
            label="Read numbers in CSV as numbers",
            help="Only columns where all cells are numbers, or truth values, and none is "
            "written like `007`.",
        ),
    ] = True,
) -> str:
    """Convert a table between CSV, JSON, JSON lines and Parquet.

    The table is read twice: first to find columns and types, and what cannot be read,
    then to be written. Lists and objects inside of cells become JSON in CSV and Parquet.
    """
    from . import tables

    file = given_file(table, own)
    with tables.opened(file, typed) as source:
        for count in source.survey():
            task.progress(count, count, "rows read")
        stem = PurePath(file.name).stem or "table"
        written = source.written(to, task)
        task.save(f"{stem}.{to}", written, "entity/list", TYPES[to])
    return f"{source.count} rows, {len(source.columns)} columns"
