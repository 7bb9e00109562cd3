"""Entities go to JSON, JSON lines and CSV and come back, from every kind of file."""

from __future__ import annotations

import csv
import io
import json
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple, cast

import pytest
import requests
from hypothesis import assume, given
from hypothesis import strategies as st

from app_runner.data.entities import (
    ArrayEntity,
    EntityTupleMixin,
    NotAnEntity,
    UnreadableEntities,
    array_to_entity,
    ensure_array,
    ensure_dict,
    entity_attribute_sort_key,
    entity_class,
    load_entities,
    save_entities,
)

JSON, LINES, CSV = "application/json", "application/X-lines+json", "text/csv"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
#: Cells that make CSV hard.
CELL = st.one_of(TEXT, st.sampled_from(['"', '""', ",", "\r\n", '","', '"\r\n"', "\n,"]))
JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ENTITIES = st.lists(st.dictionaries(TEXT, JSON_VALUE, max_size=4), max_size=6)


class InPieces:
    """A file whose every read gives ``size`` bytes or characters at most."""

    def __init__(self, content: Any, size: int) -> None:
        self.content, self.size = content, size

    def read(self, size: int = -1) -> Any:
        given, self.content = self.content[: self.size], self.content[self.size :]
        return given


class Plain(NamedTuple):
    """A row whose attributes are in another order than the columns."""

    b: str
    a: str


def as_response(content: bytes) -> requests.Response:
    response = requests.Response()
    response.raw = io.BytesIO(content)
    response.status_code = 200
    return response


def saved(entities: Any, mimetype: str, **options: Any) -> bytes:
    file = io.BytesIO()
    save_entities(entities, file, mimetype, **options)
    return file.getvalue()


def csv_rows(text: str | bytes, mimetype: str = CSV, **options: Any) -> list[Any]:
    source: IO[Any] = (
        io.BytesIO(text) if isinstance(text, bytes) else io.StringIO(text, newline="")
    )
    return list(load_entities(source, mimetype, **options))


@given(ENTITIES, st.sampled_from([JSON, LINES]), st.integers(1, 40))
def test_json_comes_back_whatever_pieces_it_comes_in(
    entities: list[dict[str, Any]], mimetype: str, size: int
) -> None:
    file: Any = InPieces(saved(entities, mimetype), size)
    assert list(load_entities(file, mimetype)) == entities


@given(st.lists(JSON_VALUE, max_size=4), st.integers(1, 9), st.sampled_from([None, 1]))
def test_any_json_array_is_read_as_json_reads_it(
    values: list[Any], size: int, indent: int | None
) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    file: Any = InPieces(text, size)
    assert list(load_entities(file, JSON)) == values


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8
        )
    ),
    st.integers(1, 60),
)
def test_csv_comes_back_whatever_its_cells_hold(rows: list[list[str]], size: int) -> None:
    attributes = [f"a{i}" for i in range(len(rows[0]))]
    content = saved([dict(zip(attributes, r, strict=True)) for r in rows], CSV,
                    attributes=attributes)  # fmt: skip
    file: Any = InPieces(content, size)
    loaded = list(load_entities(file, CSV))
    assert [list(row) for row in loaded] == rows
    assert saved(loaded, CSV, attributes=attributes) == content


@given(
    st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=8),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 60),
)
def test_csv_of_other_programs_is_read_as_the_csv_module_reads_it(
    rows: list[list[str]], quoting: Any, end: str, size: int
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=end).writerows([["a", "b"], *rows])
    read = [row for row in csv.reader(io.StringIO(text.getvalue(), newline="")) if row]
    assume({len(row) for row in read} == {2})  # the module forgets quotes for some ends
    file: Any = InPieces(text.getvalue(), size)
    assert [list(row) for row in load_entities(file, CSV)] == read[1:]


