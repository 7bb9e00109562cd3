"""Two runners in one process share nothing."""

from __future__ import annotations

import pytest
from flask import Flask

from app_runner.db.models import PluginState, ProcessingTask
from app_runner.state import LOADING, current_runner, loading, state_of
from tests.conftest import AppFactory, PluginFolder

PLUGIN = """
    from app_runner.plugin_api import Plugin

    plugin = Plugin("one", "1.0.0")

    @plugin.processor()
    def one(task, word: str) -> str:
        return word
"""


@pytest.fixture
def two(make_app: AppFactory, plugin_folder: PluginFolder) -> tuple[Flask, Flask]:
    plugin_folder.add("one.py", PLUGIN)
    return make_app(PLUGIN_FOLDERS=[str(plugin_folder)], SOME_KEY="first"), make_app()


def test_the_current_runner_is_that_of_the_current_app(two: tuple[Flask, Flask]) -> None:
    for app in two:
        with app.app_context():
            assert current_runner.app is app
            assert current_runner.settings is state_of(app).settings


def test_no_part_is_shared(two: tuple[Flask, Flask]) -> None:
    one, other = (state_of(app) for app in two)
    for part in ("ids", "fetcher", "celery", "stores", "api", "registry", "caches"):
        assert getattr(one, part) is not getattr(other, part)
    assert one.stores["memory"] is not other.stores["memory"]


def test_plugins_settings_and_tasks_of_one_are_unknown_to_the_other(
    two: tuple[Flask, Flask],
) -> None:
    one, other = (state_of(app) for app in two)
    assert [plugin.identifier for plugin in one.registry] == ["one@1-0-0"]
    assert list(other.registry) == []
    assert "SOME_KEY" not in other.settings
    own = set(one.celery.tasks) - set(other.celery.tasks)
    assert any("one" in name for name in own)
    assert two[0].test_client().get("/plugins/one@1-0-0/").status_code == 200
    assert two[1].test_client().get("/plugins/one@1-0-0/").status_code == 404


def test_rows_and_ids_of_one_are_unknown_to_the_other(two: tuple[Flask, Flask]) -> None:
    one, other = two
    with one.app_context():
        ProcessingTask("mine").save(commit=True)
        PluginState.set_value("p", "k", 1, commit=True)
    with other.app_context():
        assert ProcessingTask.get_by_id(1) is None
        assert PluginState.get_value("p", "k", None) is None
    signed = state_of(one).ids.sign("task", 1)
    assert state_of(other).ids.verify("task", signed) is None


def test_loading_names_the_app_only_while_it_lasts(shared_app: Flask) -> None:
    def fail_while_loading() -> None:
        with loading(shared_app) as record:
            assert LOADING.get() is record
            assert current_runner.app is shared_app
            raise LookupError

    with pytest.raises(LookupError):
        fail_while_loading()
    assert LOADING.get() is None


def test_without_an_app_there_is_no_current_runner() -> None:
    with pytest.raises(RuntimeError, match="application context"):
        _ = current_runner.app
