"""The check finds what is wrong with a plugin, says where, and leaves nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from flask import Flask

from app_runner.authors import checking
from app_runner.authors.checking import check
from app_runner.authors.findings import Finding, Report
from app_runner.config import PROJECT
from tests.conftest import PluginFolder
from tests.fixtures import PUBLISHED

HEAD = """
from marshmallow import fields
from app_runner.plugin_api import *
"""
PROCESSOR = """
plugin = Plugin("faulty", "1.0", title="Faulty")

@plugin.processor()
def work(task: Task, word: str) -> str:
    "Say a word."
    return word
"""
#: A plugin with routes; a fault replaces some of its lines.
ROUTES = """
BLUEPRINT = SecurityBlueprint("faulty@1", __name__, description="Faulty.")

class Parameters(FrontendFormBaseSchema):
    "What the form asks for."

    word = fields.String(required=True, metadata={"label": "Word"})

class Faulty(PluginBase):
    name, version = "faulty", "1"
    def get_api_blueprint(self):
        return BLUEPRINT

@CELERY.task(name="faulty@1.work")
def work(db_id): ...

METADATA = dict(
    title="Faulty", description="Is faulty.",
    type="processing", entryPoint={"href": "./go/", "uiHref": "./ui/"})

@BLUEPRINT.route("/")
def metadata():
    return METADATA

@BLUEPRINT.route("/ui/")
def form():
    return "form"

@BLUEPRINT.route("/go/", methods=["POST"])
def go():
    return "gone"
"""
SAFE = '<p>{{ name }}</p>\n<p>{{ name | safe }}</p>\n{{ "<b>" | safe }}\n'
UNESCAPED = "<p>\n{% autoescape false %}{{ name }}{% endautoescape %}</p>\n"

Checked = Callable[..., Report]


def changed(before: str, after: str) -> str:
    assert before in ROUTES
    return HEAD + ROUTES.replace(before, after)


#: What was planted, the plugin, what is said of it, and of which line.
FAULTS = [
    ("syntax error", HEAD + "def work(:\n", "SyntaxError", 4),
    ("error at import", HEAD + "work = 1 / 0\n", "ZeroDivisionError", 4),
    ("no plugin", HEAD, "declares no plugin", None),
    ("no name", HEAD + 'plugin = Plugin("", "1.0")\n', "needs a name", None),
    ("bad version", changed('"faulty", "1"', '"faulty", "one"'), "PEP 440", None),
    (
        "no version",
        changed('name, version = "faulty", "1"', 'name = "faulty"'),
        "ver",
        None,
    ),
    ("no title", changed('title="Faulty", ', ""), "no title", None),
    ("no description", changed('description="Is faulty.",', ""), "no description", None),
    (
        "no entry point",
        changed('"href": "./go/"', '"href": "./gone/"'),
        "entry point",
        None,
    ),
    ("no form", changed('"uiHref": "./ui/"', '"uiHref": ""'), "entry point", None),
    ("no label", changed(', metadata={"label": "Word"}', ""), "`word` has no label", 10),
    ("package away", HEAD + "import no_such_package.part\n", "no_such_package,", 4),
    (
        "requirement away",
        HEAD + PROCESSOR.replace('itle="Faulty"', 'itle="Faulty", requirements="nil>=2"'),
        "nil>=2",
        None,
    ),
    ("undeclared", HEAD + "import hypothesis\n" + PROCESSOR, "imports hypothesis", 4),
    (
        "slow",
        HEAD + "import time\ntime.sleep(2.2)\n" + PROCESSOR,
        "Loading it takes",
        None,
    ),
    ("writes", HEAD + "open('left', 'w').close()\n" + PROCESSOR, "more than declare", 4),
    (
        "connects",
        HEAD + "import socket\nsocket.create_connection(('127.0.0.1', 1))\n",
        "socket.connect",
        5,
    ),
    ("task name", changed("faulty@1.work", "work"), "id: work.", None),
    ("broken route", changed('return "form"', "return [][0]"), "IndexError", 30),
    ("error as answer", changed('return "form"', 'return "", 500'), "answers 500", None),
    ("leaves", "import sys\nsys.exit(3)\n", "SystemExit", 2),
]


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checked:
    """Check a plugin in this process, as the command does in one of its own."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.chdir(scratch)
    monkeypatch.setattr(checking, "SLOW", 60.0)  # the machine may be
    return lambda path: check(path, scratch)


