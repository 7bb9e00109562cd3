"""Profiles a table: statistics of its columns, their distributions, correlations.

What needs pandas and matplotlib is in `analysis.py`, which only a running job imports.
"""

from __future__ import annotations

from typing import Annotated

from app_runner.plugin_api import (
    FileInput,
    InputFile,
    Integer,
    Output,
    Plugin,
    Task,
    Text,
    Upload,
    UploadedFile,
    given_file,
)

plugin = Plugin(
    "table-profile",
    "1.0.0",
    title="Table profile",
    tags=["table", "statistics", "plot"],
    requirements="pandas>=2.2\nmatplotlib>=3.10\nopenpyxl>=3.1\npyarrow>=18.0",
)
TABLES = [
    "text/csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/json",
    "application/x-lines+json",
    "application/vnd.apache.parquet",
]


@plugin.processor(
    outputs=[
        Output("statistics.csv", "entity/list", "text/csv"),
        Output("distributions.png", "custom/plot", "image/png"),
        Output("correlations.csv", "entity/list", "text/csv", required=False),
        Output("correlations.png", "custom/plot", "image/png", required=False),
    ]
)
def profile(
    task: Task,
    table: Annotated[
        InputFile | None,
        FileInput(content_types=TABLES, help="CSV, Excel, JSON or Parquet."),
    ] = None,
    own: Annotated[UploadedFile | None, Upload(label="Or a file of your own")] = None,
    sheet: Annotated[
        str | None,
        Text(max_length=31, help="Of a workbook; the first one if left empty."),
    ] = None,
    bins: Annotated[int, Integer(min=2, max=200, help="Bars of each histogram.")] = 20,
) -> str:
    """Profile a table: statistics of each column, histograms, and correlations.

    Missing cells are counted and left out. Correlations (Pearson) need two columns of
    numbers.
    """
    from . import analysis

    task.progress(0, 4, "parts")
    frame = given_file(table, own).frame(sheet)
    task.progress(1, 4, "parts")
    task.save("statistics.csv", analysis.statistics(frame))
    task.progress(2, 4, "parts")
    task.save("distributions.png", analysis.distributions(frame, bins))
    task.progress(3, 4, "parts")
    correlations = analysis.correlations(frame)
    if correlations is not None:
        task.save("correlations.csv", correlations.rename_axis("ID"))
        task.save("correlations.png", analysis.heat_map(correlations))
    task.progress(4, 4, "parts")
    return f"{len(frame)} rows, {len(frame.columns)} columns"