def test_long_tables_come_back_with_a_quote_in_some_rows() -> None:
    rows = [(str(i), 'a "word"' if i % 5000 == 0 else "word" * 5) for i in range(20_000)]
    content = saved(rows, CSV, attributes=["n", "text"])
    assert csv_rows(content) == rows
    plain = "n,text\n" + "".join(f"{n},{i}\n" for i, (n, _) in enumerate(rows))
    assert csv_rows(plain)[12_345] == ("12345", "12345")


def test_csv_has_every_cell_quoted_and_ends_rows_with_crlf() -> None:
    rows = [{"ID": 1, "href": None}, {"ID": "é,", "href": 'say "x"'}]
    content = saved(rows, CSV, attributes=["ID", "href"])
    assert content == '"ID","href"\r\n"1",""\r\n"é,","say ""x"""\r\n'.encode()


def test_json_is_an_array_with_an_entity_a_line() -> None:
    assert saved([{"a": 1}, {"a": 2}], JSON) == b'[\n{"a": 1},\n{"a": 2}\n]\n'
    assert saved([], JSON) == b"[]\n"
    assert saved([{"a": 1}, {"a": 2}], LINES) == b'{"a": 1}\n{"a": 2}\n'


@pytest.mark.parametrize("mimetype", [JSON, LINES, CSV])
@pytest.mark.parametrize("mode", ["w+", "w+b"])
@pytest.mark.parametrize("opened", ["file", "spooled"])
def test_files_in_text_and_binary_mode_are_taken(
    mimetype: str, mode: str, opened: str, tmp_path: Path
) -> None:
    make: dict[str, Callable[[], Any]] = {
        "file": lambda: (tmp_path / "x").open(mode),
        "spooled": lambda: SpooledTemporaryFile(mode=mode),  # noqa: SIM115
    }
    with make[opened]() as file:
        save_entities([{"ID": "ä"}], file, mimetype, attributes=["ID"])
        file.seek(0)
        assert list(ensure_dict(load_entities(file, mimetype))) == [{"ID": "ä"}]
        assert not file.closed


@pytest.mark.parametrize("mimetype", [JSON, LINES, CSV])
def test_responses_are_taken_also_when_their_body_was_read_before(mimetype: str) -> None:
    response = as_response(saved([{"ID": "ä"}], mimetype, attributes=["ID"]))
    if mimetype == CSV:
        assert response.content
    assert list(ensure_dict(load_entities(response, mimetype))) == [{"ID": "ä"}]


def test_parameters_of_a_media_type_are_understood() -> None:
    assert csv_rows(b"\xef\xbb\xbfa\r\n1\r\n", "Text/CSV; charset=UTF-8") == [("1",)]
    assert csv_rows("a\nä\n".encode("latin-1"), "text/csv;charset=latin-1") == [("ä",)]
    assert csv_rows("a\nä\n".encode("utf-16"), 'text/csv; charset="utf-16"') == [("ä",)]


@pytest.mark.parametrize("mimetype", ["text/plain", "csv", "", None])
def test_other_media_types_are_refused_at_once(mimetype: Any) -> None:
    with pytest.raises(UnreadableEntities, match="are not supported in"):
        load_entities(io.StringIO(), mimetype)
    with pytest.raises(UnreadableEntities, match="are not supported in"):
        save_entities([], io.StringIO(), mimetype)


def test_rows_are_named_tuples_also_with_names_that_python_does_not_take() -> None:
    (row,) = csv_rows('ID,class,two words,get,""\r\n1,2,3,4,5\r\n')
    assert issubclass(type(row), EntityTupleMixin)
    assert row.entity_attributes == ("ID", "class", "two words", "get", "")
    assert row._fields == ("ID", "_1", "_2", "get", "_4")
    assert (row.ID, row.get("class"), row.get("two words"), row.get("get")) == tuple(
        "1234"
    )
    assert (row.get("none"), row.get("none", 7), row.get(0)) == (None, 7, "1")
    assert row.as_dict() == dict(zip(row.entity_attributes, "12345", strict=True))
    assert type(row)._make("abcde").get("class") == "b"
    assert pickle.loads(pickle.dumps(row)) == row  # noqa: S301
    assert type(csv_rows('ID,class,two words,get,""\r\n1,2,3,4,5\r\n')[0]) is type(row)


