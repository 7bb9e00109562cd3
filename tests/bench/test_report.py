"""The arithmetic of the bench: medians, ratios of rounds, targets, the table."""

import json

import pytest

from app_runner.bench.report import Row, Target, as_json, number, table


def test_figure_is_the_median_of_the_rounds() -> None:
    assert Row("x", "ms", [9.0, 1.0, 2.0]).figure == 2.0


def test_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    # The second round was slow for both sides: it must not look like a difference.
    assert Row("x", "r/s", [90.0, 9.0, 80.0], [100.0, 10.0, 100.0]).ratio == 0.9


def test_without_a_reference_there_is_no_ratio() -> None:
    assert Row("x", "ms", [1.0]).ratio is None


def test_rounds_of_both_sides_belong_together() -> None:
    with pytest.raises(ValueError, match="zip"):
        _ = Row("x", "ms", [1.0], [1.0, 2.0]).ratio


@pytest.mark.parametrize(
    ("target", "ours", "holds"),
    [
        (Target("at least", 0.9), 90.0, True),
        (Target("at least", 0.9), 89.0, False),
        (Target("at most", 1.5), 150.0, True),
        (Target("at most", 1.5), 151.0, False),
        (Target("at most", 3.0, on="figure"), 3.0, True),
        (Target("at most", 3.0, on="figure"), 3.1, False),
    ],
)
def test_a_target_holds_up_to_its_bound(target: Target, ours: float, holds: bool) -> None:
    assert Row("x", "ms", [ours], [100.0], target).holds is holds


def test_a_row_without_target_neither_holds_nor_fails() -> None:
    assert Row("x", "ms", [1.0], [1.0]).holds is None


def test_a_target_on_a_ratio_does_not_hold_without_a_reference() -> None:
    assert Row("x", "ms", [1.0], target=Target("at most", 2.0)).holds is False


def test_table_names_figures_target_and_verdict() -> None:
    target = Target("at least", 0.6)
    text = table([Row("tasks", "tasks/s", [50.0], [100.0], target, cpu=[1.0, 1.5, 9.0])])
    last = [cell.strip() for cell in text.splitlines()[-1].strip("|").split("|")]
    assert last == ["tasks", "tasks/s", "100", "50", "0.50", "1.50", ">= 0.6", "NO"]


def test_all_lines_of_the_table_are_equally_wide() -> None:
    rows = [Row("a long name", "ms", [1.0]), Row("b", "requests/s", [12345.0])]
    assert len({len(line) for line in table(rows).splitlines()}) == 1


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (1234.5, "1234"), (0.01234, "0.0123"), (2.0, "2")]
)
def test_figures_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_json_has_every_round_ratio_and_verdict() -> None:
    row = Row("x", "ms", [3.0, 1.0], [2.0, 2.0], Target("at most", 1.5))
    document = json.loads(as_json([row], {"cores": 2}))
    assert document["machine"] == {"cores": 2}
    (written,) = document["rows"]
    assert written["runner"] == [3.0, 1.0]
    assert written["ratio"] == 1.0
    assert written["holds"] is True
