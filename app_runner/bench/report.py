"""The arithmetic of the bench and its table: medians, ratios, targets, the machine."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

COLUMNS = ("measure", "unit", "floor", "runner", "ratio", "cpu", "target", "holds")
PACKAGES = ("flask", "celery", "gunicorn", "redis", "sqlalchemy", "flask-smorest")


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a ratio or on the runner's own figure."""

    sense: Literal["at least", "at most"]
    bound: float
    on: Literal["ratio", "figure"] = "ratio"

    def holds(self, value: float) -> bool:
        """Tell whether `value` keeps the bound."""
        return value >= self.bound if self.sense == "at least" else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.sense == 'at least' else '<='} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured in each round, and its target.

    `reference` and `runner` hold one figure per round, taken in turns; `reference` is
    empty for figures that have nothing to be compared with.
    """

    name: str
    unit: str
    runner: Sequence[float]
    reference: Sequence[float] = field(default=())
    target: Target | None = None
    # CPU time per unit of work, runner/reference, per round: what neighbours on the
    # machine do hardly changes it, so it tells noise from cost.
    cpu: Sequence[float] = field(default=())

    @property
    def figure(self) -> float:
        """The runner's median."""
        return statistics.median(self.runner)

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios (a slow round is slow for both)."""
        if not self.reference:
            return None
        pairs = zip(self.runner, self.reference, strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    @property
    def holds(self) -> bool | None:
        """Whether the target is kept; None when there is none."""
        if self.target is None:
            return None
        value = self.ratio if self.target.on == "ratio" else self.figure
        return value is not None and self.target.holds(value)

    def cells(self) -> tuple[str, ...]:
        """Give the texts of the table's columns."""
        reference = statistics.median(self.reference) if self.reference else None
        verdict = {None: "", True: "yes", False: "NO"}[self.holds]
        target = "" if self.target is None else str(self.target)
        return (
            self.name,
            self.unit,
            number(reference),
            number(self.figure),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            f"{statistics.median(self.cpu):.2f}" if self.cpu else "",
            target,
            verdict,
        )


def number(value: float | None) -> str:
    """Write a figure with three significant digits, or nothing for None."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: Sequence[Row]) -> str:
    """Give the rows as an aligned Markdown table."""
    lines = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS))]
    texts = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])


def machine(redis: str) -> dict[str, Any]:
    """Give what the figures depend on; `redis` says which server is used."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
        "redis": redis,
        "packages": {name: version(name) for name in PACKAGES},
    }


def processor() -> str:
    """Give the processor's model name, or its architecture where that is not known."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1] for line in text.splitlines() if "model name" in line]
    return names[0].strip() if names else platform.machine()


def as_json(rows: Sequence[Row], facts: dict[str, Any]) -> str:
    """Give rows (figures, ratio, verdict) and facts as a JSON document."""
    measured = [{**asdict(row), "ratio": row.ratio, "holds": row.holds} for row in rows]
    return json.dumps({"machine": facts, "rows": measured}, indent=2)
