"""Habits of marshmallow 3 work in plugins in the old style, and nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import marshmallow
import pytest
from flask import Flask

from app_runner.api import fields as our_fields
from app_runner.compat.fields import arguments_of, modern, stand_in
from app_runner.compat.habits import BUILTINS, OVERLAYS
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder

pytest_plugins = ["pytester"]

SCHEMAS = """
    import marshmallow
    import marshmallow as ma
    import marshmallow.fields as by_path
    from flask import Markup, Flask
    from marshmallow import EXCLUDE, Schema, fields
    from marshmallow.fields import String
    from marshmallow.utils import INCLUDE

    class OldField(fields.Field):
        def __init__(self, **kwargs):
            super().__init__(missing=7, unit="m", **kwargs)

        def _deserialize(self, value, attr, data, **kwargs):
            return int(value)

    class Old(Schema):
        a = fields.Integer(missing=3, description="An a.")
        b = ma.fields.String(default="x", allow_None=True, metadata={"label": "B"})
        c = marshmallow.fields.Number()
        d = by_path.Mapping(missing=None)
        e = fields.List(String, missing=list)
        f = OldField()
        g = fields.Nested(lambda: Old(only=("a",)), missing=None)

    def later():
        from marshmallow.fields import Integer
        return Integer(missing=1)
"""
PLUGIN = """
    try:
        from . import schemas
    except ImportError:
        raise
    from {package}.util.plugins import QHAnaPluginBase

    class Styled(QHAnaPluginBase):
        name, version = "{name}", "1"
"""
NEW = """
    import marshmallow
    from app_runner.plugin_api import Plugin, PluginBase

    fields = marshmallow.fields

    class New(PluginBase):
        name, version = "new", "1"
"""


@pytest.fixture
def app(make_app: AppFactory, plugin_folder: PluginFolder) -> Flask:
    plugin_folder.add("old/schemas.py", SCHEMAS)
    plugin = PLUGIN.format(package="qhana_plugin_runner", name="old")
    plugin_folder.add("old/__init__.py", plugin)
    plugin_folder.add("new.py", NEW)
    return make_app(PLUGIN_FOLDERS=[str(plugin_folder)])


def module_of(app: Flask, identifier: str) -> Any:
    loaded = state_of(app).registry.get(identifier)
    assert loaded is not None, state_of(app).registry.problems
    return sys.modules[type(loaded.plugin).__module__]


def test_a_package_in_the_old_style_has_them_in_all_its_modules(app: Flask) -> None:
    schemas = module_of(app, "old@1").schemas
    old = schemas.Old()
    assert "qhana" not in SCHEMAS
    assert old.load({"c": "3"}) == {
        "a": 3,
        "c": 3.0,
        "d": None,
        "e": [],
        "f": 7,
        "g": None,
    }
    assert old.dump({}) == {"b": "x"}
    assert old.fields["a"].metadata == {"description": "An a."}
    assert old.fields["b"].metadata == {"label": "B", "allow_None": True}
    assert old.fields["f"].metadata == {"unit": "m"}
    assert schemas.later().load_default == 1
    assert schemas.INCLUDE == marshmallow.INCLUDE
    assert schemas.Markup("<b>").unescape() == "<b>"
    assert schemas.Schema is marshmallow.Schema
    assert schemas.Flask is Flask


def test_other_plugins_and_the_runner_do_not(app: Flask) -> None:
    new = module_of(app, "new@1")
    assert new.marshmallow is marshmallow
    assert new.fields is marshmallow.fields
    with pytest.raises(TypeError, match="missing"):
        new.fields.String(missing=1)
    with pytest.raises(TypeError, match="abstract"):
        new.fields.Number()
    assert sys.modules["marshmallow"] is marshmallow
    assert vars(new)["__builtins__"] is not BUILTINS


def test_old_and_new_fields_are_of_one_kind(app: Flask) -> None:
    fields = module_of(app, "old@1").schemas.fields
    assert isinstance(fields.String(), marshmallow.fields.String)
    assert isinstance(marshmallow.fields.String(), fields.String)
    assert isinstance(marshmallow.fields.Integer(), fields.Number)
    assert issubclass(marshmallow.fields.Integer, fields.Field)
    assert issubclass(fields.Integer, fields.Number)
    assert issubclass(fields.Dict, fields.Mapping)
    assert not isinstance(marshmallow.fields.String(), fields.Number)
    assert not issubclass(fields.String, fields.Url)
    assert fields.String is fields.String
    assert fields.String.__name__ == "String"


def test_our_own_fields_take_them_too() -> None:
    url = stand_in(our_fields.FileUrl)(missing=None, load_missing=None, unit="m")
    assert url.load_default is None
    assert url.metadata == {"load_missing": None, "unit": "m"}


def test_new_words_win_over_old_ones() -> None:
    known = arguments_of(marshmallow.fields.Url)
    assert {"relative", "load_default", "metadata"} <= known
    both = {"missing": 1, "load_default": 2, "label": "x", "metadata": {"label": "y"}}
    assert modern(both, known) == {"load_default": 2, "metadata": {"label": "y"}}


def test_overlays_look_like_the_modules() -> None:
    for name, overlay in OVERLAYS.items():
        assert overlay.__name__ == name
        assert set(dir(sys.modules[name])) <= set(dir(overlay))
    with pytest.raises(AttributeError):
        OVERLAYS["marshmallow"].none  # noqa: B018


PLUGIN_TEST = """
    import pytest
    from marshmallow import ValidationError
    from {name}.backend.numbers import twice
    from {name}.schemas import Old
    from {name} import Styled, job

    def test_it():
        assert twice(2) == 4
        assert Old().load({{}})["a"] == 3
        assert Styled.instance.identifier == "own-tests@1"
        assert job(4) == 8
"""


@pytest.mark.integration
def test_the_tests_of_a_published_plugin_run(
    pytester: pytest.Pytester, plugin_folder: PluginFolder
) -> None:
    package = "with_tests"
    source = PLUGIN.format(package="qhana_plugin_runner", name="own-tests")
    more = """
    from qhana_plugin_runner.celery import CELERY

    @CELERY.task(name=f"{Styled.instance.identifier}.job")
    def job(number):
        from with_tests.backend.numbers import twice
        return twice(number)
"""
    plugin_folder.add(f"{package}/__init__.py", source + more)
    plugin_folder.add(f"{package}/schemas.py", SCHEMAS)
    plugin_folder.add(f"{package}/backend/__init__.py", "")
    plugin_folder.add(f"{package}/backend/numbers.py", "twice = lambda n: n * 2")
    plugin_folder.add(f"{package}/tests/__init__.py", "")
    plugin_folder.add(f"{package}/tests/test_it.py", PLUGIN_TEST.format(name=package))
    tests = str(Path(plugin_folder) / package / "tests")
    result = pytester.runpytest_subprocess("-p", "app_runner.compat", "-q", tests)
    result.assert_outcomes(passed=1)
