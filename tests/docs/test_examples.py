"""The plugins that README and documentation show load, and do what they say."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from flask import Flask

from app_runner.db import DB
from app_runner.db.models import ProcessingTask
from app_runner.state import state_of
from app_runner.tasks import records
from app_runner.tasks.results import open_file
from tests.conftest import AppFactory, PluginFolder
from tests.docs.pages import DOCS, README, blocks

PLUGINS = DOCS / "plugins.md"


def example(page: Path, number: int) -> str:
    """Give a Python block of a page."""
    return blocks(page, "python")[number]


@pytest.fixture
def load(make_app: AppFactory, plugin_folder: PluginFolder) -> Any:
    """Give a function that makes an app with the example as its one plugin."""

    def make(source: str) -> Flask:
        plugin_folder.add("example.py", source)
        app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
        assert state_of(app).registry.problems == []
        assert len(state_of(app).registry) == 1
        return app

    return make


def run_job(app: Flask, name: str, **task: Any) -> tuple[str, dict[str, bytes]]:
    """Run the job of a plugin in this process; gives what it returned, and the files."""
    with app.app_context():
        row = ProcessingTask(name, **task)
        row.save(commit=True)
        log = state_of(app).celery.tasks[name](db_id=row.id)
        row = records.get(row.id)
        files = {}
        for output in row.outputs:
            with open_file(output) as file:
                files[output.file_name] = file.read()
        return str(log or row.task_log), files


def form_of(app: Flask) -> str:
    """Give the form of the one plugin."""
    (plugin,) = state_of(app).registry
    answer = app.test_client().get(f"/plugins/{plugin.identifier}/ui/")
    assert answer.status_code == 200
    return answer.text


def test_the_plugin_of_the_readme_has_ten_lines() -> None:
    lines = example(README, 0).splitlines()
    assert len([line for line in lines if line.strip()]) <= 10


def test_the_plugin_of_the_readme_counts_words(load: Any) -> None:
    app = load(example(README, 0))
    assert 'name="text"' in form_of(app)
    assert 'name="atLeast"' in form_of(app)
    parameters = json.dumps({"text": "a b A", "atLeast": 2})
    log, files = run_job(app, "my-words@1-0-0.count_words", parameters=parameters)
    assert log == "2 different words"
    assert json.loads(files["words.json"]) == {"a": 2}


def test_the_plugin_with_progress_has_twenty_lines() -> None:
    source = example(PLUGINS, 0)
    lines = [line for line in source.splitlines() if line.strip()]
    documented = ast.get_docstring(ast.parse(source))
    assert documented
    assert len(lines) <= 20


def test_the_plugin_with_progress_draws_bars(load: Any) -> None:
    app = load(example(PLUGINS, 0))
    assert "<textarea" in form_of(app)
    parameters = json.dumps({"text": "ab\nabcd", "width": 4})
    log, files = run_job(app, "line-bars@1-0-0.draw", parameters=parameters)
    assert log == "drew 2 bars"
    assert files == {"bars.txt": b"##\n####"}


def test_the_plugin_with_full_control_counts_lines(load: Any) -> None:
    app = load(example(PLUGINS, 1))
    assert 'name="text"' in form_of(app)
    metadata = app.test_client().get("/plugins/count-lines@1-0-0/").json
    assert metadata is not None
    assert metadata["entryPoint"]["dataOutput"][0]["name"] == "count.txt"
    log, files = run_job(app, "count-lines@1-0-0.count", data={"text": "a\nb"})
    assert (log, files) == ("2 lines", {"count.txt": b"2"})


def test_without_a_broker_a_submit_is_accepted_soon_and_waits(load: Any) -> None:
    app = load(example(PLUGINS, 1))
    began = monotonic()
    answer = app.test_client().post(
        "/plugins/count-lines@1-0-0/process/", data={"text": "a"}
    )
    assert monotonic() - began < 2
    assert answer.status_code == 303
    with app.app_context():
        found = DB.session.execute(DB.select(ProcessingTask)).scalars()
        assert [task.status for task in found] == ["PENDING"]


LINES_PAGE = """
{% extends "simple_template.html" %}
{% block content %}
{% if lines is defined %}<pre>{{ lines | join("|") }}</pre>{% endif %}
{% if lines is not defined %}{{ super() }}{% endif %}
{% endblock %}
"""


def test_the_viewer_shows_lines(load: Any, plugin_folder: PluginFolder) -> None:
    plugin_folder.add("templates/line_viewer.html", LINES_PAGE)
    app = load(next(b for b in blocks(PLUGINS, "python") if "(Viewer)" in b))
    assert 'name="data"' in form_of(app)
    page = "/plugins/line-viewer@1-0-0/ui/"
    shown = app.test_client().get(page, query_string={"data": "data:,one%0A%3Cb%3E"})
    assert "<pre>one|&lt;b&gt;</pre>" in shown.text
    assert "unsafe-inline" not in shown.headers["Content-Security-Policy"]
    refused = app.test_client().get(page, query_string={"data": "data:;base64,%"})
    assert refused.status_code == 422
    assert "The data: URL has broken base64 data." in refused.text
    sent = app.test_client().post(page, data={"data": "http://a/"})
    assert (sent.status_code, sent.location) == (303, f"{page}?data=http://a/")
    told = app.test_client().get("/plugins/line-viewer@1-0-0/").get_json()
    assert told["entryPoint"]["dataInput"][0]["contentType"] == ["text/*"]
