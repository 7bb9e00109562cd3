"""Tables become data frames, or the reason says what is wrong and where."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pandas
import pytest

from app_runner.data.frames import EXCEL, PARQUET, kind_of, load_frame
from app_runner.errors import UserError

ROWS = pandas.DataFrame({"n": [1, 2], "s": ["a", "ü"]})
TEXTS = {
    "text/csv": "n,s\r\n1,a\r\n2,ü\r\n",
    "application/json": '[{"n": 1, "s": "a"}, {"n": 2, "s": "ü"}]',
    "application/x-lines+json": '{"n": 1, "s": "a"}\n{"n": 2, "s": "ü"}\n',
}


def packed(kind: str, rows: Any = ROWS) -> bytes:
    file = io.BytesIO()
    if kind == EXCEL:
        rows.to_excel(file, index=False, sheet_name="One")
    else:
        rows.to_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize("kind", [*TEXTS, EXCEL, PARQUET])
def test_every_kind_gives_the_same_rows(kind: str) -> None:
    content = TEXTS[kind].encode() if kind in TEXTS else packed(kind)
    read = load_frame(io.BytesIO(content), kind)
    assert read.to_dict("records") == ROWS.to_dict("records")
    assert pandas.api.types.is_integer_dtype(read["n"])


def test_charset_byte_order_mark_and_sheet_are_minded() -> None:
    latin = io.BytesIO("s\nü\n".encode("latin-1"))
    assert list(load_frame(latin, "text/csv; charset=latin-1")["s"]) == ["ü"]
    marked = io.BytesIO("s\nü\n".encode("utf-8-sig"))
    assert list(load_frame(marked, "text/csv").columns) == ["s"]
    assert len(load_frame(io.BytesIO(packed(EXCEL)), EXCEL, sheet="One")) == 2


def test_a_general_type_is_told_apart_by_the_name() -> None:
    assert kind_of("application/octet-stream", "a.XLSX") == EXCEL
    assert kind_of("application/vnd.ms-excel", "a.csv") == "text/csv"
    with pytest.raises(UserError, match="image/png"):
        kind_of("image/png", "a.png")


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"\0" * 2**28)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"a,b\n1,2\n3\n", "text/csv", r"Line 3, column 2 \(b\): The row has 1 cells"),
        (b"a\n\xff\n", "text/csv", "Line 2.*not utf-8"),
        (b"a,b\n", "text/csv", "table is empty"),
        (b"", "text/csv", "table is empty"),
        (b"[{]", "application/json", "Line 1, column 3"),
        (b'[{"a": 1}, 2]', "application/json", "rows must be objects"),
        (b"no", EXCEL, "archive is broken"),
        (packed(EXCEL)[:-200], EXCEL, "archive is broken"),
        (bomb(), EXCEL, "packed too tightly"),
        (b"PAR1 no PAR1", PARQUET, "no Parquet"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, kind: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_frame(io.BytesIO(content), kind)


def test_a_sheet_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UserError, match="“Two”; there are: One"):
        load_frame(io.BytesIO(packed(EXCEL)), EXCEL, sheet="Two")