def test_rows_are_made_by_what_is_given_and_headers_can_be_changed() -> None:
    assert csv_rows("a,b\n1,2\n", tuple_=list) == [["1", "2"]]
    (row,) = csv_rows("a,b\n1,2\n", process_csv_header=lambda h: [n.upper() for n in h])
    assert row.A == "1"
    assert csv_rows("a;b\n1;2\n", csv_dialect="excel-tab") == [("1;2",)]
    with pytest.raises(ValueError, match="as many names"):
        csv_rows("a,b\n1,2\n", process_csv_header=lambda h: ["a"])
    with pytest.raises(ValueError, match="no CSV dialect"):
        csv_rows("a,b\n", csv_dialect="none")


FAULTS = {
    "a,b\n1,2\n3\n": (3, 2, "b"),
    "a,b\n1,2\n\n3,4,5\n": (4, 3, None),
    'a,b\n"1","2"x\n': (2, 2, "b"),
    'a,b\n1,2\n3,"4\n5\n6': (3, 2, "b"),
    'a,b\n"1\n1","2\n2"x,3': (4, 2, "b"),
    'a,"b': (1, 2, None),
    "": (1, None, None),
    "\n\n": (1, None, None),
}


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("text", FAULTS)
def test_unreadable_csv_is_told_by_line_and_column(text: str, size: int) -> None:
    file: Any = InPieces(text, size)
    with pytest.raises(UnreadableEntities) as caught:
        list(load_entities(file, CSV))
    error = caught.value
    assert (error.line, error.column, error.attribute) == FAULTS[text]
    assert f"ine {error.line}" in str(error)


def test_a_fault_far_down_is_told_too() -> None:
    content = saved([(str(i), "x" * 30) for i in range(9000)], CSV, attributes=["a", "b"])
    with pytest.raises(UnreadableEntities) as caught:
        csv_rows(content + b'"1","2","3"\r\n')
    assert (caught.value.line, caught.value.column) == (9002, 3)
    with pytest.raises(UnreadableEntities, match=r"9002, column 2 \(b\).*not utf-8"):
        csv_rows(content + b'"1","ab\xff"\r\n')


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('[{"a": 1}\n{"b": 2}]', 2, 1),
        ('[{"a": 1},\n {"b": x}]', 2, 8),
        ('[{"a": 1},\n]', 2, 1),
        ('[\n{"a": "never closed', 2, 7),
        ('{"a": 1} more', 1, 10),
        ("[1, 2", 1, 6),
        ("", 1, 1),
    ],
)
def test_unreadable_json_is_told_by_line_and_column(
    text: str, line: int, column: int, size: int
) -> None:
    file: Any = InPieces(text, size)
    with pytest.raises(UnreadableEntities) as caught:
        list(load_entities(file, JSON))
    assert (caught.value.line, caught.value.column) == (line, column)


def test_other_unreadable_json_is_told_in_words() -> None:
    for content, mimetype, said in [
        (b"[" * 100_000, JSON, "nested too deep"),
        (b'{"a":' * 100_000, LINES, "nested too deep"),
        (b"[" + b"9" * 5000 + b"]", JSON, "digits"),
        (b'{"a": 1}\n{"a" 1}', LINES, "Line 2, column 6"),
        (b'["a",\n"\xff"]', JSON, "Line 2.*not utf-8"),
        (b"[]", f"{JSON}; charset=none", "no charset"),
        (b"[]", f"{JSON}; charset=hex", "no charset"),
    ]:
        with pytest.raises(UnreadableEntities, match=said):
            list(load_entities(io.BytesIO(content), mimetype))


@given(st.text(max_size=60), st.integers(1, 70))
def test_whatever_the_text_reading_gives_rows_or_says_why_not(
    text: str, size: int
) -> None:
    for mimetype in (CSV, JSON, LINES):
        file: Any = InPieces(text, size)
        try:
            list(load_entities(file, mimetype))
        except UnreadableEntities as error:
            assert str(error)  # noqa: PT017 - most of them are unreadable, some are not


