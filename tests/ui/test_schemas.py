"""Schemas: keys on the wire, form validation, plugin metadata."""

from __future__ import annotations

from enum import Enum
from typing import Any

import marshmallow as ma
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import EXCLUDE, fields, post_load
from marshmallow.validate import Range

from app_runner.api.fields import EnumField, FileUrl
from app_runner.api.plugin_schemas import (
    PluginMetadataSchema,
    WebhookParamsSchema,
    metadata_document,
)
from app_runner.api.schemas import FrontendFormBaseSchema, MaBaseSchema, camel_case
from app_runner.plugins.metadata import (
    ApiLink,
    DataMetadata,
    EntryPoint,
    InputDataMetadata,
    OutputDataMetadata,
    PluginDependencyMetadata,
    PluginMetadata,
    PluginType,
)


class Variant(Enum):
    fast = "Fast"
    exact = "Exact"


class Parameters(FrontendFormBaseSchema):
    input_url = FileUrl(required=True, data_input_type="entity/list")
    number_of_clusters = fields.Integer(required=True, validate=Range(min=1))
    other = fields.String(data_key="given_key")
    variant = EnumField(Variant, required=True)

    @post_load
    def as_object(self, data: dict[str, Any], **_: Any) -> tuple[str, int]:
        return data["input_url"], data["number_of_clusters"]


def test_keys_are_camel_case_and_keep_their_order() -> None:
    schema = Parameters()
    assert [field.data_key for field in schema.fields.values()] == [
        "inputUrl",
        "numberOfClusters",
        "givenKey",
        "variant",
    ]
    assert camel_case("ID") == "ID"
    assert camel_case("step_2_input") == "step2Input"


def test_a_form_loads_and_ignores_what_it_does_not_know() -> None:
    data = {
        "inputUrl": "data:,x",
        "numberOfClusters": "3",
        "variant": "fast",
        "submit": "",
    }
    assert Parameters().load(data) == ("data:,x", 3)


def test_errors_come_as_the_result_under_wire_names() -> None:
    schema = Parameters(validate_errors_as_result=True, partial=True, unknown=EXCLUDE)
    errors = schema.load({"inputUrl": "no", "numberOfClusters": "0", "extra": "1"})
    assert errors == {
        "inputUrl": ["Not a valid URL."],
        "numberOfClusters": ["Must be greater than or equal to 1."],
    }
    # Partial data would break the post_load hook, which must not run.
    assert schema.load({"numberOfClusters": "2"}) == {}
    assert Parameters(validate_errors_as_result=True).load({})["variant"]


def test_unknown_can_be_set_per_load() -> None:
    schema = Parameters(validate_errors_as_result=True, partial=True)
    assert schema.load({"x": 1}) == {}
    assert schema.load({"x": 1}, unknown=ma.RAISE) == {"x": ["Unknown field."]}


def test_an_input_left_empty_is_no_value() -> None:
    class Optional(FrontendFormBaseSchema):
        text = fields.String()
        number = fields.Integer(allow_none=True)
        date = fields.Date()
        link = fields.Url(required=True)
        several = fields.List(fields.String())

    blank = {"text": "", "number": "", "date": " ", "several": [""]}
    assert Optional().load({**blank, "link": "http://example.org"}) == {
        "text": "",
        "number": None,
        "link": "http://example.org",
        "several": [""],
    }
    assert Optional().validate({"link": ""}) == {
        "link": ["Missing data for required field."]
    }
    assert (
        Optional(many=True).load([{"number": "", "link": "http://a.de"}])[0]["number"]
        is None
    )


def test_a_schema_takes_a_context_as_in_marshmallow_3() -> None:
    assert MaBaseSchema(context={"a": 1}).context == {"a": 1}
    assert MaBaseSchema().context == {}


