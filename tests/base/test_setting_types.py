"""Readers of setting values take the documented values and refuse all others in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_runner.setting_types import (
    boolean,
    choice,
    credentials,
    host,
    host_names,
    integer,
    integer_or_zero,
    json_pairs,
    lines,
    networks,
    origins,
    paths,
    text,
    trusted_names,
    url_of,
    url_path,
    urls_of,
)

READERS: list[Callable[[Any], Any]] = [
    text,
    boolean,
    choice("one", "Two"),
    integer(-3, 12),
    lines,
    paths,
    host_names,
    json_pairs,
    url_of("redis", "amqp"),
    urls_of("redis", "amqp"),
    host,
    url_path,
    trusted_names,
    networks,
    origins,
    credentials,
    integer_or_zero(5, 12),
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.sampled_from(READERS), ANYTHING)
def test_a_reader_gives_a_value_that_it_takes_again_or_says_what_is_allowed(
    read: Callable[[Any], Any], value: Any
) -> None:
    refusal = ""
    try:
        found = read(value)
    except ValueError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert refusal or read(found) == found


def test_credentials_name_origins_and_what_is_said_there() -> None:
    given = {"https://a:8443": "Bearer x", "b": "Basic u:p"}
    assert credentials(json.dumps(given)) == tuple(given.items())
    for wrong in ({"ftp://a": "Bearer x"}, {"a/b": "Bearer x"}, {"a": "x"}, {"a": 1}):
        with pytest.raises(ValueError, match="must be"):
            credentials(wrong)


@given(st.integers(-(10**30), 10**30))
def test_integers_are_read_within_their_bounds(number: int) -> None:
    read = integer(-5, 10**12)
    for value in (number, str(number), f" {number} "):
        if -5 <= number <= 10**12:
            assert read(value) == number
        else:
            with pytest.raises(ValueError, match="from -5 to 1000000000000"):
                read(value)


@pytest.mark.parametrize(
    "value", ["", "1.5", "0x1", "1_0", "１", "--1", True, None, "1\n2", 1.5, float("nan")]
)
def test_what_only_looks_like_an_integer_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        integer(0, 99)(value)


def test_words_are_found_in_any_letter_case() -> None:
    assert choice("DEBUG", "INFO")(" debug ") == "DEBUG"
    with pytest.raises(ValueError, match="one of DEBUG, INFO"):
        choice("DEBUG", "INFO")("")


@pytest.mark.parametrize("word", ["1", "true", "Yes", " ON ", True, 1])
def test_words_for_yes(word: Any) -> None:
    assert boolean(word) is True


@pytest.mark.parametrize("word", ["0", "false", "No", "off", "", False, 0])
def test_words_for_no(word: Any) -> None:
    assert boolean(word) is False


@given(st.lists(st.from_regex(r"[a-z/._-]{1,9}", fullmatch=True)))
def test_lists_are_read_from_text_as_they_are(parts: list[str]) -> None:
    assert paths(":".join(parts)) == paths(parts) == tuple(parts)
    assert host_names(",".join(parts)) == host_names(" ".join(parts)) == tuple(parts)
    assert lines("\n".join(parts)) == tuple(parts)


def test_empty_parts_and_comments_are_left_out() -> None:
    assert paths(" a : :b:") == ("a", "b")
    assert paths(Path("/one")) == ("/one",)
    assert lines("# no\ngit+https://x#main\r\n\n  b ") == ("git+https://x#main", "b")
    assert host_names("a, b,,c") == ("a", "b", "c")


WORDS = st.from_regex(r"[a-z]+", fullmatch=True)


@given(st.dictionaries(WORDS, st.text(st.characters(exclude_characters="\\"))))
def test_a_map_keeps_its_order_in_each_form(pairs: dict[str, str]) -> None:
    assert json_pairs(pairs) == json_pairs(json.dumps(pairs)) == tuple(pairs.items())


@pytest.mark.parametrize("value", ["[1]", "7", '"a"', "null", "[[1,2,3]]", 7, None])
def test_a_map_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        json_pairs(value)


@pytest.mark.parametrize(
    "value", [{"(": "x"}, {"a": 1}, '{"a": null}', {"a": r"\1"}, {"a": r"\g<b>"}]
)
def test_a_map_of_something_else_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expression|must be text"):
        json_pairs(value)


def test_a_url_begins_with_one_of_the_schemes() -> None:
    read = url_of("sqlite", "postgresql")
    assert read("postgresql+psycopg://h/d") == "postgresql+psycopg://h/d"
    assert read("") == ""
    for wrong in ("some/path.db", "sqlite", "sqlite:some.db", "http://h", " sqlite://"):
        with pytest.raises(ValueError, match="one of sqlite, postgresql"):
            read(wrong)


def test_several_brokers_may_stand_in_one_setting() -> None:
    read = urls_of("amqp", "redis")
    for url in (
        "amqp://u:p;a@one:5672//;amqp://two",
        "redis+socket:///run/b.sock?virtual_host=0",
        "redis://[::1]:6379/3",
        "",
    ):
        assert read(url) == url
    for wrong in ("redis://host:port", "amqp://one;http://two", "redis://[::1"):
        with pytest.raises(ValueError, match="it must be a URL"):
            read(wrong)


@pytest.mark.parametrize(
    "value", ["a.example.org", "[::1]", ".example.org", "*", "10.0.0.1"]
)
def test_hosts_may_be_names_and_addresses(value: str) -> None:
    assert trusted_names(value) == (value,)


@pytest.mark.parametrize("value", ["http://a", "a:80", "a/b", "::1", "[::1]:80", "ä"])
def test_trusted_hosts_stand_without_scheme_and_port(value: str) -> None:
    with pytest.raises(ValueError, match="no host name"):
        trusted_names(value)


def test_a_server_name_may_have_a_port() -> None:
    for name in ("example.org", "example.org:8443", "[::1]:80", ""):
        assert host(name) == name
    for wrong in ("example.org/x", "http://example.org", "[::1", "a b", "a:port"):
        with pytest.raises(ValueError, match="host name"):
            host(wrong)


def test_networks_that_are_none_are_refused() -> None:
    assert networks("10.1.2.3/8 db.internal,::1") == ("10.1.2.3/8", "db.internal", "::1")
    with pytest.raises(ValueError, match="network"):
        networks("10.0.0.0/33")


def test_origins_may_be_regular_expressions() -> None:
    assert origins("* https://.*") == ("*", "https://.*")
    with pytest.raises(ValueError, match="regular expression"):
        origins("https://(")


@pytest.mark.parametrize("value", ["a\0b", "\udc80", 1, None, b"bytes", ["list"]])
def test_text_can_be_written_down(value: Any) -> None:
    with pytest.raises(ValueError, match="text"):
        text(value)
