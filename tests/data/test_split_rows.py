"""Rows that are split without the csv module are those that it finds."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from app_runner.data.tables import DEFAULT_DIALECT, split_rows

CELLS = st.lists(
    st.sampled_from(["a", " ", '"', ",", '","', "\n", "\r\n", "ä", '"\r\n"'])
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(CELLS.map("".join), min_size=width, max_size=width), min_size=1
    )
)
PIECES = st.sampled_from(['"', ",", "\n", "\r\n", "x", ""])


def written(rows: list[list[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, DEFAULT_DIALECT).writerows(rows)
    return text.getvalue()


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), DEFAULT_DIALECT, strict=True))


def split(text: str, width: int) -> list[list[str]] | None:
    rows = split_rows(text, width)
    return None if rows is None else [list(row) for row in rows]


@given(TABLES, st.integers(0), PIECES)
def test_what_was_damaged_is_not_taken_for_something_else(
    rows: list[list[str]], place: int, piece: str
) -> None:
    text = written(rows)
    place %= len(text)
    damaged = text[:place] + piece + text[place + 1 :]
    found = split(damaged, len(rows[0]))
    if found is not None:
        assert found == read(damaged)


@given(TABLES)
def test_no_cell_is_changed(rows: list[list[str]]) -> None:
    found = split(written(rows), len(rows[0]))
    assert found in (None, rows)


def test_quotes_inside_cells_are_split_too() -> None:
    plain = [[str(number), "", "text"] for number in range(9)]
    odd = [['a "b", c', '"', ""], ["", 'x","y', "two\nlines"]]
    rows = [*plain, odd[0], *plain, odd[1]]
    assert split(written(rows), 3) == rows


def test_a_text_of_quotes_is_left_to_the_csv_module() -> None:
    text = written([['"' * 50, "a"]])
    assert split(text, 2) is None


def test_what_is_no_table_is_left_to_the_csv_module() -> None:
    for text in ('"a","b"', '"a,"b"\r\n', 'a"b","c"\r\n', '"a","b"\r\n"c"\r\n', '"'):
        assert split(text, 2) is None
