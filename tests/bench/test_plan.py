"""The order of the turns, and what a plugin costs as a difference of two starts."""

import pytest

from app_runner.bench.plan import per_plugin
from app_runner.bench.report import Target
from app_runner.bench.scene import FEW, MANY
from app_runner.bench.turns import Sample, in_turns, row


def test_each_side_has_one_figure_per_round() -> None:
    figures = in_turns(3, lambda: 1.0, lambda: 2.0)
    assert figures == [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]


def test_who_begins_changes_from_round_to_round() -> None:
    order: list[str] = []

    def turn(name: str) -> float:
        order.append(name)
        return 0.0

    in_turns(2, lambda: turn("floor"), lambda: turn("runner"))
    assert order == ["floor", "runner", "runner", "floor"]


def test_cpu_time_is_compared_per_unit_of_work() -> None:
    ours, floor = [Sample(50.0, 0.003)], [Sample(100.0, 0.002)]
    made = row("tasks", "tasks/s", ours, floor, Target("at least", 0.6))
    assert made.ratio == 0.5
    assert list(made.cpu) == pytest.approx([1.5])


def test_cost_of_a_plugin_is_the_difference_by_the_plugins_added() -> None:
    few = {"create_app": 0.1, "modules": FEW}
    many = {"create_app": 0.1 + 0.002 * (MANY - FEW), "modules": MANY}
    assert per_plugin(few, many, "create_app") == pytest.approx(2.0)


def test_a_start_that_did_not_import_all_plugins_does_not_count() -> None:
    starts = {"create_app": 0.1, "modules": FEW}, {"create_app": 0.2, "modules": FEW}
    with pytest.raises(ValueError, match="0 modules"):
        per_plugin(*starts, "create_app")
