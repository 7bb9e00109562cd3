"""Files by URL: how a function reads them, what does not fit, what metadata says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.processors.conftest import Load, Site

READS = """
    import json

    TYPES = ["text/csv", "application/json", "image/*"]

    @plugin.processor()
    def work(
        task: Task,
        data: FileInput(data_type="entity/list", content_types=TYPES, label="Table"),
        how: str,
        other: PluginInput(tags=["a", "!b"], name="p", label="Plugin") | None = None,
    ) -> str:
        return json.dumps(WAYS[how](data))

    def lines(data):
        with data.open_text() as file:
            return [line.rstrip("\\n") for line in file]

    def size(data):
        with data.open() as file:
            return len(file.read())

    def facts(data):
        return [data.name, data.content_type, data.data_type, repr(data)]

    WAYS = {
        "lines": lines, "bytes": size, "facts": facts,
        "text": lambda d: d.read_text(),
        "json": lambda d: d.json(),
        "entities": lambda d: [e if isinstance(e, dict) else e.as_dict()
                               for e in d.entities()],
    }
"""


def data_url(content: str | bytes, kind: str = "text/csv") -> str:
    raw = content if isinstance(content, bytes) else content.encode()
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


@pytest.fixture
def site(load: Load) -> Site:
    """Give a plugin that reads in every way."""
    found = load(READS)
    assert found.problems == []
    return found


@pytest.mark.parametrize(
    ("how", "content", "kind", "expected"),
    [
        ("text", "a,b\n", "text/csv", "a,b\n"),
        ("text", b"\xef\xbb\xbfx", "text/csv", "x"),
        ("text", "ä".encode("latin-1"), "text/csv;charset=latin-1", "ä"),
        ("lines", "a\r\nb\n", "text/csv", ["a", "b"]),
        ("bytes", b"\x00\xff", "image/png", 2),
        ("json", '{"a": [1]}', "application/json", {"a": [1]}),
        ("entities", "ID,x\r\n1,2\r\n", "text/csv", [{"ID": "1", "x": "2"}]),
        ("entities", '[{"ID": "1"}]', "application/json", [{"ID": "1"}]),
    ],
)
def test_a_file_is_read_in_many_ways(
    site: Site, how: str, content: str | bytes, kind: str, expected: Any
) -> None:
    assert site.result(data=data_url(content, kind), how=how) == expected


@pytest.mark.parametrize(
    ("how", "url", "said"),
    [
        ("json", data_url("{", "application/json"), "cannot be read"),
        ("text", data_url(b"\xff", "text/csv"), "cannot be read"),
        ("text", data_url("x", "text/html"), "it is text/html"),
        ("entities", data_url("x", "image/png"), "cannot be read"),
        ("entities", data_url('a,b\r\n"1', "text/csv"), "Line 2"),
        ("text", "http://127.0.0.1:1/x.csv", "127.0.0.1"),
        ("text", "http://localhost/files/1-aaaaaaaaaaaaaaaaaaaaaaaaaa/", "404"),
    ],
)
def test_what_cannot_be_read_is_said(site: Site, how: str, url: str, said: str) -> None:
    task = site.done(data=url, how=how)
    assert task["status"] == "FAILURE"
    assert said in task["log"]
    assert "The log of the server" not in task["log"]


def test_a_result_of_another_task_is_read_without_the_network(load: Load) -> None:
    site = load("""
        @plugin.processor()
        def work(task: Task, data: FileInput() | None = None) -> str:
            if data is None:
                task.save("out.csv", "a,b", "entity/list")
                return "saved"
            text = data.read_text()
            return f"{data.name} {data.content_type} {data.data_type} {text}"
        """)
    first = site.done()
    (output,) = first["outputs"]
    task = site.done(data=output["href"])
    assert task["log"].startswith("out.csv text/csv"), task["log"]
    assert task["log"].endswith("entity/list a,b")


def test_several_files_can_be_given(load: Load) -> None:
    site = load("""
        @plugin.processor()
        def work(task: Task, data: list[FileInput(data_type="a/b")]) -> str:
            return " ".join(file.read_text() for file in data)
        """)
    task = site.done(data='"data:,x","data:,y"')
    assert task["log"] == "x y"
    (entry,) = site.get().json["entryPoint"]["dataInput"]
    assert (entry["parameter"], entry["dataType"]) == ("data", "a/b")
    assert 'data-input="a/b"' in site.get("ui/").text
    assert site.post("process/", data={"data": "x"}).status_code == 422


def test_facts_are_known_before_reading(site: Site) -> None:
    url = data_url("x", "text/csv")
    assert site.result(data=url, how="facts") == [
        "",
        "text/csv",
        None,
        "<InputFile The file>",
    ]


@pytest.mark.parametrize("url", ["", "x", "ftp2://a/b", "javascript:alert(1)"])
def test_what_is_no_url_is_refused(site: Site, url: str) -> None:
    answer = site.post("process/", data={"data": url, "how": "text"})
    assert answer.status_code == 422
    assert list(answer.json["errors"]["form"]) == ["data"]


def test_metadata_tells_data_and_plugins(site: Site) -> None:
    entry = site.get().json["entryPoint"]
    assert entry["dataInput"] == [
        {
            "parameter": "data",
            "dataType": "entity/list",
            "contentType": ["text/csv", "application/json", "image/*"],
            "required": True,
        }
    ]
    assert entry["pluginDependencies"] == [
        {"parameter": "other", "required": False, "name": "p", "tags": ["a", "!b"]}
    ]


def test_the_form_lets_the_page_around_it_choose(site: Site) -> None:
    form = site.get("ui/").text
    assert 'data-input="entity/list"' in form
    assert 'data-content-type="text/csv application/json image/*"' in form
    assert "qhana-choose-file-button" in form
    assert 'data-plugin-tags="a !b"' in form
    assert "qhana-choose-plugin-button" in form


def test_the_form_documents_its_query_and_body(site: Site) -> None:
    shown = site.operation("ui/", "get")
    names = {p["name"]: p["required"] for p in shown["parameters"]}
    assert names == {"data": False, "how": False, "other": False}
    assert "requestBody" in site.operation("ui/", "post")
    assert json.dumps(shown)


def test_a_url_that_the_author_opens_and_that_fails_is_said(load: Load) -> None:
    site = load(
        """
        @plugin.processor()
        def work(task: Task, url: str) -> str:
            return open_url(url).text
        """,
        EXPOSURE="local",
    )
    task = site.done(url="http://user:pass@127.0.0.1:1/x?token=y")
    said = "http://127.0.0.1:1/x cannot be read: there is no connection to it"
    assert (task["status"], task["log"]) == ("FAILURE", said)
