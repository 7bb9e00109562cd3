"""Finds clusters in a table with k-means, and draws them.

What needs scikit-learn is in `clustering.py`, which only a running job imports.
"""

from __future__ import annotations

from typing import Annotated

from app_runner.plugin_api import (
    Boolean,
    FileInput,
    Input,
    InputFile,
    Integer,
    Output,
    Plugin,
    Task,
    Upload,
    UploadedFile,
    given_file,
)

plugin = Plugin(
    "k-means",
    "1.0.0",
    title="k-means clusters",
    tags=["table", "clustering", "plot"],
    requirements="scikit-learn>=1.6\npandas>=2.2\nmatplotlib>=3.10",
)
TABLES = ["text/csv", "application/json", "application/x-lines+json"]


@plugin.processor(
    outputs=[
        Output("clusters.csv", "entity/list", "text/csv"),
        Output("centres.csv", "entity/list", "text/csv"),
        Output("clusters.png", "custom/plot", "image/png"),
    ]
)
def find_clusters(
    task: Task,
    table: Annotated[
        InputFile | None, FileInput(data_type="entity/list", content_types=TABLES)
    ] = None,
    own: Annotated[UploadedFile | None, Upload(label="Or a file of your own")] = None,
    clusters: Annotated[
        int, Integer(min=1, max=100, help="How many clusters to find.")
    ] = 3,
    columns: Annotated[
        list[str], Input(help="Columns of numbers; **all** of them if left empty.")
    ] = [],  # noqa: B006 - shown in the form, never changed
    scale: Annotated[bool, Boolean(help="Give all columns the same weight.")] = True,
    seed: Annotated[
        int, Integer(min=0, max=2**32 - 1, help="The same seed, the same clusters.")
    ] = 0,
) -> str:
    """Find clusters of rows that lie close together, with k-means.

    The result is the table with the column `cluster`, the centres, and a scatter plot: of
    the two columns, or of the two main directions (PCA) when there are more.
    """
    from . import clustering

    frame = given_file(table, own).frame()
    numbers = clustering.numbers_of(frame, columns)
    if left_out := len(frame) - len(numbers):
        task.log(f"{left_out} rows have missing values and are left out")
    task.progress(30)
    found = clustering.fit(numbers, clusters, scale, seed)
    task.progress(70)
    task.save("clusters.csv", frame.loc[numbers.index].assign(cluster=found.labels))
    task.save("centres.csv", found.centres)
    task.save("clusters.png", clustering.scatter_plot(numbers, found))
    task.progress(100)
    return f"{clusters} clusters of {len(numbers)} rows, inertia {found.inertia:.6g}"
