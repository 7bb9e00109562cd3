"""Files are kept, fetched, packed, unpacked and converted without losing anything."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pandas
import pytest

from tests.bundled.live import Live, data_url, rows

BYTES = bytes(range(256)) * 999


def archive(files: dict[str, bytes | str], **options: Any) -> bytes:
    """Give a ZIP archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, **options) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return target.getvalue()


def own(content: bytes, name: str = "a.zip") -> dict[str, Any]:
    return {"own": (name, content, "application/octet-stream")}


# -- upload and import --------------------------------------------------------------


def test_an_upload_becomes_a_result_of_its_type(site: Live) -> None:
    files = {"file": ("päper.bin", BYTES, "application/x-thing")}
    url = site.submit("file-upload", files, dataType="thing/raw")
    (output,) = site.ended(url)["outputs"]
    assert output["name"] == "päper.bin"
    assert output["contentType"] == "application/x-thing"
    assert output["dataType"] == "thing/raw"
    assert site.http.get(output["href"]).content == BYTES


def test_the_type_of_an_upload_follows_from_its_name_or_the_form(site: Live) -> None:
    files = {"file": ("a.csv", b"a\n1\n", "application/octet-stream")}
    (output,) = site.ended(site.submit("file-upload", files))["outputs"]
    assert (output["contentType"], output["dataType"]) == ("text/csv", "custom")
    task = site.ended(site.submit("file-upload", files, contentType="text/x; charset=a"))
    assert task["outputs"][0]["contentType"].startswith("text/x")
    assert site.refusal("file-upload", dataType="a b", contentType="no type") == [
        "contentType",
        "dataType",
    ]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Serve some files that are not of the runner."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {"/bytes": (200, BYTES), "/cut": (200, BYTES), "/gone": (404, b"")}
            status, content = found[self.path]
            self.send_response(status)
            self.send_header("Content-Type", "application/x-thing")
            self.send_header("Content-Disposition", 'attachment; filename="../thing.x"')
            self.send_header("X-Data-Type", "thing/raw")
            more = 10 if self.path == "/cut" else 0
            self.send_header("Content-Length", str(len(content) + more))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_a_url_gives_becomes_a_result(site: Live, elsewhere: str) -> None:
    task = site.ended(site.submit("url-import", url=f"{elsewhere}/bytes"))
    (output,) = task["outputs"]
    assert (output["name"], output["dataType"]) == ("thing.x", "thing/raw")
    assert output["contentType"] == "application/x-thing"
    assert site.http.get(output["href"]).content == BYTES
    assert task["progress"]["value"] == len(BYTES)
    task = site.ended(
        site.submit("url-import", url=output["href"], name="b", dataType="c/d")
    )
    (again,) = task["outputs"]
    assert (again["name"], again["dataType"]) == ("b", "c/d")
    assert site.http.get(again["href"]).content == BYTES


def test_a_url_that_cannot_be_fetched_is_told(site: Live, elsewhere: str) -> None:
    assert "the answer was 404" in site.failure("url-import", url=f"{elsewhere}/gone")
    for url in (f"{elsewhere}/cut", "http://127.0.0.1:1/"):
        assert "there is no connection to it" in site.failure("url-import", url=url)
    unknown = site.failure("url-import", url="http://nobody.invalid/")
    assert "The host nobody.invalid was not found." in unknown
    assert "file" in site.failure("url-import", url="file:///etc/passwd").lower()
    assert site.refusal("url-import", url="javascript:alert(1)") == ["url"]


# -- archives -----------------------------------------------------------------------


def test_an_archive_is_listed_with_its_sums(site: Live) -> None:
    content = archive({"a.csv": "a\n1\n", "folder/b": BYTES, "folder/": ""})
    first, second = rows(site.run("zip-list", own(content))["members.csv"])
    assert first == {
        "ID": "a.csv",
        "size": "4",
        "type": "text/csv",
        "sha256": hashlib.sha256(b"a\n1\n").hexdigest(),
    }
    assert second["sha256"] == hashlib.sha256(BYTES).hexdigest()
    assert second["size"] == str(len(BYTES))


def test_results_are_packed_and_unpacked_again(site: Live) -> None:
    files = {"file": ("a.bin", BYTES, "application/x-thing")}
    (kept,) = site.ended(site.submit("file-upload", files))["outputs"]
    text = data_url("one, two", "text/plain")
    chosen = f'{kept["href"]},{kept["href"]},"{text}"'
    (packed,) = site.ended(site.submit("zip-pack", files=chosen))["outputs"]
    with zipfile.ZipFile(io.BytesIO(site.http.get(packed["href"]).content)) as found:
        assert found.namelist() == ["a.bin", "a (2).bin", "file"]
        assert found.read("a (2).bin") == BYTES
    unpacked = site.run("zip-unpack", archive=packed["href"])
    assert unpacked["a.bin"] == unpacked["a (2).bin"] == BYTES
    assert unpacked["file"] == b"one, two"
    assert set(site.run("zip-unpack", archive=packed["href"], pattern="*.bin")) == {
        *("log", "a.bin", "a (2).bin")
    }


def link() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        member = zipfile.ZipInfo("link")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(member, "/etc/passwd")
    return target.getvalue()


