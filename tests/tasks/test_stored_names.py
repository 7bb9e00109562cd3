"""Names of functions are stored with a question; they lead to the plugin only."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from app_runner.errors import UserError
from app_runner.tasks import asking


def go_on() -> None:
    """Stand for the function that an answer starts."""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a module of an installed plugin."""
    module = ModuleType("some_plugin.steps")
    monkeypatch.setitem(vars(module), "go_on", go_on)
    monkeypatch.setitem(sys.modules, "some_plugin.steps", module)
    return "some_plugin.start"


def test_a_function_of_the_plugin_is_found(module: str) -> None:
    assert asking.find("some_plugin.steps:go_on", module) is go_on


@pytest.mark.parametrize("name", ["os:system", "some_plugin_2:go_on", "", ":", "os"])
def test_nothing_else_is(app: object, module: str, name: str) -> None:
    with pytest.raises(UserError):
        asking.find(name, module)