def plugin() -> PluginMetadata:
    return PluginMetadata(
        title="Word count",
        description="Counts words.",
        name="word-count",
        version="1.0.0",
        type=PluginType.processing,
        entry_point=EntryPoint(
            href="./process/",
            ui_href="./ui/",
            data_input=[
                DataMetadata("text", ["text/plain"], True),
                InputDataMetadata("text", ["text/plain"], False, parameter="inputUrl"),
            ],
            data_output=[
                DataMetadata("entity/list", ["text/csv"], True),
                OutputDataMetadata("entity/list", ["text/csv"], True, name=None),
            ],
            plugin_dependencies=[
                PluginDependencyMetadata("plugin", True, tags=["a", "!b"]),
                PluginDependencyMetadata(
                    "p", False, "n", "1", None, PluginType.conversion
                ),
            ],
        ),
        tags=["text"],
        links=[ApiLink("search", "./search/")],
    )


def test_metadata_is_dumped_as_clients_read_it() -> None:
    document = PluginMetadataSchema().dump(plugin())
    assert document["type"] == "processing"
    assert document["entryPoint"] == {
        "href": "./process/",
        "uiHref": "./ui/",
        "pluginDependencies": [
            {"parameter": "plugin", "required": True, "tags": ["a", "!b"]},
            {
                "parameter": "p",
                "required": False,
                "name": "n",
                "version": "1",
                "type": "conversion",
            },
        ],
        "dataInput": [
            {"dataType": "text", "contentType": ["text/plain"], "required": True},
            {
                "dataType": "text",
                "contentType": ["text/plain"],
                "required": False,
                "parameter": "inputUrl",
            },
        ],
        "dataOutput": [
            {"dataType": "entity/list", "contentType": ["text/csv"], "required": True},
            {
                "dataType": "entity/list",
                "contentType": ["text/csv"],
                "required": True,
                "name": None,
            },
        ],
    }
    assert document["links"] == [{"type": "search", "href": "./search/"}]


texts = st.text(max_size=5)
lists = st.lists(texts, max_size=2)
data = st.one_of(
    st.builds(DataMetadata, texts, lists, st.booleans()),
    st.builds(InputDataMetadata, texts, lists, st.booleans(), texts),
    st.builds(OutputDataMetadata, texts, lists, st.booleans(), st.none() | texts),
)
dependencies = st.builds(
    PluginDependencyMetadata,
    texts,
    st.booleans(),
    st.none() | texts,
    st.none() | texts,
    st.none() | lists,
    st.none() | st.sampled_from(PluginType),
)
entry_points = st.builds(
    EntryPoint,
    texts,
    texts,
    st.lists(data, max_size=3),
    st.lists(data, max_size=3),
    st.lists(dependencies, max_size=3),
)
plugins = st.builds(
    PluginMetadata,
    texts,
    texts,
    texts,
    texts,
    st.sampled_from(PluginType),
    entry_points,
    lists,
    st.lists(st.builds(ApiLink, texts, texts), max_size=2),
)


@given(plugins)
def test_the_short_way_of_dumping_metadata_says_what_the_fields_say(
    metadata: PluginMetadata,
) -> None:
    by_fields = ma.Schema.dump(PluginMetadataSchema(), metadata)
    assert metadata_document(metadata) == by_fields


def test_a_changed_schema_is_dumped_by_its_fields() -> None:
    class WithMore(PluginMetadataSchema):
        extra = fields.Constant("x")

    assert WithMore().dump(plugin())["extra"] == "x"
    assert set(PluginMetadataSchema(only=("name", "version")).dump(plugin())) == {
        "name",
        "version",
    }
    assert "tags" not in PluginMetadataSchema(exclude=("tags",)).dump(plugin())
    assert len(PluginMetadataSchema(many=True).dump([plugin(), plugin()])) == 2


def test_entry_points_do_not_share_their_lists() -> None:
    first, second = EntryPoint("a", "b"), EntryPoint("c", "d")
    first.data_input.append(DataMetadata("x", [], True))
    assert second.data_input == []


def test_webhook_calls_name_a_task_and_an_event() -> None:
    schema = WebhookParamsSchema(partial=True)
    query = {"source": "http://runner:5005/tasks/1-abc/", "event": "status"}
    assert schema.load(query) == query
    assert schema.validate({"source": "file:///etc/passwd"})
