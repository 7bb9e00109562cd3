"""Plugins of installed packages: imported by their real names, and served by each app."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from flask import Flask

from app_runner.state import state_of
from tests.conftest import AppFactory
from tests.sources.conftest import plugin_source, wheel

CLASSIC = """
    from app_runner.plugin_api import CELERY, PluginBase, SecurityBlueprint

    BLUEPRINT = SecurityBlueprint("classic", __name__, description="Classic.")

    @BLUEPRINT.route("/")
    def view() -> str:
        return Classic.instance.name

    @CELERY.task()
    def job() -> str:
        return Classic.instance.app.config["APP_RUNNER_INSTANCE_FOLDER"]

    class Classic(PluginBase):
        name, version = "classic", "1"

        def get_api_blueprint(self):
            return BLUEPRINT
"""
PACKAGE = "ar_packaged"
ENTRIES = """
    [app_runner.plugins]
    module = ar_packaged
    object = ar_packaged.simple:plugin
    broken = ar_packaged.broken
    absent = ar_packaged.absent
    none = ar_packaged.text:TEXT
"""
Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a package with these entry points on the path."""
    files = {
        "__init__.py": "from . import classic\n",
        "classic.py": dedent(CLASSIC),
        "simple.py": plugin_source("simple"),
        "broken.py": "from . import half\nraise ValueError('broken on purpose')\n",
        "half.py": "from app_runner.plugin_api import CELERY\nCELERY.task(print)\n",
        "text.py": "TEXT = 'text'\n",
    }

    def put(entries: str) -> None:
        content = {f"{PACKAGE}/{name}": text for name, text in files.items()}
        made = wheel(tmp_path, PACKAGE, "1.5", files=content, entry_points=entries)
        zipfile.ZipFile(made).extractall(tmp_path / "site")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))

    yield put
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def served(app: Flask) -> list[str]:
    return [plugin.identifier for plugin in state_of(app).registry]


def test_entry_points_are_served_and_what_fails_is_a_problem(
    install: Install, make_app: AppFactory
) -> None:
    install(ENTRIES)
    app = make_app()
    assert served(app) == ["classic@1", "simple@1-0-0"]
    problems = {p.source: p.message for p in state_of(app).registry.problems}
    assert set(problems) == {
        f"{PACKAGE} 1.5 ({PACKAGE}.{name})" for name in ("broken", "absent", "text:TEXT")
    }
    assert "broken on purpose" in problems[f"{PACKAGE} 1.5 ({PACKAGE}.broken)"]
    assert (
        f"{PACKAGE} 1.5" in app.test_cli_runner().invoke(args=["plugins", "list"]).output
    )


def test_two_apps_share_modules_but_neither_objects_nor_tasks(
    install: Install, make_app: AppFactory
) -> None:
    install(ENTRIES)
    apps = [make_app(), make_app()]
    assert [served(app) for app in apps] == [["classic@1", "simple@1-0-0"]] * 2
    answers = [app.test_client().get("/plugins/classic@1/").text for app in apps]
    assert answers == ["classic", "classic"]
    for app in apps:
        assert app.test_client().get("/plugins/simple@1-0-0/").status_code == 200
        tasks = state_of(app).celery.tasks
        assert {"simple@1-0-0.work", f"{PACKAGE}.classic.job"} <= set(tasks)
        with app.app_context():
            folder = tasks[f"{PACKAGE}.classic.job"].apply().get()
        assert folder == app.config["APP_RUNNER_INSTANCE_FOLDER"]
    for one, other in zip(*(state_of(app).registry for app in apps), strict=True):
        assert one is not other
        assert (one.app, other.app) == tuple(apps)


def test_a_package_that_is_named_twice_is_served_once(
    install: Install, make_app: AppFactory
) -> None:
    install("""
        [app_runner.plugins]
        one = ar_packaged
        two = ar_packaged.classic:Classic
        """)
    for app in (make_app(), make_app()):
        assert served(app) == ["classic@1"]
        assert state_of(app).registry.problems == []
        assert app.test_client().get("/plugins/classic@1/").text == "classic"
