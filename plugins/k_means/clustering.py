"""The computing: pandas, scikit-learn and matplotlib."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from app_runner.plugin_api import UserError

MOST_CELLS = 20_000_000
MOST_POINTS = 20_000  # that are drawn


@dataclass
class Clusters:
    """What was found; ``centres`` are in the units of the table."""

    labels: object
    centres: pd.DataFrame
    inertia: float


def numbers_of(frame, columns):
    """Give the chosen columns (or all of numbers) without rows that lack one."""
    if unknown := [name for name in columns if name not in frame.columns]:
        known = ", ".join(frame.columns)
        raise UserError(f"There is no column {unknown[0]!r}; there are: {known}.")
    if "cluster" in frame.columns:
        raise UserError("The table has a column “cluster” already; rename it first.")
    numeric = frame.select_dtypes("number").columns
    if words := [name for name in columns if name not in numeric]:
        raise UserError(f"Column {words[0]!r} does not hold numbers only.")
    chosen = list(dict.fromkeys(columns)) or [name for name in numeric if name != "ID"]
    if not chosen:
        raise UserError("The table has no column of numbers.")
    numbers = frame[chosen].astype(float)
    numbers = numbers[numbers.abs().lt(float("inf")).all(axis=1)]
    if numbers.size > MOST_CELLS:
        raise UserError(f"The table has more than {MOST_CELLS:,} numbers.")
    return numbers


def fit(numbers, clusters, scale, seed):
    """Find the clusters; raises `UserError` where there cannot be so many."""
    distinct = len(numbers.drop_duplicates())
    if distinct < clusters:
        raise UserError(
            f"{clusters} clusters need as many different rows; the table has {distinct}."
        )
    scaler = StandardScaler(with_mean=scale, with_std=scale)
    values = scaler.fit_transform(numbers.to_numpy())
    model = KMeans(clusters, n_init=10, random_state=seed).fit(values)
    centres = pd.DataFrame(
        scaler.inverse_transform(model.cluster_centers_), columns=numbers.columns
    )
    centres.insert(0, "ID", range(clusters))
    centres["size"] = pd.Series(model.labels_).value_counts().sort_index()
    return Clusters(model.labels_, centres, float(model.inertia_))


def scatter_plot(numbers, found):
    """Draw the rows in the plane, coloured by cluster, and the centres."""
    names = list(numbers.columns)
    points, centres = numbers.to_numpy(), found.centres[names].to_numpy()
    axes_names = names
    if len(names) > 2:
        scaler, pca = StandardScaler().fit(points), PCA(2)
        points = pca.fit_transform(scaler.transform(points))
        centres = pca.transform(scaler.transform(centres))
        axes_names = ["first main direction", "second main direction"]
    elif len(names) == 1:
        points, centres = [[(row[0], 0) for row in rows] for rows in (points, centres)]
        axes_names = [names[0], ""]
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot(xlabel=axes_names[0], ylabel=axes_names[1])
    every = max(1, len(points) // MOST_POINTS)
    (x, y), labels = zip(*points[::every], strict=True), found.labels[::every]
    axes.scatter(x, y, c=labels, cmap="viridis", s=14, alpha=0.8)
    axes.scatter(*zip(*centres, strict=True), marker="X", c="#b3161f", s=90)
    return figure