@pytest.mark.parametrize("plugin", ["zip-list", "zip-unpack"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no archive", "The ZIP archive is broken"),
        (archive({"a": BYTES})[:-30], "The ZIP archive is broken"),
        (archive({"../../etc/passwd": "x"}), "leads out of the archive"),
        (archive({"/etc/passwd": "x"}), "leads out of the archive"),
        (archive({"a": bytes(2**25)}), "is packed too tightly"),
        (archive({f"{n}": "" for n in range(10_001)}), "more than 10000 members"),
        (link(), "is a link"),
    ],
    ids=["text", "cut", "up", "root", "bomb", "many", "link"],
)
def test_a_harmful_archive_is_refused(
    site: Live, plugin: str, content: bytes, reason: str
) -> None:
    assert reason in site.failure(plugin, own(content))


def test_an_archive_that_gives_nothing_is_told(site: Live) -> None:
    assert "no files" in site.failure("zip-list", own(archive({})))
    some = own(archive({f"{n}.txt": "x" for n in range(501)}))
    assert "no files that fit '*.csv'" in site.failure(
        "zip-unpack", some, pattern="*.csv"
    )
    assert "more than 500 files" in site.failure("zip-unpack", some)
    assert "the answer was 404" in site.failure("zip-pack", files=f"{site.url}/files/9/")
    assert site.refusal("zip-pack", files="no url") == ["files"]


# -- conversion ---------------------------------------------------------------------

TABLE: list[dict[str, Any]] = [
    {"ID": "a", "n": 1, "x": 1.5, "ok": True, "code": "007", "big": 2**70},
    {"ID": "b", "n": -2, "x": 2, "ok": False, "code": "10", "big": 1},
    {"ID": 'c"ü,\n', "n": None, "x": None, "ok": None, "code": "", "big": None},
]


def as_csv() -> str:
    return (
        "ID,n,x,ok,code,big\r\n"
        f"a,1,1.5,true,007,{2**70}\r\nb,-2,2,false,10,1\r\n"
        '"c""ü,\n",,,,,\r\n'
    )


def converted(site: Live, content: bytes | str, name: str, to: str, **more: Any) -> bytes:
    """Convert an uploaded table."""
    files = {"own": (name, content, "application/octet-stream")}
    found = site.run("data-converter", files, to=to, **more)
    assert found["log"].decode() == "3 rows, 6 columns"
    return found[f"{name.split('.')[0]}.{to}"]


def test_csv_becomes_everything_with_types(site: Live) -> None:
    read = json.loads(converted(site, as_csv(), "t.csv", "json"))
    texts = [{**row, "big": row["big"] and str(row["big"])} for row in TABLE]
    texts[2]["big"] = ""  # one of them is too large for a number, so they are text
    assert read == texts
    lines = converted(site, as_csv(), "t.csv", "jsonl", typed="false").decode()
    assert [json.loads(line)["n"] for line in lines.splitlines()] == ["1", "-2", ""]
    frame = pandas.read_parquet(io.BytesIO(converted(site, as_csv(), "t.csv", "parquet")))
    assert list(frame["ID"]) == [row["ID"] for row in TABLE]
    assert list(frame["n"][:2]) == [1, -2]
    assert pandas.isna(frame["n"][2])
    assert frame["x"].dtype == "float64"
    assert list(frame["code"]) == ["007", "10", ""]


@pytest.mark.parametrize("way", ["csv", "jsonl", "parquet"])
def test_there_and_back_is_the_same(site: Live, way: str) -> None:
    table = [{**row, "big": None} for row in TABLE]
    there = converted(site, json.dumps(table), "t.json", way)
    again = json.loads(converted(site, there, f"t.{way}", "json"))
    if way == "csv":  # which cannot tell an empty text from none
        again = [
            {k: None if v == "" and k != "code" else v for k, v in r.items()}
            for r in again
        ]
    assert again == table


def test_rows_may_have_different_columns_and_nested_values(site: Live) -> None:
    table = data_url('[{"a": [1, {"b": 2}]}, {"c": true, "a": "x"}]', "application/json")
    first, second = rows(site.run("data-converter", table=table, to="csv")["table.csv"])
    assert json.loads(first["a"]) == [1, {"b": 2}]
    assert (first["c"], second["a"], second["c"]) == ("", "x", "true")
    packed = site.run("data-converter", table=table, to="parquet")["table.parquet"]
    frame = pandas.read_parquet(io.BytesIO(packed))
    assert [bool(value) if value is not None else None for value in frame["c"]] == [
        None,
        True,
    ]


def test_many_rows_are_converted(site: Live) -> None:
    table = "i,t\n" + "".join(f"{i},text {i}\n" for i in range(30_000))
    files = {"own": ("t.csv", table, "text/csv")}
    found = site.run("data-converter", files, to="parquet")
    frame = pandas.read_parquet(io.BytesIO(found["t.parquet"]))
    assert frame["i"].sum() == 30_000 * 29_999 // 2
    back = site.run(
        "data-converter", {"own": ("t.parquet", found["t.parquet"], "")}, to="csv"
    )
    assert back["t.csv"].decode() == table.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        ("a,b\n1\n", "t.csv", "Line 2, column 2 (b)"),
        ("a,a\n1,2\n", "t.csv", "The column 'a' is there twice."),
        ('a\n"x\n', "t.csv", "A quote is opened and never closed."),
        ("a\n", "t.csv", "The table has no rows."),
        ('[{"a": 1}, 2]', "t.json", "All rows must be objects"),
        ('{"a": 1}\n{"a"\n', "t.jsonl", "Line 2"),
        ("PAR1", "t.parquet", "The Parquet file cannot be read"),
        ("x", "t.bin", "what can be read is CSV, JSON and Parquet"),
    ],
)
def test_what_cannot_be_converted_is_told(
    site: Live, content: str, name: str, reason: str
) -> None:
    files = {"own": (name, content, "application/octet-stream")}
    assert reason in site.failure("data-converter", files)
