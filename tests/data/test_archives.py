"""Archives are opened member by member; what could do harm is refused in words."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app_runner.data.archives import (
    ArchiveLimits,
    ArchiveRefused,
    get_files_from_zip,
    is_contained,
)

NAMES = st.text(
    st.characters(exclude_categories=["C"], exclude_characters="\\:/"), min_size=1
)
NAMES = NAMES.filter(lambda name: name not in (".", ".."))


def archive(*members: tuple[str | zipfile.ZipInfo, bytes], **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, **options) as target:
        for name, content in members:
            target.writestr(name, content)
    file.seek(0)
    return file


def contents(file: io.BytesIO, **options: Any) -> dict[str, Any]:
    return {name: part.read() for part, name in get_files_from_zip(file, **options)}


def refusal(file: io.BytesIO, **limits: int) -> str:
    with pytest.raises(ArchiveRefused) as caught:
        contents(file, mode="b", limits=ArchiveLimits(**limits))
    return str(caught.value)


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=5))
def test_files_come_back(files: dict[str, bytes]) -> None:
    assert contents(archive(*files.items()), mode="b") == files


def test_files_are_text_unless_binary_is_asked_for() -> None:
    file = archive(("folder/", b""), ("folder/ä.json", '\ufeff["é"]'.encode()))
    for part, name in get_files_from_zip(file):
        assert (name, json.load(part)) == ("folder/ä.json", ["é"])
    assert contents(file, mode="b") == {"folder/ä.json": b'\xef\xbb\xbf["\xc3\xa9"]'}


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/x", "C:x", "a\\..\\x", "..", "a/..", "//host/x"],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    assert "leads out" in refusal(archive((name, b"x")))


@given(st.text(max_size=20))
@example("a\0b")
@example("..")
def test_a_contained_name_stays_below_its_folder(name: str) -> None:
    if is_contained(name):
        folder = Path("/folder/below")
        found = Path(str(folder / name))
        assert found.is_relative_to(folder)
        assert ".." not in found.parts


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_what_is_no_file_are_refused(kind: int) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (kind | 0o777) << 16
    assert "is a link or no file" in refusal(archive(("a", b"x"), (link, b"/etc/passwd")))


def test_bombs_are_refused() -> None:
    bomb = archive(("bomb", bytes(2_000_000)))
    assert "too tightly" in refusal(bomb, ratio_free_bytes=1_000_000)
    assert "more than 1000000 bytes" in refusal(bomb, unpacked_bytes=1_000_000)
    many = archive(*((str(number), b"") for number in range(11)))
    assert "more than 10 members" in refusal(many, members=10)


def test_a_member_gives_no_more_than_it_declares() -> None:
    content = bytearray(archive(("bomb", bytes(1_000_000))).getvalue())
    for signature, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        struct.pack_into("<L", content, content.index(signature) + offset, 10)
    assert "broken" in refusal(io.BytesIO(content))


def test_the_list_of_members_is_bounded() -> None:
    content = bytearray(archive(("a", b"x")).getvalue())
    end = content.index(b"PK\5\6")
    padded = bytes(content[:end]) + bytes(5_000_000)
    start = content.index(b"PK\1\2")
    struct.pack_into("<L", content, end + 12, len(padded) - start)
    assert "broken" in refusal(io.BytesIO(padded + bytes(content[end:])))


def test_ways_of_packing_that_cannot_be_bounded_are_refused() -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as target:
            target.writestr("a", b"x" * 100)
        assert "not supported" in refusal(file)


def test_encrypted_members_are_refused() -> None:
    content = bytearray(archive(("a", b"x")).getvalue())
    content[content.index(b"PK\1\2") + 8] |= 1
    assert "is encrypted" in refusal(io.BytesIO(content))


def test_a_broken_member_is_told_while_it_is_read() -> None:
    content = bytearray(archive(("a", b"hello" * 100)).getvalue())
    content[content.index(b"PK\1\2") + 16] ^= 0xFF  # the checksum
    with pytest.raises(ArchiveRefused, match="broken"):
        contents(io.BytesIO(content))


@given(st.binary(max_size=300))
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    try:
        contents(io.BytesIO(content), mode="b")
    except ArchiveRefused as error:
        assert "broken" in str(error)  # noqa: PT017


@given(st.data())
def test_an_archive_with_wrong_bytes_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(archive(("a.txt", b"text" * 9), ("ä/b", b"x")).getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    try:
        contents(io.BytesIO(content), mode="b")
    except ArchiveRefused as error:
        assert str(error)  # noqa: PT017
