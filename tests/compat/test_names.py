"""Every name that published plugins use is there, and takes their calls."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.compat.table import TABLE
from app_runner.state import state_of
from app_runner.tasks.recorder import RecordedTask
from tests.compat import generated, names
from tests.conftest import PluginFolder
from tests.plugins.conftest import app_with

URL = "/plugins/every%20name@v1-0"
#: Loaded before, so that Celery is in use when the generated one is loaded.
FIRST = """
    from app_runner.plugin_api import CELERY, PluginBase

    @CELERY.task(name="first.job")
    def job(): ...

    class First(PluginBase):
        name, version = "first", "1"
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = PluginFolder(tmp_path_factory.mktemp("generated"))
    folder.add("a_first_plugin.py", FIRST)
    folder.add("every_name.py", generated.source())
    instance = tmp_path_factory.mktemp("instance")
    with app_with([str(folder)], instance, BROKER_URL="memory://") as app:
        yield app


@pytest.fixture(scope="module")
def module(app: Flask) -> ModuleType:
    loaded = state_of(app).registry.get(generated.IDENTIFIER)
    assert loaded is not None, state_of(app).registry.problems
    return sys.modules[type(loaded.plugin).__module__]


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def resolved(dotted: str) -> Any:
    """Import as far as there are modules, then follow attributes."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in TABLE:
            found = import_module(f"{names.PACKAGE}.{'.'.join(parts[:length])}")
            return reduce(getattr, parts[length:], found)
    raise AssertionError(dotted)


def test_a_plugin_that_uses_every_name_loads(app: Flask, module: ModuleType) -> None:
    assert state_of(app).registry.problems == []
    assert module.ON_INSTANCE["identifier"] == generated.IDENTIFIER


@pytest.mark.parametrize("dotted", [".".join(pair) for pair in generated.imported()])
def test_every_name_is_there_and_missing_ones_would_be_seen(dotted: str) -> None:
    module, _, name = dotted.rpartition(".")
    statement = f"from {names.PACKAGE}.{module} import {name}"
    exec(statement)  # noqa: S102
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(TABLE[module], name)
        with pytest.raises(ImportError):
            exec(statement)  # noqa: S102


def test_every_attribute_is_there(app: Flask, module: ModuleType) -> None:
    with app.app_context():
        used = module.uses()
    wanted = sum(len(text.split()) for text in names.ATTRIBUTES.values())
    assert len(used) == wanted
    assert not [name for name, value in used.items() if value is None]


@pytest.mark.parametrize("dotted", names.CALLS)
def test_calls_have_the_shape_that_is_taken(app: Flask, dotted: str) -> None:
    with app.app_context():
        for call in names.CALLS[dotted]:
            count, *keywords = call.split()
            signature(callable_of(dotted)).bind(
                *[None] * int(count), **dict.fromkeys(keywords)
            )


def callable_of(dotted: str) -> Any:
    """Give what is called in the end: for ``task.s`` it is the task's function."""
    owner, _, name = dotted.rpartition(".")
    if name in ("s", "si"):
        task = resolved(owner)
        assert isinstance(task, RecordedTask)
        function = task.run_function
        return function.__get__(task) if task.options.get("bind") else function
    return resolved(dotted)


def test_its_tasks_are_declared_with_all_options(app: Flask, module: ModuleType) -> None:
    celery = state_of(app).celery
    for number in range(len(names.DECORATORS["CELERY.task"])):
        task = getattr(module, f"job{number}")
        with app.app_context():
            assert task(db_id=7) == f"job{number} of 7"
        assert celery.tasks[task.name].name == task.name
    assert celery.tasks["every name@v1-0.job5"].max_retries == 2


def test_what_waits_for_celery_is_called(app: Flask, module: ModuleType) -> None:
    assert [(state_of(app).celery, True)] == module.FINALIZED


def test_its_metadata_and_form_are_served(client: FlaskClient) -> None:
    assert client.get(f"{URL}/").get_json()["type"] == "interaction"
    page = client.get(f"{URL}/ui/").text
    for number in range(len(names.FIELDS.split())):
        assert f'id="field{number}"' in page
    assert client.get(f"{URL}/table/").content_type.startswith("text/csv")


def test_its_entry_point_takes_a_form(client: FlaskClient) -> None:
    wrong = client.post(f"{URL}/process/", data={"field1": "x"})
    assert wrong.status_code == 422
    assert {"field1", "keyword0"} <= wrong.get_json()["errors"]["form"].keys()
    answer = client.post(f"{URL}/process/?one=1", data={"keyword0": "given"})
    assert answer.status_code == 303, answer.text
    assert client.get(answer.location).get_json()["status"] == "PENDING"


def test_its_api_is_documented(client: FlaskClient) -> None:
    document = client.get("/api-spec.json").get_json()
    assert f"{URL}/process/" in document["paths"]
