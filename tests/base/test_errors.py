"""What errors say: one line, what to do, and no folders of this machine."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_runner import errors
from app_runner.errors import RunnerError, SettingError, without_paths

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value)
    and issubclass(value, Exception)
    and value.__module__ == errors.__name__
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/plugins/x.py is broken", "…/x.py is broken"),
        ("no such file: '/a/b/c d.txt'", "no such file: '…/c d.txt'"),
        ("see http://host/a/b/c", "see http://host/a/b/c"),
        ("see https://host:80/a/b?x=/c/d", "see https://host:80/a/b?x=…/d"),
        ("1/2 and a/b/c", "1/2 and a/b/c"),
        ("(/tmp/x)", "(…/x)"),
        ("/etc", "…/etc"),
        ("nothing", "nothing"),
    ],
)
def test_folders_are_left_out_and_the_rest_stays(text: str, shown: str) -> None:
    assert without_paths(text) == shown


@given(st.text())
def test_any_text_can_be_shown_and_twice_is_once(text: str) -> None:
    assert without_paths(without_paths(text)) == without_paths(text)


@given(st.text("/a.b: ~", max_size=30))
def test_no_folder_of_a_path_is_left(text: str) -> None:
    assert "/secret/" not in without_paths(f"{text} /secret/folder/name.py")


@pytest.mark.parametrize("class_", CLASSES)
def test_each_error_is_the_runners_own_and_says_what_it_means(
    class_: type[Exception],
) -> None:
    assert issubclass(class_, RunnerError)
    assert class_.__doc__


def test_a_setting_error_is_one_line() -> None:
    error = SettingError("NAME", "a file", "it must be\n small", "two\nlines")
    assert str(error) == (
        "Setting NAME (from a file) is 'two\\nlines', which is not allowed: "
        "it must be small"
    )
