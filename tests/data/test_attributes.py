"""Attribute metadata is read from entities, and turns texts into values and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_runner.data.attributes import (
    AttributeMetadata,
    dict_deserializer,
    dict_serializer,
    parse_attribute_metadata,
    parse_bool,
    tuple_deserializer,
    tuple_serializer,
)
from app_runner.data.rows import entity_class

METADATA = parse_attribute_metadata(
    [
        {"ID": "n", "type": "integer"},
        {"ID": "x", "type": "number", "title": "X"},
        {"ID": "yes", "type": "boolean"},
        {"ID": "refs", "type": "ref", "multiple": "true", "refTarget": "a.json"},
        {
            "ID": "list",
            "type": "int",
            "multiple": True,
            "ordered": "yes",
            "separator": "|",
        },
    ]
)
ATTRIBUTES = ["ID", *METADATA]
TEXTS = ("id", "3", "0.5", "true", "a;b", "2|1")
VALUES = ("id", 3, 0.5, True, {"a", "b"}, [2, 1])
NOTHING: tuple[Any, ...] = ("", None, None, None, set(), [])


def test_metadata_is_read_from_entities() -> None:
    metadata = AttributeMetadata.from_dict({"ID": "a", "type": "string", "unit": "m"})
    assert metadata == AttributeMetadata("a", "string", "a", extra={"unit": "m"})
    assert METADATA["refs"].ref_target == "a.json"
    assert METADATA["list"].ordered is True


@given(
    st.builds(
        AttributeMetadata,
        ID=st.text(min_size=1),
        attribute_type=st.text(min_size=1),
        title=st.text(),
        separator=st.text(min_size=1),
        ref_target=st.none() | st.text(),
        multiple=st.booleans(),
        extra=st.dictionaries(st.sampled_from(["unit", "extra"]), st.integers()),
    )
)
def test_metadata_comes_back_from_its_entity(metadata: AttributeMetadata) -> None:
    assert AttributeMetadata.from_dict(metadata.to_dict()) == metadata


@pytest.mark.parametrize(
    ("entity", "said"),
    [
        ({"type": "string"}, "no 'ID'"),
        ({"ID": "a"}, "no 'type'"),
        ({"ID": "a", "type": "x", "multiple": "perhaps"}, "neither true nor false"),
        ({"ID": "a", "type": "x", "multiple": "1", "separator": ""}, "no separator"),
    ],
)
def test_wrong_metadata_is_refused(entity: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_attribute_metadata([entity])


def test_tuples_are_converted() -> None:
    read = tuple_deserializer(ATTRIBUTES, METADATA)
    assert read(TEXTS) == VALUES
    assert read(("", "", "", "", "", "")) == NOTHING
    row = tuple_deserializer(ATTRIBUTES, METADATA, tuple_=entity_class(ATTRIBUTES)._make)
    assert row(TEXTS).get("list") == [2, 1]
    written = tuple_serializer(ATTRIBUTES, METADATA)(VALUES)
    assert written[:4] == ("id", "3", "0.5", "True")
    assert set(written[4].split(";")) == {"a", "b"}
    assert written[5] == "2|1"
    assert tuple_serializer(ATTRIBUTES, METADATA)((None,) * 6) == ("",) * 6


def test_dicts_are_converted_in_place_or_not() -> None:
    entity: dict[str, Any] = {"n": "3", "other": "kept"}
    assert dict_deserializer(ATTRIBUTES, METADATA, in_place=False)(entity)["n"] == 3
    assert entity["n"] == "3"
    assert dict_deserializer(ATTRIBUTES, METADATA)(entity) is entity
    assert entity == {"n": 3, "other": "kept"}
    assert dict_serializer(ATTRIBUTES, METADATA)(entity) == {"n": "3", "other": "kept"}


def test_values_that_came_as_lists_are_taken() -> None:
    read = dict_deserializer(["refs", "list"], METADATA)
    assert read({"refs": ["a"], "list": None}) == {"refs": {"a"}, "list": []}


@given(st.sampled_from(["integer", "number", "boolean"]), st.booleans(), st.data())
def test_values_come_back_from_their_texts(
    kind: str, multiple: bool, data: st.DataObject
) -> None:
    values = {"integer": st.integers(), "number": st.floats(allow_nan=False),
              "boolean": st.booleans()}[kind]  # fmt: skip
    value = data.draw(st.lists(values, min_size=1) if multiple else values)
    metadata = {"a": AttributeMetadata("a", kind, "", multiple=multiple, ordered=True)}
    texts = tuple_serializer(["a"], metadata)((value,))
    assert tuple_deserializer(["a"], metadata)(texts) == (value,)


def test_truth_has_many_spellings() -> None:
    assert all(map(parse_bool, ["1", " TRUE ", "y", "on", True]))
    assert not any(map(parse_bool, ["0", "false", "No", "none", False]))
