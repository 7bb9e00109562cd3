"""The transcript of the README is what the runner answers."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from app_runner.config import PROJECT
from tests.conftest import AppFactory
from tests.docs.pages import README, blocks

BASE = "http://127.0.0.1:5005"


def exchanges() -> list[tuple[list[str], str]]:
    """Give each command (in words) with what it printed."""
    (transcript,) = blocks(README, "console")
    parts = re.split(r"^\$ ", transcript, flags=re.MULTILINE)[1:]
    return [
        (shlex.split(head), body) for head, _, body in (p.partition("\n") for p in parts)
    ]


def url_of(command: list[str]) -> str:
    """Give the URL of a curl command."""
    return next(word for word in command if word.startswith("http"))


def body_of(path: str) -> Any:
    """Give the JSON that the transcript shows for a path."""
    return next(
        json.loads(body)
        for words, body in exchanges()
        if urlsplit(url_of(words)).path == path
    )


@pytest.fixture
def client(make_app: AppFactory) -> FlaskClient:
    """Give a client of a runner with the bundled plugins."""
    return make_app(PLUGIN_FOLDERS=[str(PROJECT / "plugins")]).test_client()


def shape(value: Any) -> Any:
    """Give the keys of a document, and what is below them."""
    if isinstance(value, dict):
        return {key: shape(below) for key, below in value.items()}
    return [shape(below) for below in value[:1]] if isinstance(value, list) else None


def test_it_goes_from_the_list_of_plugins_to_the_file() -> None:
    paths = [urlsplit(url_of(words)).path for words, _ in exchanges()]
    assert [re.sub(r"\d+-[a-z2-7]{26}", "<id>", path) for path in paths] == [
        "/plugins/",
        "/plugins/hello-world@1-0-0/",
        "/plugins/hello-world@1-0-0/ui/",
        "/plugins/hello-world@1-0-0/process/",
        "/tasks/<id>/",
        "/files/<id>/",
    ]


def test_each_step_takes_the_url_that_the_one_before_gave() -> None:
    *_, (_, submitted), (task, document), (file, _) = exchanges()
    assert submitted.split() == ["303", url_of(task)]
    assert json.loads(document)["outputs"][0]["href"] == url_of(file)


def test_the_plugin_is_listed_as_shown(client: FlaskClient) -> None:
    (words, shown), *_ = exchanges()
    pattern = words[-1].replace("{", r"\{", 1)
    assert re.findall(pattern, client.get("/plugins/", base_url=BASE).text) == [
        shown.strip()
    ]


def test_the_document_of_the_plugin_is_what_the_runner_answers(
    client: FlaskClient,
) -> None:
    path = "/plugins/hello-world@1-0-0/"
    assert client.get(path, base_url=BASE).json == body_of(path)


def test_the_form_has_the_input_that_is_shown(client: FlaskClient) -> None:
    path = "/plugins/hello-world@1-0-0/ui/"
    (shown,) = [out for words, out in exchanges() if url_of(words) == BASE + path]
    assert shown.strip() in client.get(path, base_url=BASE).text


def test_the_document_of_the_task_has_the_keys_of_the_schema(client: FlaskClient) -> None:
    (task,) = [
        json.loads(out) for words, out in exchanges() if "/tasks/" in url_of(words)
    ]
    document = client.get("/api-spec.json", base_url=BASE).json
    assert document is not None
    schemas = document["components"]["schemas"]
    assert set(task) <= set(schemas["Task"]["properties"])
    assert shape(task["outputs"]) == [
        dict.fromkeys(("href", "dataType", "contentType", "name"))
    ]
    assert set(task["execution"]) == set(schemas["Execution"]["properties"])