@pytest.mark.parametrize(("what", "source", "said", "line"), FAULTS)
def test_a_planted_fault_is_found(
    what: str,
    source: str,
    said: str,
    line: int | None,
    checked: Checked,
    plugin_folder: PluginFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if what == "slow":
        monkeypatch.setattr(checking, "SLOW", 1.0)
    path = plugin_folder.add("faulty.py", source)
    (finding,) = checked(path).findings
    assert said in finding.text
    if line:
        assert finding.place == f"faulty.py:{line}"
    assert sorted(p.name for p in plugin_folder.path.rglob("*")) == ["faulty.py"]


@pytest.mark.parametrize("source", [HEAD + PROCESSOR, HEAD + ROUTES])
def test_without_a_fault_nothing_is_found(
    source: str, checked: Checked, plugin_folder: PluginFolder
) -> None:
    report = checked(plugin_folder.add("faulty.py", source))
    assert report.findings == ()
    assert len(report.plugins) == 1


@pytest.mark.parametrize(("template", "line"), [(SAFE, 2), (UNESCAPED, 2)])
def test_unsafe_templates_are_found_in_files_and_in_code(
    template: str, line: int, checked: Checked, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("pack/__init__.py", f'{HEAD}{PROCESSOR}\nPAGE = """{template}"""\n')
    plugin_folder.add("pack/templates/page.html", template)
    plugin_folder.add("pack/tests/page.html", template)
    places = [finding.place for finding in checked(plugin_folder.path / "pack").findings]
    in_code = (HEAD + PROCESSOR).count("\n") + 1 + line
    assert places == [f"pack/__init__.py:{in_code}", f"pack/templates/page.html:{line}"]


def test_a_template_that_cannot_be_read_is_found(
    checked: Checked, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("pack/__init__.py", HEAD + PROCESSOR)
    plugin_folder.add("pack/page.html", "<p>\n{% if %}")
    (finding,) = checked(plugin_folder.path / "pack").findings
    assert finding.place == "pack/page.html:2"


def test_many_faults_are_told_at_once_in_order(
    checked: Checked, plugin_folder: PluginFolder
) -> None:
    source = ROUTES.replace(', metadata={"label": "Word"}', "")
    source = source.replace('title="Faulty", ', "").replace('"form"', "{}['x']")
    path = plugin_folder.add("faulty.py", HEAD + source)
    found = checked(path).findings
    assert [finding.place for finding in found] == [
        "faulty.py:10",
        "faulty.py:30",
        "faulty@1",
    ]


def test_published_plugins_pass(checked: Checked) -> None:
    report = checked(PUBLISHED / "quiz")
    assert (len(report.plugins), report.findings) == (1, ())


def test_a_report_survives_its_way_as_text() -> None:
    report = Report.of(["a@1"], [Finding("a.py:10", "ä"), Finding("a.py:9", "b")])
    assert Report.load(report.dump()) == report
    assert [finding.place for finding in report.findings] == ["a.py:9", "a.py:10"]


@pytest.mark.integration
def test_the_command_checks_each_plugin_of_a_folder_and_leaves_nothing(
    app: Flask, plugin_folder: PluginFolder
) -> None:
    away = plugin_folder.path.parent / "left-behind"
    plugin_folder.add("ends.py", "import os\nos._exit(3)\n")
    plugin_folder.add("good.py", HEAD + PROCESSOR)
    plugin_folder.add("writes.py", f"open({str(away)!r}, 'w').write('x')\n")
    before = set(sys.modules)
    told = app.test_cli_runner().invoke(args=["plugins", "check", str(plugin_folder)])
    assert told.exit_code == 1
    lines = told.output.splitlines()
    assert lines[0].startswith("ends.py: Loading it ends the whole process")
    assert re.match(r"writes\.py:1: It does more than declare", lines[1])
    assert lines[2:] == ["2 found."]
    assert not away.exists()
    names = sorted(path.name for path in plugin_folder.path.rglob("*"))
    assert names == ["ends.py", "good.py", "writes.py"]
    assert not [n for n in set(sys.modules) - before if n.startswith("runner_plugins")]


@pytest.mark.integration
def test_the_command_says_when_all_is_well(app: Flask) -> None:
    path = str(PROJECT / "plugins" / "hello_world.py")
    told = app.test_cli_runner().invoke(args=["plugins", "check", path])
    assert (told.exit_code, told.output) == (
        0,
        "Nothing is wrong with hello-world@1-0-0.\n",
    )


def test_a_folder_without_plugins_is_told(
    app: Flask, plugin_folder: PluginFolder
) -> None:
    told = app.test_cli_runner().invoke(args=["plugins", "check", str(plugin_folder)])
    assert told.exit_code == 1
    assert told.output == dedent(f"There is no plugin in {plugin_folder}.\n")
