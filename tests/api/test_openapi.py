"""The OpenAPI document: valid with all kinds of plugins, complete, and cheap to serve."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV30SpecValidator
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client
from werkzeug.wrappers import Response

from app_runner.config import PROJECT
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder

FIXTURES = Path(__file__).parent.parent / "fixtures"
BUNDLED = PROJECT / "plugins"
PUBLISHED = FIXTURES / "published"
DOCUMENTED = FIXTURES / "documented"
FORM_TYPES = {
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/json",
}

BROKEN = """
    from http import HTTPStatus

    from app_runner.plugin_api import PluginBase, SecurityBlueprint

    BLP = SecurityBlueprint("broken@1-0-0", __name__, description="Never seen.")


    @BLP.route("/first/<name>/", methods=["POST"])
    @BLP.doc(responses={"418": {"description": "Tea."}}, example={SECOND})
    @BLP.response(HTTPStatus.OK)
    def first(name):
        pass


    class Broken(PluginBase):
        name = "broken"
        version = "1.0.0"

        def get_api_blueprint(self):
            return BLP
"""


def document_of(app: Flask) -> dict[str, Any]:
    assert state_of(app).registry.problems == []
    answer: Any = app.test_client().get("/api-spec.json").json
    assert isinstance(answer, dict)
    return answer


def errors_of(document: dict[str, Any]) -> list[str]:
    found = OpenAPIV30SpecValidator(document).iter_errors()
    return [f"{list(error.absolute_path)}: {error.message}" for error in found]


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def content_of(document: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].split("/")[-1]]
    content: dict[str, Any] = response.get("content", {})
    return content


def test_the_documents_of_two_apps_share_nothing(make_app: AppFactory) -> None:
    alone = document_of(make_app())
    assert document_of(make_app(PLUGIN_FOLDERS=[PUBLISHED])) != alone
    assert document_of(make_app()) == alone


@pytest.mark.parametrize(
    "folders",
    [[], [BUNDLED], [PUBLISHED], [DOCUMENTED], [BUNDLED, PUBLISHED, DOCUMENTED]],
    ids=["no plugin", "bundled", "published style", "hard to document", "all"],
)
def test_the_document_is_valid(make_app: AppFactory, folders: list[Path]) -> None:
    assert errors_of(document_of(make_app(PLUGIN_FOLDERS=folders))) == []


@pytest.fixture
def document(make_app: AppFactory) -> dict[str, Any]:
    return document_of(make_app(PLUGIN_FOLDERS=[BUNDLED, PUBLISHED, DOCUMENTED]))


def test_every_route_of_a_plugin_is_documented(document: dict[str, Any]) -> None:
    found = {(path, method) for path, method, _ in operations_of(document)}
    assert {
        ("/plugins/hello-world@1-0-0/process/", "post"),
        ("/plugins/greeting@v0-3-0/ui/", "get"),
        ("/plugins/greeting@v0-3-0/ui/", "post"),
        ("/plugins/uploads@v2-0-0/drafts/{name}/", "delete"),
    } <= found


def test_paths_of_oddly_named_plugins_are_encoded(
    document: dict[str, Any], make_app: AppFactory
) -> None:
    assert "/plugins/twin%20one@v1-0-0/" in document["paths"]
    assert "/plugins/twin%20%7Btwo%7D@v1-0-0/" in document["paths"]
    client = make_app(PLUGIN_FOLDERS=[DOCUMENTED]).test_client()
    assert client.get("/plugins/twin%20%7Btwo%7D@v1-0-0/").status_code == 200


def test_equally_named_schemas_of_two_plugins_both_stand_in_it(
    document: dict[str, Any],
) -> None:
    def properties(path: str) -> set[str]:
        operation = document["paths"][path]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        schema = document["components"]["schemas"][body["$ref"].split("/")[-1]]
        return set(schema["properties"])

    assert properties("/plugins/twin%20one@v1-0-0/") == {"oneParameter"}
    assert properties("/plugins/twin%20%7Btwo%7D@v1-0-0/") == {"twoParameter"}


def test_all_references_lead_somewhere_and_every_error_has_the_one_shape(
    document: dict[str, Any],
) -> None:
    shape = {"schema": {"$ref": "#/components/schemas/Error"}}
    for path, method, operation in operations_of(document):
        for code, response in operation["responses"].items():
            if code == "default" or int(code) >= 400:
                content = content_of(document, response)
                assert content == {"application/json": shape}, (path, method, code)
    error = document["components"]["schemas"]["Error"]
    assert set(error["properties"]) == {"code", "status", "message", "errors"}
    assert set(error["required"]) == {"code", "status"}


def test_every_operation_names_the_errors_it_can_answer(
    document: dict[str, Any],
) -> None:
    for path, method, operation in operations_of(document):
        codes = set(operation["responses"])
        expected = {"503", "default"}
        if "security" in operation:
            expected.add("401")
        if "{" in path:
            expected.add("404")
        if "requestBody" in operation:
            expected |= {"400", "413"}
            if not path.endswith("/ui/"):  # a form shows what does not fit
                expected |= {"415", "422"}
        assert expected <= codes, (path, method)


def test_the_authors_words_for_an_error_stay(document: dict[str, Any]) -> None:
    draft = document["paths"]["/plugins/uploads@v2-0-0/drafts/{name}/"]["get"]
    assert draft["responses"]["404"]["description"] == "No draft has this name."


def test_errors_that_are_sent_are_documented(
    make_app: AppFactory, document: dict[str, Any]
) -> None:
    client = make_app(PLUGIN_FOLDERS=[BUNDLED]).test_client()
    process = "/plugins/hello-world@1-0-0/process/"
    documented = document["paths"][process]["post"]["responses"]
    good = {"inputStr": "x"}
    refused = [
        client.post(process, data={}),
        client.post(process, data="<a/>", content_type="text/xml"),
        client.post(process, data="{", content_type="application/json"),
        client.post(process, data=good, headers={"Authorization": "Bearer nonsense"}),
    ]
    assert [answer.status_code for answer in refused] == [422, 415, 400, 401]
    for answer in refused:
        assert str(answer.status_code) in documented
        assert set(answer.get_json()) <= {"code", "status", "message", "errors"}


def test_a_form_may_be_sent_in_three_types(document: dict[str, Any]) -> None:
    operation = document["paths"]["/plugins/hello-world@1-0-0/process/"]["post"]
    assert set(operation["requestBody"]["content"]) == FORM_TYPES


def test_fields_and_uploaded_files_are_one_multipart_body(
    document: dict[str, Any],
) -> None:
    operation = document["paths"]["/plugins/uploads@v2-0-0/pictures/"]["post"]
    content = operation["requestBody"]["content"]
    assert list(content) == ["multipart/form-data"]
    schema = content["multipart/form-data"]["schema"]
    assert set(schema["properties"]) == {
        "label",
        "mode",
        "entitiesUrl",
        "helperUrl",
        "picture",
    }
    assert schema["properties"]["picture"] == {"type": "string", "format": "binary"}
    assert set(schema["required"]) == {"label", "picture"}
    assert [parameter["name"] for parameter in operation["parameters"]] == ["words"]


@pytest.mark.parametrize(
    "path", ["/files/{file_id}/", "/plugins/uploads@v2-0-0/pictures/{number}/"]
)
def test_downloads_are_documented_with_ranges_and_headers(
    document: dict[str, Any], path: str
) -> None:
    responses = document["paths"][path]["get"]["responses"]
    assert {"200", "206", "304", "404", "416"} <= set(responses)
    binary = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    assert responses["200"]["content"] == responses["206"]["content"] == binary
    assert "Content-Disposition" in responses["200"]["headers"]
    assert "Content-Range" in responses["206"]["headers"]


def test_a_plugin_that_cannot_be_documented_leaves_nothing_behind(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("a_broken.py", BROKEN.replace("{SECOND}", "float('nan')"))
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder), PUBLISHED])
    problems = state_of(app).registry.problems
    assert [Path(problem.source).name for problem in problems] == ["a_broken.py"]
    document = app.test_client().get("/api-spec.json").json
    assert document is not None
    assert errors_of(document) == []
    assert not [path for path in document["paths"] if "broken" in path]
    assert "broken@1-0-0" not in [tag["name"] for tag in document["tags"]]
    # What the broken one was the first to need is there for those that follow.
    assert "NOT_FOUND" in document["components"]["responses"]


def test_values_that_json_does_not_know_are_written_as_text(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("odd.py", BROKEN.replace("{SECOND}", "HTTPStatus"))
    document = document_of(make_app(PLUGIN_FOLDERS=[str(plugin_folder)]))
    assert document["paths"]["/plugins/broken@1-0-0/first/{name}/"]


def test_the_document_carries_an_etag_and_is_not_sent_twice(client: FlaskClient) -> None:
    first = client.get("/api-spec.json")
    assert first.mimetype == "application/json"
    etag = first.headers["ETag"]
    assert client.get("/api-spec.json").headers["ETag"] == etag
    again = client.get("/api-spec.json", headers={"If-None-Match": etag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
    other = client.get("/api-spec.json", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
    weak = client.get("/api-spec.json", headers={"If-None-Match": f'W/{etag}, "x"'})
    assert weak.status_code == 304


def test_head_tells_the_same_without_the_document(client: FlaskClient) -> None:
    whole, head = client.get("/api-spec.json"), client.head("/api-spec.json")
    assert (head.status_code, head.data) == (200, b"")
    for name in ("ETag", "Content-Length", "Content-Type", "Cache-Control"):
        assert head.headers[name] == whole.headers[name]


def test_the_server_is_where_the_client_reaches_it(app: Flask) -> None:
    def servers(client: Client, path: str) -> Any:
        return client.get(path).json["servers"]  # type: ignore[index]

    below: Any = DispatcherMiddleware(Response(status=404), {"/pre/fix": app})
    assert servers(app.test_client(), "/api-spec.json") == [{"url": "/"}]
    assert servers(Client(below), "/pre/fix/api-spec.json") == [{"url": "/pre/fix"}]


def test_every_client_gets_the_same_document(make_app: AppFactory) -> None:
    client = make_app(PLUGIN_FOLDERS=[DOCUMENTED]).test_client()
    german = client.get("/api-spec.json", headers={"Accept-Language": "de"})
    assert german.data == client.get("/api-spec.json").data
    assert b"Takes and gives files." in german.data


def test_a_large_document_goes_out_packed_to_those_who_take_it(
    make_app: AppFactory,
) -> None:
    client = make_app().test_client()
    plain = client.get("/api-spec.json")
    packed = client.get("/api-spec.json", headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 3
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["ETag"] != packed.headers["ETag"]


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0, *;q=0", "br"])
def test_who_does_not_take_gzip_gets_none(make_app: AppFactory, accepted: str) -> None:
    client = make_app().test_client()
    answer = client.get("/api-spec.json", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.headers


def test_each_form_of_a_document_is_known_by_its_own_tag(make_app: AppFactory) -> None:
    client = make_app().test_client()
    gzip_too = {"Accept-Encoding": "gzip"}
    packed = client.get("/api-spec.json", headers=gzip_too).headers["ETag"]
    same = client.get("/api-spec.json", headers={**gzip_too, "If-None-Match": packed})
    other = client.get("/api-spec.json", headers={"If-None-Match": packed})
    assert (same.status_code, other.status_code) == (304, 200)
