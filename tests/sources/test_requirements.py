"""Requirements of plugins: what is missing is named, and its tasks are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from packaging.requirements import Requirement

from app_runner.errors import RequirementError
from app_runner.plugins.installing import Ask, asks_of, check_pins, runner_asks
from app_runner.plugins.requirements import missing, parse, read_unloaded, shown
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder
from tests.sources.conftest import plugin_source

ABSENT = "app-runner-absent-package"
REASON = f"not installed: needs {ABSENT}>=2"


def test_requirements_are_read_as_from_a_requirements_file() -> None:
    text = f"""
    # a comment
    flask>=3  # another
    {ABSENT} \\
        >=2
    nothing; python_version < "3"
    named @ git+https://user:token@h.org/b@v1
    git+https://h.org/b#egg=egged
    """
    found = [shown(requirement) for requirement in parse(text)]
    assert found == ["flask>=3", f"{ABSENT}>=2", "named", "egged"]


@pytest.mark.parametrize(
    "line", ["--index-url https://h.org", "-r more.txt", "-e .", "a b", "./folder"]
)
def test_what_is_no_requirement_is_refused(line: str) -> None:
    with pytest.raises(RequirementError, match="no requirement that a plugin can have"):
        parse(line)


def test_what_is_missing_is_found_also_in_versions_and_extras() -> None:
    there = ["flask", "Flask>=3", "celery[redis]>=5", "SQLAlchemy"]
    lacking = ["flask<1", ABSENT, "SQLAlchemy[mysql]"]
    found = missing(map(Requirement, [*there, *lacking]))
    assert [shown(requirement) for requirement in found] == lacking


SOURCES = {
    "a text": 'class P:\n    def get_requirements(self):\n        return "a>=1\\nb"\n',
    "two texts": 'def get_requirements(self):\n    return "a>=1\\n" "b"',
    "a name": 'N = "b"\ndef get_requirements():\n    return "a>=1\\n" + N\n',
    "a joined list": 'def get_requirements():\n    return "\\n".join(["a>=1", "b"])\n',
    "an argument": 'p = Plugin("x", "1", requirements="a>=1\\nb")\n',
    "a text to strip": 'def get_requirements():\n    return """\na>=1\nb\n""".strip()\n',
}


@pytest.mark.parametrize("form", SOURCES)
def test_requirements_are_read_without_running_the_plugin(
    form: str, tmp_path: Path
) -> None:
    file = tmp_path / "plugin.py"
    file.write_text(f"raise SystemExit\n{SOURCES[form]}")
    assert read_unloaded(file).split() == ["a>=1", "b"]
    assert read_unloaded(tmp_path).split() == ["a>=1", "b"]


@pytest.mark.parametrize(
    "source",
    [
        "def get_requirements():\n    return compute()\n",
        "A = B\nB = A\ndef get_requirements():\n    return A\n",
        "def get_requirements(:\n",
        "\0",
    ],
)
def test_what_cannot_be_read_without_running_is_left_out(
    source: str, tmp_path: Path
) -> None:
    (tmp_path / "plugin.py").write_text(source)
    assert read_unloaded(tmp_path / "plugin.py") == ""


Make = Callable[[str], Flask]


@pytest.fixture
def app_with(make_app: AppFactory, plugin_folder: PluginFolder) -> Make:
    """Make an app with one plugin file of this source."""

    def make(source: str) -> Flask:
        (plugin_folder.path / "lacking.py").write_text(source)
        return make_app(PLUGIN_FOLDERS=[str(plugin_folder)])

    return make


def problem(app: Flask) -> str:
    (found,) = app.test_client().get("/problems/").get_json()["problems"]
    return str(found["message"])


def start(client: FlaskClient) -> tuple[int, str]:
    answer = client.post("/plugins/lacking@1-0-0/process/", data={"word": "x"})
    return answer.status_code, (answer.get_json(silent=True) or {}).get("message", "")


def test_a_plugin_that_lacks_something_is_served_but_starts_nothing(
    app_with: Make,
) -> None:
    app = app_with(plugin_source("lacking", requirements=f"flask\n{ABSENT}>=2"))
    client = app.test_client()
    assert problem(app) == REASON
    assert client.get("/plugins/lacking@1-0-0/").get_json()["name"] == "lacking"
    assert start(client) == (503, f"Plugin lacking@1-0-0 is {REASON}.")
    listed = app.test_cli_runner().invoke(args=["plugins", "list"]).output
    assert REASON in listed
    assert app.test_client().get("/plugins/other@1/").status_code == 404


def test_a_plugin_that_lacks_nothing_is_not_refused(app_with: Make) -> None:
    app = app_with(plugin_source("lacking", requirements="flask>=3\n"))
    assert state_of(app).registry.problems == []
    assert "not installed" not in start(app.test_client())[1]


def test_a_plugin_that_cannot_be_imported_says_what_it_needs(app_with: Make) -> None:
    source = plugin_source("lacking", requirements=f"{ABSENT}>=2")
    app = app_with(f"import app_runner_absent_package\n{source}")
    assert problem(app) == REASON
    assert app.test_client().get("/plugins/lacking@1-0-0/").status_code == 404


def test_an_import_error_for_another_reason_stays_what_it_is(app_with: Make) -> None:
    source = plugin_source("lacking", requirements="flask")
    app = app_with(f"import app_runner_absent_package\n{source}")
    assert problem(app).startswith("ModuleNotFoundError: No module named")


def test_routes_that_are_imported_late_say_what_is_needed(app_with: Make) -> None:
    app = app_with(f"""
