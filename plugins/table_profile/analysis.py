"""What is computed and drawn: pandas and matplotlib, without the runner."""

import math

import pandas as pd
from matplotlib.figure import Figure

#: Columns that are drawn; more would be too small to be read.
MOST_DRAWN, MOST_CORRELATED = 16, 30
MOST_BARS = 10
COLOUR = "#0b57c4"


def statistics(frame):
    """Give a row of statistics for each column."""
    return [describe(name, frame[name]) for name in frame.columns]


def describe(name, column):
    """Describe one column; what does not apply to its kind is empty."""
    present = column.dropna()
    known = {
        "ID": name,
        "type": kind_of(column),
        "count": len(present),
        "missing": len(column) - len(present),
        "distinct": present.astype(str).nunique(),
    }
    numbers = dict.fromkeys(("mean", "std", "min", "q25", "median", "q75", "max"), "")
    if len(present) and is_number(column):
        told = present.astype(float).describe()
        numbers = {
            **dict.fromkeys(numbers, ""),
            "mean": told["mean"],
            "std": "" if math.isnan(told["std"]) else told["std"],
            "min": told["min"],
            "q25": told["25%"],
            "median": told["50%"],
            "q75": told["75%"],
            "max": told["max"],
        }
    most = present.astype(str).value_counts().head(1)
    return {**known, **numbers, "most_frequent": most.index[0] if len(most) else ""}


def kind_of(column):
    """Say in a word what a column holds."""
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    return "number" if is_number(column) else "text"


def is_number(column):
    """Tell whether a column holds numbers; truth values are none."""
    types = pd.api.types
    return types.is_numeric_dtype(column) and not types.is_bool_dtype(column)


def distributions(frame, bins):
    """Draw histograms of numbers, and the most frequent values of all else."""
    names = list(frame.columns)[:MOST_DRAWN]
    wide = min(len(names), 4)
    high = math.ceil(len(names) / wide)
    figure = Figure(figsize=(3.2 * wide, 2.6 * high), layout="constrained")
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(high, wide, place, title=shortened(name))
        present = frame[name].dropna()
        if is_number(present):
            values = present.astype(float)
            axes.hist(values[values.abs() < math.inf], bins=bins, color=COLOUR)
        else:
            most = present.astype(str).value_counts().head(MOST_BARS)[::-1]
            axes.barh([shortened(value) for value in most.index], most, color=COLOUR)
    return figure


def correlations(frame):
    """Give the correlations of all columns of numbers, None for fewer than two.

    A column ``ID`` names the rows, and is not correlated with anything.
    """
    columns = [name for name in frame.columns if name != "ID"]
    numbers = [name for name in columns if is_number(frame[name])]
    if len(numbers) < 2:
        return None
    return frame[numbers[:MOST_CORRELATED]].astype(float).corr()


def heat_map(table):
    """Draw correlations from -1 to 1, with their values where there is room."""
    names = [shortened(name) for name in table.columns]
    size = max(4.0, 0.6 * len(names) + 2)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.add_subplot(title="Correlations")
    image = axes.imshow(table, vmin=-1, vmax=1, cmap="RdBu_r")
    figure.colorbar(image)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    if len(names) <= 12:
        for row, values in enumerate(table.to_numpy()):
            for column, value in enumerate(values):
                colour = "white" if abs(value) > 0.6 else "black"
                axes.text(column, row, f"{value:.2f}", ha="center", color=colour)
    return figure


def shortened(text):
    """Give a text that fits into a plot; ``$`` would begin a formula."""
    text = str(text).replace("$", r"\$")
    return text if len(text) <= 24 else f"{text[:23]}…"
