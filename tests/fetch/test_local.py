"""URLs that need no network: data, files below the allowed folders, our own files."""

from __future__ import annotations

import base64
import contextlib
import os
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from app_runner.fetch import (
    Fetcher,
    FetchPolicy,
    FetchTooLarge,
    FileRefused,
    LocalContent,
    MalformedUrl,
    SchemeRefused,
    get_mimetype,
)
from tests.fetch.servers import Names

FETCHER = Fetcher(FetchPolicy(), getaddrinfo=Names())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that may be read, beside one that may not."""
    inside, outside = tmp_path / "in side", tmp_path / "in side-too"
    inside.mkdir()
    outside.mkdir()
    (inside / "räte.csv").write_text("a,b\nä,1\n", encoding="utf-8")
    (inside / "packed.csv.gz").write_bytes(b"\x1f\x8b")
    (outside / "secret.txt").write_text("secret")
    (inside / "link.txt").symlink_to(outside / "secret.txt")
    (inside / "folder").symlink_to(outside)
    (inside / "circle").symlink_to(inside / "circle")
    (inside / "inner.csv").symlink_to(inside / "räte.csv")
    os.mkfifo(inside / "pipe")
    return inside


def of_files(*roots: Path, max_bytes: int = 1000) -> Fetcher:
    return Fetcher(
        FetchPolicy(file_roots=roots, max_bytes=max_bytes), getaddrinfo=Names()
    )


@pytest.mark.parametrize("host", ["", "localhost", "LOCALHOST"])
def test_a_file_below_a_root_is_read_with_its_type_and_length(
    root: Path, host: str
) -> None:
    url = f"file://{host}{quote(str(root))}/r%C3%A4te.csv"
    with of_files(root).open(url) as response:
        assert response.headers["Content-Type"] == "text/csv"
        assert response.headers["Content-Length"] == "9"
        assert list(response.iter_lines(decode_unicode=True)) == ["a,b", "ä,1"]
        assert response.url == url


def test_a_packed_file_is_not_taken_for_what_is_in_it(root: Path) -> None:
    with of_files(root).open((root / "packed.csv.gz").as_uri()) as response:
        assert response.headers["Content-Type"] == "application/gzip"
        assert response.content == b"\x1f\x8b"


def test_a_link_that_stays_below_the_root_is_followed(root: Path) -> None:
    with of_files(root).open((root / "inner.csv").as_uri()) as response:
        assert response.text.startswith("a,b")


@pytest.mark.parametrize(
    "name",
    [
        "link.txt",
        "folder/secret.txt",
        "../in side-too/secret.txt",
        "%2e%2e/in side-too/secret.txt",
        "..%2Fin side-too%2Fsecret.txt",
        "../nothing/here",
        "circle",
    ],
)
def test_nothing_outside_the_roots_is_read_or_told_of(root: Path, name: str) -> None:
    with pytest.raises(FileRefused, match="FETCH_FILE_ROOTS"):
        of_files(root).open(f"file://{root}/{name}")


@pytest.mark.parametrize("name", ["pipe", ""])
def test_only_regular_files_are_read(root: Path, name: str) -> None:
    with pytest.raises(FileRefused, match="no file"):
        of_files(root).open(f"file://{root}/{name}")


def test_without_roots_no_file_is_read() -> None:
    with pytest.raises(FileRefused, match="FETCH_FILE_ROOTS"):
        FETCHER.open("file:///etc/passwd")


def test_a_missing_file_is_a_404(root: Path) -> None:
    for name in ("none.csv", "a" * 5000, "in/none.csv"):
        with pytest.raises(requests.HTTPError, match="404"):
            of_files(root).open(f"file://{root}/{name}")
    with of_files(root).open(
        (root / "none.csv").as_uri(), raise_on_error_status=False
    ) as response:
        assert response.status_code == 404


@pytest.mark.parametrize(
    "url", ["file://other.host/etc/passwd", "file:etc/passwd", "file:///a%00b", "file://"]
)
def test_file_urls_name_this_machine_and_a_whole_path(root: Path, url: str) -> None:
    with pytest.raises(MalformedUrl):
        of_files(root).open(url)


def test_a_file_that_is_too_large_is_refused(root: Path) -> None:
    with pytest.raises(FetchTooLarge):
        of_files(root, max_bytes=8).open((root / "räte.csv").as_uri())


def test_files_can_only_be_read(root: Path) -> None:
    with pytest.raises(SchemeRefused):
        of_files(root).open((root / "räte.csv").as_uri(), method="PUT", data=b"x")


def test_a_head_request_for_a_file_has_no_body(root: Path) -> None:
    with of_files(root).open((root / "räte.csv").as_uri(), method="HEAD") as response:
        assert response.headers["Content-Length"] == "9"
        assert response.content == b""


@pytest.mark.parametrize(
    ("url", "content", "mimetype"),
    [
        ("data:,hello%20there", b"hello there", "text/plain"),
        ("data:text/csv,a,b%0A1,2", b"a,b\n1,2", "text/csv"),
        ("data:text/csv;charset=utf-8;base64,YSxi", b"a,b", "text/csv"),
        ("DATA:application/json;BASE64,e30", b"{}", "application/json"),
        ("data:;charset=utf-8,%C3%A4", b"\xc3\xa4", "text/plain"),
        ("data:;base64,YQ%3D%3D", b"a", "text/plain"),
        ("data:text/plain;base64, Y\nQ = =", b"a", "text/plain"),
        ("data:text/plain,base64,x", b"base64,x", "text/plain"),
        ("data:text/plain,a#part", b"a", "text/plain"),
    ],
)
def test_a_data_url_holds_its_content(url: str, content: bytes, mimetype: str) -> None:
    with FETCHER.open(url) as response:
        assert response.content == content
        assert "Content-Type" not in response.headers
        assert get_mimetype(response) == mimetype


def test_text_of_a_data_url_can_be_read_by_lines() -> None:
    with FETCHER.open("data:text/csv,%C3%A4%0Ab") as response:
        assert list(response.iter_lines(decode_unicode=True)) == ["ä", "b"]
    with FETCHER.open("data:text/plain;charset=iso-8859-1,%E4") as response:
        assert response.text == "ä"
    with FETCHER.open("data:image/png;base64,iVBO") as response:
        assert response.encoding is None


@pytest.mark.parametrize(
    "url", ["data:", "data:text/plain", "data:;base64,!!!!", "data:;base64,a"]
)
def test_a_broken_data_url_is_refused(url: str) -> None:
    with pytest.raises(MalformedUrl):
        FETCHER.open(url)


def test_a_data_url_that_is_too_large_is_refused() -> None:
    with pytest.raises(FetchTooLarge):
        FETCHER.open("data:," + "x" * 101, max_bytes=100)


@given(st.binary(), st.booleans())
def test_data_urls_give_back_any_bytes(content: bytes, packed: bool) -> None:
    coded = base64.b64encode(content).decode() if packed else quote_from_bytes(content)
    mark = ";base64" if packed else ""
    with FETCHER.open(f"data:application/octet-stream{mark},{coded}") as response:
        assert response.content == content


@given(st.text())
def test_no_data_url_raises_anything_but_the_exceptions_of_requests(rest: str) -> None:
    with (
        contextlib.suppress(requests.RequestException),
        FETCHER.open(f"data:{rest}") as response,
    ):
        get_mimetype(response)
        assert isinstance(response.text, str)


class OwnFiles:
    """Knows one file, under two ways to write its URL."""

    URL = "https://runner.invalid/files/1/?file-id=t"

    def __call__(self, url: str) -> LocalContent | None:
        headers = {
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": "attachment; filename=out.csv",
            "X-Data-Type": "entity/list",
        }
        if url == self.URL:
            return LocalContent(BytesIO(b"x" * 200), headers)
        if url.startswith("https://runner.invalid/"):
            return LocalContent(BytesIO(b"{}"), {"Content-Type": "application/json"}, 404)
        return None


def test_our_own_files_need_no_network_and_may_be_large() -> None:
    fetcher = Fetcher(FetchPolicy(max_bytes=100), OwnFiles(), getaddrinfo=Names())
    with fetcher.open(OwnFiles.URL) as response:
        assert len(response.content) == 200
        assert response.headers["x-data-type"] == "entity/list"
        assert response.url == OwnFiles.URL
        assert response.encoding == "utf-8"
    with pytest.raises(requests.HTTPError, match="404"):
        fetcher.open("https://runner.invalid/files/2/")


def test_our_own_files_are_found_behind_a_rewritten_url() -> None:
    policy = FetchPolicy(url_map=(("^http://old/", "https://runner.invalid/"),))
    with Fetcher(policy, OwnFiles(), getaddrinfo=Names()).open(
        "http://old/files/1/?file-id=t"
    ) as response:
        assert response.ok


def test_a_post_to_one_of_our_own_urls_goes_over_the_network() -> None:
    fetcher = Fetcher(FetchPolicy(), OwnFiles(), getaddrinfo=Names())
    with pytest.raises(requests.ConnectionError):
        fetcher.open(OwnFiles.URL, method="POST")


def test_schemes_can_be_closed() -> None:
    with pytest.raises(SchemeRefused):
        Fetcher(FetchPolicy(schemes=("https",))).open("data:,x")
