"""Each way a plugin can fail: it is a problem, the rest works, nothing is left."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.plugins.registry import Problem
from app_runner.state import state_of
from tests.conftest import PluginFolder
from tests.plugins.conftest import CLASSIC, GOOD, app_with


@dataclass(frozen=True)
class Fault:
    """A faulty file, and what its problem must say."""

    source: str
    part: str
    message: str


def classic(name: str, more: str = "") -> str:
    return CLASSIC.format(name=name) + more


FAULTS = {
    "import": Fault("raise ValueError('oh no')", "import", "ValueError: oh no"),
    "syntax": Fault("def broken(:", "import", "SyntaxError: .*"),
    "system_exit": Fault("import sys; sys.exit(3)", "import", "SystemExit: 3"),
    "missing_library": Fault(
        "import no_such_library", "import", "ModuleNotFoundError: .*no_such_library.*"
    ),
    "late_in_import": Fault(
        classic("late_in_import", "    raise KeyError('late')"),
        "import",
        "KeyError: 'late'",
    ),
    "speechless": Fault(
        """
        class Speechless(Exception):
            def __str__(self):
                raise ValueError

        raise Speechless
        """,
        "import",
        ".*Speechless.*",
    ),
    "odd_text": Fault(
        "raise ValueError('half a \\ud800 pair, a \\0')", "import", "ValueError: half.*"
    ),
    "constructor": Fault(
        classic("constructor", "        def __init__(self, _): raise OSError('no disk')"),
        "constructor of Faulty",
        "OSError: no disk",
    ),
    "own_making": Fault(
        classic("own_making", "        def __init__(self, app): Faulty.instance"),
        "constructor of Faulty",
        "Faulty.instance is used in its own making",
    ),
    "instance_in_import": Fault(
        classic("instance_in_import", "        def __init__(self, _): raise OSError('x')")
        + "\n    Faulty.instance.identifier",
        "import",
        "OSError: x",
    ),
    "init_app": Fault(
        classic("init_app", "        def init_app(self, app): app.config['NO_SUCH_KEY']"),
        "constructor of Faulty",
        "KeyError: 'NO_SUCH_KEY'",
    ),
    "get_api_blueprint": Fault(
        classic("get_api", "        def get_api_blueprint(self): return 1 / 0"),
        "declaration",
        "ZeroDivisionError: .*",
    ),
    "lazy_import": Fault(
        classic("lazy", "        def get_api_blueprint(self): from . import nothing"),
        "declaration",
        "ImportError: .*",
    ),
    "no_blueprint": Fault(
        classic("no_blueprint", "        def get_api_blueprint(self): return 'routes'"),
        "declaration",
        "get_api_blueprint gave a str",
    ),
    "registration": Fault(
        classic("registration", "    BLUEPRINT.record(lambda state: 1 / 0)"),
        "declaration",
        "ZeroDivisionError: .*",
    ),
    "bad_rule": Fault(
        classic("bad_rule", "    BLUEPRINT.add_url_rule('/<no_such:x>/', 'x', view)"),
        "declaration",
        "LookupError: .*no_such.*",
    ),
    "bad_schema": Fault(
        classic(
            "bad_schema",
            """
    import marshmallow as ma

    class BadSchema(ma.Schema):
        number = ma.fields.Integer(metadata={"example": float("nan")})

    @BLUEPRINT.route("/with-schema/")
    @BLUEPRINT.response(200, BadSchema)
    def other() -> dict: ...
            """,
        ),
        "declaration",
        "ValueError: .*JSON.*",
    ),
    "twice_in_module": Fault(
        classic("twice", "    CELERY.task(name='left-behind.twice')(lambda: None)"),
        "declaration",
        "the task name 'left-behind.twice' is declared twice",
    ),
    "twice_across": Fault(
        classic("across", "    CELERY.task(name='good@1-0-0.work')(lambda: None)"),
        "declaration",
        "the task name 'good@1-0-0.work' is declared twice",
    ),
    "task_of_the_runner": Fault(
        classic("core_task", "    CELERY.task(name='app-runner.save-result')(print)"),
        "declaration",
        "the task name 'app-runner.save-result' is declared twice",
    ),
    "bad_task_option": Fault(
        classic("bad_option", "    CELERY.task(name='left.x', base=3)(lambda: 1)"),
        "declaration",
        ".*",
    ),
    "taken_name": Fault(
        GOOD.replace("def work", "def other_work"),
        "declaration",
        "good@1-0-0 is already served from .*good.py",
    ),
    "taken_blueprint": Fault(
        classic("taken_blueprint", "    BLUEPRINT.name = 'tasks-api'"),
        "declaration",
        "the blueprint name 'tasks-api' is taken",
    ),
    "no_version": Fault(
        classic("no_version", "        version = ''"),
        "declaration",
        "plugin 'no_version' has no version",
    ),
    "bad_version": Fault(
        classic("bad_version", "        version = 'newest'"),
        "declaration",
        "plugin 'bad_version' has the version 'newest', .*",
    ),
    "number_as_version": Fault(
        classic("number_as_version", "        version = 1.0"),
        "declaration",
        "plugin 'number_as_version' has no version",
    ),
    "no_name": Fault(
        classic("no_name", "        name = ''"),
        "declaration",
        "the plugin needs a name .*",
    ),
    "name_like_a_rule": Fault(
        classic("name_like_a_rule", "        name = '<path:all>'"),
        "declaration",
        "the name '<path:all>' has characters .*",
    ),
    "name_like_a_path": Fault(
        classic("name_like_a_path", "        name = '../tasks'"),
        "declaration",
        "the name '../tasks' has characters .*",
    ),
    "tags_none": Fault(
        classic("tags_none", "        tags = None"), "declaration", ".*tags.*texts"
    ),
    "tags_text": Fault(
        classic("tags_text", "        tags = 'one two'"), "declaration", ".*tags.*texts"
    ),
    "unknown_annotation": Fault(
        GOOD.replace("word: str", "word: bytes"), "import", ".*no form field is known.*"
    ),
    "nothing": Fault("VALUE = 1", "import", "the file declares no plugin"),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Give an app with a good plugin, and each faulty one, loaded after it."""
    folder = PluginFolder(tmp_path_factory.mktemp("plugins"))
    folder.add("good.py", GOOD)
    for name, fault in FAULTS.items():
        folder.add(f"x_{name}.py", fault.source)
    with app_with([str(folder)], tmp_path_factory.mktemp("instance")) as app:
        yield app