def test_attributes_are_sorted_with_those_of_all_entities_first() -> None:
    found = sorted(["b", "href", "a", "ID"], key=entity_attribute_sort_key)
    assert found == ["ID", "href", "a", "b"]


def test_columns_are_found_by_name() -> None:
    other = entity_class(["b", "a"])._make("21")
    plain = Plain("2", "1")
    for entity in ({"a": "1", "b": "2"}, other, plain, ("1", "2"), ["1", "2"]):
        assert saved([entity], CSV, attributes=["a", "b"]).endswith(b'"1","2"\r\n')
    assert saved([{"a": 1}], CSV, attributes=["a", "b"]).endswith(b'"1",""\r\n')
    made = saved([{"a": 1}], CSV, attributes=["a", "b"], tuple_=lambda a: (a, a + 1))
    assert made.endswith(b'"1","2"\r\n')


def test_what_does_not_fit_the_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="'c': not among"):
        saved([{"a": 1, "c": 2}], CSV, attributes=["a"])
    with pytest.raises(ValueError, match="2 values"):
        saved([(1, 2, 3)], CSV, attributes=["a", "b"])
    with pytest.raises(ValueError, match="needs the attributes"):
        saved([], CSV)
    with pytest.raises(NotAnEntity, match="str is no entity"):
        saved(["ab"], CSV, attributes=["a", "b"])
    with pytest.raises(NotAnEntity, match="str is no entity"):
        list(ensure_dict(["ab"]))


def test_entities_become_arrays() -> None:
    entity = {"ID": "x", "href": "h", "b": "2", "a": 1.5, "c": "no", "d": True}
    assert list(ensure_array([entity])) == [ArrayEntity("x", "h", [1.5, 2, None, True])]
    row = entity_class(["ID", "b", "a"])._make(["y", "1e3", "-4"])
    assert list(ensure_array([row])) == [ArrayEntity("y", None, [1000.0, -4])]
    (array,) = ensure_array([entity])
    assert list(ensure_array([array])) == [array]
    with pytest.raises(ValueError, match="'no' in attribute 'c'"):
        list(ensure_array([entity], strict=True))


def test_arrays_become_entities() -> None:
    array = ArrayEntity("x", None, list(range(11)))
    (entity,) = array_to_entity([array], prefix="d", suffix="_")
    assert entity.entity_attributes[:4] == ("ID", "href", "d00_", "d01_")
    assert entity.get("d10_") == 10
    assert list(array_to_entity([array], tuple_=tuple)) == [("x", None, *range(11))]


class Endless(io.RawIOBase):
    """A file of ``size`` bytes that are made while it is read."""

    def __init__(self, row: bytes, size: int) -> None:
        self.block, self.left = row * 1000, size // (len(row) * 1000)

    def read(self, size: int = -1) -> bytes:
        self.left -= 1
        return self.block if self.left >= 0 else b""


@pytest.mark.parametrize(
    ("row", "mimetype"),
    [
        (b'"1","some text"\r\n', CSV),
        (b'"1","some ""text"""\r\n', CSV),
        (b'{"a": "1", "b": "some text"}\n', LINES),
    ],
)
def test_memory_does_not_depend_on_the_length(row: bytes, mimetype: str) -> None:
    def peak(size: int) -> int:
        tracemalloc.start()
        entities: Iterator[Any] = load_entities(cast(Any, Endless(row, size)), mimetype)
        attributes = ["1", "some text"] if mimetype == CSV else None
        if b'""' in row:
            attributes = ["1", 'some "text"']
        nowhere = cast(Any, Nowhere())
        save_entities(entities, nowhere, mimetype, attributes=attributes)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(800_000) < peak(200_000) + 200_000


class Nowhere:
    """A file that forgets what is written."""

    def write(self, text: str) -> int:
        return len(text)
