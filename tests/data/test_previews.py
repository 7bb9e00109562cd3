"""Previews: small data about any file, bounded whatever the file says of itself."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app_runner.data import previews
from app_runner.data.previews import Preview, preview

KINDS = [
    "text/csv",
    "text/tab-separated-values",
    "text/plain",
    "application/json",
    "application/x-lines+json",
    "image/png",
    "image/svg+xml",
    "application/zip",
    "application/octet-stream",
    "",
]


def look(content: bytes | str, kind: str, offset: int = 0, limit: int = 50) -> Preview:
    data = content.encode() if isinstance(content, str) else content
    return preview(io.BytesIO(data), kind, len(data), offset, limit)


def test_a_table_comes_in_pages() -> None:
    rows = "\n".join(f'{n},"text, {n}"' for n in range(120))
    first = look(f"number,text\n{rows}", "text/csv; charset=utf-8", limit=2)
    assert first["columns"] == ["number", "text"]
    assert first["rows"] == [["0", "text, 0"], ["1", "text, 1"]]
    assert first["more"]
    last = look(f"number,text\n{rows}", "text/csv", offset=119, limit=50)
    assert (last["rows"], last["more"]) == ([["119", "text, 119"]], False)
    assert look(f"number,text\n{rows}", "text/csv", offset=500)["rows"] == []


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_found(delimiter: str) -> None:
    found = look(f"a{delimiter}b\n1{delimiter}2\n", "text/csv")
    assert (found["columns"], found["rows"]) == (["a", "b"], [["1", "2"]])


def test_long_cells_and_many_columns_are_cut() -> None:
    found = look(",".join(["x" * 60] * 500) + "\n" + "y" * 9999, "text/csv")
    assert len(found["columns"]) == previews.MOST_COLUMNS
    assert len(found["rows"][0][0]) == previews.MOST_CHARACTERS + 1
    assert len(json.dumps(found)) < 100_000


def test_a_line_without_end_is_read_up_to_the_bound() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            self.given += len(buffer)
            buffer[:] = b"x" * len(buffer)
            return len(buffer)

    endless = Endless()
    stream: Any = endless
    preview(io.BufferedReader(stream), "text/csv", 2**60, 10**9)
    assert endless.given < 2 * previews.MOST_READ


def test_rows_of_json_are_a_table_too() -> None:
    rows = [{"a": n, "b": str(n)} for n in range(5)]
    lines = "\n".join(map(json.dumps, rows))
    for content, kind in (
        (json.dumps(rows), "application/json"),
        (lines, "application/x-ndjson"),
    ):
        found = look(content, kind, offset=1, limit=2)
        assert found["columns"] == ["a", "b"]
        assert found["rows"] == [[1, "1"], [2, "2"]]
        assert found["more"]


def test_json_is_cut_to_what_a_page_can_show() -> None:
    deep: object = "bottom"
    for _ in range(20):
        deep = {"deeper": deep}
    found = look(
        json.dumps({"deep": deep, "wide": list(range(10_000))}), "application/json"
    )
    assert found["kind"] == "json"
    assert found["more"]
    assert len(json.dumps(found)) < 20_000


def test_what_is_too_deep_to_read_is_shown_as_text() -> None:
    assert look("[" * 100_000, "application/json")["kind"] == "text"


def test_a_text_comes_in_pages_of_whole_characters() -> None:
    text = "äöü€😀" * 20_000
    shown, at = "", 0
    while True:
        page = look(text, "text/plain", offset=at)
        shown += page["text"]
        if page["next"] is None:
            break
        at = page["next"]
    assert shown == text


def test_binary_data_is_no_text() -> None:
    assert look(b"\0\1\2", "text/plain") == previews.NOTHING
    assert look(b"\0\1\2", "application/octet-stream") == previews.NOTHING


@pytest.mark.parametrize(("kind", "size"), [("png", (320, 160)), ("tiff", (1024, 512))])
def test_a_picture_becomes_a_small_one(kind: str, size: tuple[int, int]) -> None:
    large = io.BytesIO()
    Image.new("RGB", (1200, 600), "red").save(large, kind)
    found = look(large.getvalue(), f"image/{kind}")
    assert (found["width"], found["height"]) == (1200, 600)
    data = base64.b64decode(found["thumbnail"].partition(",")[2])
    with Image.open(io.BytesIO(data)) as small:
        assert small.size == size


def png(width: int, height: int) -> bytes:
    """Give a small file that says it is a picture of this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**6)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def test_a_bomb_of_pixels_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = png(30_000, 2_000)
    assert look(bomb, "image/png") == {"kind": "image", "width": 30_000, "height": 2_000}
    assert look(png(60_000, 60_000), "image/png") == previews.NOTHING
    # with the bound away it is unpacked, and found to be broken
    monkeypatch.setattr(previews, "MOST_PIXELS", 10**12)
    assert look(bomb, "image/png") == previews.NOTHING


@pytest.mark.parametrize("kind", ["image/svg+xml", "image/x-eps", "image/png"])
def test_what_is_no_picture_of_a_known_kind_is_not_opened_as_one(kind: str) -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    assert look(postscript, kind)["kind"] in ("none", "text")


def test_an_archive_is_a_tree() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/a.txt", "content")
        for number in range(600):
            archive.writestr(f"many/{number}", "")
    found = look(packed.getvalue(), "application/zip")
    assert found["entries"][1] == {"path": "folder/a.txt", "size": 7, "folder": False}
    assert (len(found["entries"]), found["more"]) == (previews.MOST_ENTRIES, True)


@given(
    content=st.binary(max_size=300),
    kind=st.sampled_from(KINDS),
    offset=st.integers(0, 400),
)
def test_any_file_gives_something_small_that_json_can_say(
    content: bytes, kind: str, offset: int
) -> None:
    found = look(content, kind, offset)
    assert found["kind"] in ("table", "text", "image", "tree", "json", "none")
    assert len(json.dumps(found)) < 20_000