from app_runner.plugin_api import PluginBase

class Late(PluginBase):
    name, version = "lacking", "1.0.0"

    def get_api_blueprint(self):
        import app_runner_absent_package

    def get_requirements(self):
        return "{ABSENT}" + ">=2"
""")
    assert problem(app) == REASON


def test_routes_that_a_guarded_import_left_out_answer_with_the_reason(
    app_with: Make,
) -> None:
    """Published plugins catch the ImportError of their own routes."""
    app = app_with(f"""
from app_runner.plugin_api import PluginBase, SecurityBlueprint

BLUEPRINT = SecurityBlueprint("lacking", __name__, description="No routes.")

class Guarded(PluginBase):
    name, version = "lacking", "1.0.0"

    def get_api_blueprint(self):
        return BLUEPRINT

    def get_requirements(self):
        return "{ABSENT}>=2"

try:
    import app_runner_absent_package
except ImportError:
    pass
""")
    answer = app.test_client().get("/plugins/lacking@1-0-0/")
    assert answer.status_code == 503
    assert REASON in answer.get_json()["message"]


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ("import app_runner_absent.part", "not installed: needs app_runner_absent"),
        (
            "from .no_such_module import name",
            "without its routes: ModuleNotFoundError: No module named 'runner_plugins",
        ),
        (
            "from json import no_such_name",
            "without its routes: ImportError: cannot import name 'no_such_name'",
        ),
    ],
)
def test_routes_that_were_left_out_for_what_nobody_declared_say_why(
    make_app: AppFactory, plugin_folder: PluginFolder, tasks: str, reason: str
) -> None:
    plugin_folder.add("quiet/tasks.py", tasks)
    plugin_folder.add("quiet/routes.py", "from . import BLUEPRINT\nfrom . import tasks")
    plugin_folder.add(
        "quiet/__init__.py",
        """
        from app_runner.plugin_api import PluginBase, SecurityBlueprint

        BLUEPRINT = SecurityBlueprint("quiet", __name__, description="No routes.")

        class Quiet(PluginBase):
            name, version = "quiet", "1"

            def get_api_blueprint(self):
                return BLUEPRINT

        try:
            from . import routes
        except ImportError:
            pass
        """,
    )
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
    assert problem(app).startswith(reason)
    answer = app.test_client().get("/plugins/quiet@1/")
    assert answer.status_code == 503
    assert f"Plugin quiet@1 is {reason}" in answer.get_json()["message"]


def test_routes_are_missed_also_when_the_plugin_is_declared_in_a_module_of_its_own(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("inner/routes.py", "import app_runner_absent")
    plugin_folder.add(
        "inner/__init__.py",
        """
        from .plugin import Inner

        try:
            from . import routes
        except ImportError:
            pass
        """,
    )
    plugin_folder.add(
        "inner/plugin.py",
        """
        from app_runner.plugin_api import PluginBase, SecurityBlueprint

        BLUEPRINT = SecurityBlueprint("inner", __name__, description="No routes.")

        class Inner(PluginBase):
            name, version = "inner", "1"

            def get_api_blueprint(self):
                return BLUEPRINT
        """,
    )
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
    assert problem(app) == "not installed: needs app_runner_absent"


@pytest.mark.parametrize("text", ["--index-url https://h.org", "raise"])
def test_requirements_that_cannot_be_read_are_a_problem_of_their_own(
    app_with: Make, text: str
) -> None:
    body = "raise KeyError('x')" if text == "raise" else f"return {text!r}"
    app = app_with(f"""
from app_runner.plugin_api import PluginBase

class Odd(PluginBase):
    name, version = "lacking", "1.0.0"

    def get_requirements(self):
        {body}
""")
    assert [plugin.identifier for plugin in state_of(app).registry] == ["lacking@1-0-0"]
    assert problem(app)


def test_a_contradiction_to_the_runner_names_who_asks_for_what() -> None:
    asks = asks_of({"one@1": "flask<1", "two@1": "flask>=3", "three@1": "werkzeug"})
    with pytest.raises(RequirementError) as error:
        check_pins(asks, [Ask("App Runner", Requirement("Flask==3.1.2"))])
    assert str(error.value).splitlines() == [
        "Requirements conflict:",
        "one@1 asks for flask<1",
        "App Runner asks for Flask==3.1.2",
    ]


def test_the_pins_of_the_runner_are_its_locked_versions(tmp_path: Path) -> None:
    locked = {ask.name: str(ask.requirement.specifier) for ask in runner_asks()}
    assert locked["flask"].startswith("==3.")
    assert all(version.startswith("==") for version in locked.values())
    installed = {ask.name for ask in runner_asks(tmp_path)}
    assert {"flask", "celery"} <= installed <= locked.keys()
