"""Fields for parameters: what a form or a JSON client may send."""

from __future__ import annotations

from enum import Enum
from typing import Any

import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_runner.api.fields import (
    CSVList,
    EnumField,
    FileUrl,
    PluginUrl,
    join_csv,
    split_csv,
)
from app_runner.api.url_check import DATA_SCHEMES, is_url


class Colour(Enum):
    red = "Red wine"
    green = "Green"
    none = 3


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/data.csv",
        "https://user:pass@example.org:8443/a%20b?x=1#y",
        "http://backend:9090/experiments/1/data/x/download?version=latest",
        "http://[::1]:5005/files/1/",
        "ftp://files.example.org/pub",
        "file:///srv/data/a.csv",
        "file://localhost/srv/data/a.csv",
        "data:text/csv,ID%2Chref",
        "data:text/plain;base64,AAAA",
        "http://müller.example/",
        "http://localhost",
    ],
)
def test_file_url_takes_what_inputs_are_given_as(url: str) -> None:
    assert FileUrl(required=True).deserialize(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "example.org/data.csv",
        "javascript:alert(1)",
        "http://",
        "http:///path",
        "http://a b/",
        "http://example.org:99999/",
        "http://example.org:x/",
        "http://-bad-/",
        "http://a..b/",
        "http://[::1/",
        "file://other-host/etc/passwd",
        "file:relative",
        "data:no-comma",
        "http://example.org/\x00",
        "http://example.org/a\u2003b",
        "data:text/plain,a\nb",
        "//example.org/x",
        "mailto:a@example.org",
    ],
)
def test_file_url_refuses_what_is_no_input(url: str) -> None:
    with pytest.raises(ma.ValidationError) as caught:
        FileUrl(required=True).deserialize(url)
    assert caught.value.messages == ["Not a valid URL."]


def test_plugin_url_is_no_file_of_the_machine() -> None:
    field = PluginUrl(plugin_tags=["a", "!b"], plugin_name="x", plugin_version=">=1")
    assert field.metadata == {
        "plugin_tags": ["a", "!b"],
        "plugin_name": "x",
        "plugin_version": ">=1",
    }
    assert field.deserialize("http://runner:5005/plugins/a/")
    with pytest.raises(ma.ValidationError):
        field.deserialize("file:///etc/passwd")


def test_file_url_keeps_types_and_stray_arguments_in_its_metadata() -> None:
    field = FileUrl(
        data_input_type="entity/list",
        data_content_types=["text/csv"],
        load_missing=None,
        metadata={"label": "Entities"},
    )
    assert field.metadata == {
        "data_input_type": "entity/list",
        "data_content_types": ["text/csv"],
        "load_missing": None,
        "label": "Entities",
    }


def test_empty_text_means_no_value() -> None:
    assert FileUrl(allow_none=True).deserialize("") is None
    assert FileUrl(required=True, allow_none=True).deserialize(" ") is None
    left_empty: Any = FileUrl().deserialize("")
    assert left_empty is ma.missing
    assert EnumField(Colour, allow_none=True).deserialize("") is None
    for field in (FileUrl(required=True), EnumField(Colour, required=True)):
        with pytest.raises(ma.ValidationError):
            field.deserialize("")


def test_relative_urls_only_where_allowed() -> None:
    assert FileUrl(relative=True).deserialize("../files/1/") == "../files/1/"
    with pytest.raises(ma.ValidationError):
        FileUrl().deserialize("../files/1/")


def test_own_error_text_is_used() -> None:
    field = FileUrl(error_messages={"invalid": "Give a link."})
    with pytest.raises(ma.ValidationError, match="Give a link"):
        field.deserialize("nothing")


@given(st.text())
def test_any_text_is_a_url_or_is_not(text: str) -> None:
    assert is_url(text, DATA_SCHEMES) in (True, False)


@given(st.sampled_from(["http", "file", ""]), st.text(max_size=30))
def test_no_url_holds_white_space_in_its_address(scheme: str, rest: str) -> None:
    url = f"{scheme}://{rest}"
    if is_url(url, DATA_SCHEMES):
        assert not any(mark.isspace() for mark in url)


def test_enum_goes_by_name() -> None:
    field = EnumField(Colour)
    assert field.deserialize("red") is Colour.red
    assert field.serialize("c", {"c": Colour.red}) == "red"
    for wrong in ("Red wine", "blue", 3, ["red"], {"red": 1}):
        with pytest.raises(ma.ValidationError):
            field.deserialize(wrong)


@pytest.mark.parametrize("value", ["Red wine", "red", Colour.red])
def test_enum_with_use_value_loads_values_too(value: Any) -> None:
    assert EnumField(Colour, use_value=True).deserialize(value) is Colour.red
    assert EnumField(Colour, use_value=True).deserialize("3") is Colour.none


def test_enum_options_are_merged_and_no_choice_comes_first() -> None:
    given_options = {Colour.green: "Leaf", "": "choose one"}
    field = EnumField(Colour, metadata={"label": "C", "options": given_options})
    assert list(field.metadata["options"].items()) == [
        ("", "choose one"),
        ("red", "Red wine"),
        ("green", "Leaf"),
        ("none", "none"),
    ]
    choice: Any = field.validators[0]
    assert choice.choices == ["red", "green", "none"]


def test_csv_list_goes_both_ways() -> None:
    field = CSVList(element_type=ma.fields.Integer(), required=True)
    assert field.deserialize("1, 2,3") == [1, 2, 3]
    assert field.deserialize("") == []
    assert field.deserialize([4, "5"]) == [4, 5]
    assert field.serialize("v", {"v": [1, 2]}) == "1,2"
    with pytest.raises(ma.ValidationError) as caught:
        field.deserialize("1,x,3")
    assert caught.value.messages == {1: ["Not a valid integer."]}
    for wrong in ('"open', 5, {"a": 1}):
        with pytest.raises(ma.ValidationError):
            field.deserialize(wrong)


@given(st.lists(st.text()))
def test_csv_list_loads_what_it_dumps(cells: list[str]) -> None:
    field = CSVList(element_type=ma.fields.String())
    assert field.deserialize(join_csv(cells)) == cells


@given(st.text(alphabet='a," \n'))
def test_csv_split_gives_texts_or_nothing(text: str) -> None:
    cells = split_csv(text)
    assert cells is None or split_csv(join_csv(cells)) == cells
