"""Sides measured in turns, so that what disturbs the machine disturbs both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from .report import Row, Target
from .sides import Side

T = TypeVar("T")

MEGABYTE = 1e6
MILLISECOND = 1e-3


@dataclass(frozen=True, slots=True)
class Sample:
    """What one turn gave: its figure, and the side's CPU seconds per unit of work."""

    figure: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Work:
    """What one turn did: its figure, its units of work, and what is to be checked."""

    figure: float
    units: int
    check: Callable[[], None] = lambda: None


def in_turns(rounds: int, *turns: Callable[[], T]) -> list[list[T]]:
    """Take each turn once per round, every other round backwards; give the figures."""
    figures: list[list[T]] = [[] for _ in turns]
    for number in range(rounds):
        order = list(range(len(turns)))
        for at in order if number % 2 == 0 else reversed(order):
            figures[at].append(turns[at]())
    return figures


def metered(side: Side, url: str, one: Callable[[str], Work]) -> Callable[[], Sample]:
    """Make a turn of a measure; what it has to check costs neither time nor CPU."""

    def turn() -> Sample:
        before = side.cpu_seconds()
        work = one(url)
        used = side.cpu_seconds() - before
        work.check()
        return Sample(work.figure, used / work.units)

    return turn


def row(
    name: str, unit: str, runner: list[Sample], reference: list[Sample], target: Target
) -> Row:
    """Make a row of the samples of both sides."""
    pairs = zip(runner, reference, strict=True)
    cpu = [own.cpu / its.cpu for own, its in pairs if its.cpu]
    ours, theirs = ([each.figure for each in samples] for samples in (runner, reference))
    return Row(name, unit, ours, theirs, target, cpu)