@pytest.fixture(scope="module")
def clean_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Give an app with the good plugin only."""
    folder = PluginFolder(tmp_path_factory.mktemp("plugins"))
    folder.add("good.py", GOOD)
    with app_with([str(folder)], tmp_path_factory.mktemp("instance")) as app:
        yield app


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def problem_of(app: Flask, name: str) -> Problem:
    problems = state_of(app).registry.problems
    found = [p for p in problems if p.source.endswith(f"/x_{name}.py")]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_listed_with_its_part_and_cause(app: Flask, name: str) -> None:
    problem, fault = problem_of(app, name), FAULTS[name]
    assert problem.part == fault.part
    assert re.fullmatch(fault.message, problem.message, re.DOTALL), problem.message
    assert "Traceback" in problem.traceback


def test_only_the_faults_are_problems(app: Flask) -> None:
    sources = {p.source.rpartition("/")[2] for p in state_of(app).registry.problems}
    assert sources == {f"x_{name}.py" for name in FAULTS}


def test_the_rest_is_served(client: FlaskClient) -> None:
    listed = client.get("/plugins/").get_json()["plugins"]
    assert [plugin["identifier"] for plugin in listed] == ["good@1-0-0"]
    assert client.get("/plugins/good@1-0-0/").get_json()["name"] == "good"
    assert client.get("/plugins/good@1-0-0/ui/").status_code == 200


def test_problems_are_a_resource_with_tracebacks_for_local_people(
    client: FlaskClient,
) -> None:
    problems = client.get("/problems/").get_json()["problems"]
    by_file = {p["source"].rpartition("/")[2]: p for p in problems}
    assert set(by_file) == {f"x_{name}.py" for name in FAULTS}
    assert by_file["x_import.py"]["message"] == "ValueError: oh no"
    assert "raise ValueError('oh no')" in by_file["x_import.py"]["traceback"]


def rules(app: Flask) -> set[str]:
    return {f"{rule.rule} {rule.endpoint}" for rule in app.url_map.iter_rules()}


def test_nothing_is_left_in_the_routes(app: Flask, clean_app: Flask) -> None:
    assert rules(app) == rules(clean_app)
    assert set(app.blueprints) == set(clean_app.blueprints)


def test_nothing_is_left_in_the_tasks(app: Flask, clean_app: Flask) -> None:
    assert set(state_of(app).celery.tasks) == set(state_of(clean_app).celery.tasks)


def test_nothing_is_left_in_the_modules(app: Flask) -> None:
    left = [name for name in sys.modules if re.match(r"runner_plugins.*\.x_", name)]
    assert left == []


def document_of(app: Flask) -> Any:
    return json.loads(app.test_client().get("/api-spec.json").data)


def test_nothing_is_left_in_the_document(app: Flask, clean_app: Flask) -> None:
    assert document_of(app) == document_of(clean_app)


def test_the_command_line_lists_plugins_and_problems(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["plugins", "list"])
    assert result.exit_code == 0, result.output
    assert re.search(r"^good@1-0-0  /.*/good\.py$", result.output, re.MULTILINE)
    for name in FAULTS:
        assert f"/x_{name}.py" in result.output
    assert "Traceback" not in result.output


def test_the_command_line_shows_tracebacks_when_asked(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["plugins", "list", "--traceback"])
    assert "raise ValueError('oh no')" in result.output


def test_strangers_see_no_paths_and_no_tracebacks(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = PluginFolder(tmp_path_factory.mktemp("secret-place"))
    folder.add("bad.py", "open('/secret-place/of/mine')")
    instance = tmp_path_factory.mktemp("instance")
    with app_with(
        [str(folder)], instance, EXPOSURE="public", LOGIN_REQUIRED=False
    ) as app:
        answer = app.test_client().get("/problems/")
    assert "secret-place" not in answer.text
    assert answer.get_json()["problems"][0]["source"] == "bad.py"
    assert "traceback" not in answer.get_json()["problems"][0]
