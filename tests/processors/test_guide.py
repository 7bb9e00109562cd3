"""The plugins of the guide to processors load and do what the page says."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from app_runner.config import PROJECT
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder
from tests.docs.pages import DOCS, blocks
from tests.processors.conftest import Site

GUIDE = DOCS / "processors.md"
SOURCES = {
    re.findall(r'Plugin\("([^"]+)"', block)[0]: block for block in blocks(GUIDE, "python")
}


class Guide(Site):
    """A site whose plugin is one of the page."""

    def at(self, path: str = "") -> str:
        """Give a path of the plugin."""
        (plugin,) = self.plugins()
        return f"http://localhost/plugins/{plugin.identifier}/{path}"

    def ended(self, **data: Any) -> dict[str, Any]:
        """Run a task."""
        return self.done(self.at("process/"), **data)


@pytest.fixture
def guide(
    make_app: AppFactory, plugin_folder: PluginFolder, sent: list[dict[str, Any]]
) -> Callable[[str], Guide]:
    """Give a function that loads a plugin of the page."""

    def load(name: str) -> Guide:
        plugin_folder.add("example.py", SOURCES[name])
        app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)], BROKER_URL="memory://")
        assert state_of(app).registry.problems == []
        return Guide(app, sent)

    return load


@pytest.mark.parametrize("name", SOURCES)
def test_every_block_is_a_plugin(guide: Callable[[str], Guide], name: str) -> None:
    site = guide(name)
    assert site.client.get(site.at("ui/")).status_code in (200, 422)


def test_the_calendar_is_drawn(guide: Callable[[str], Guide]) -> None:
    site = guide("calendar")
    form = site.client.get(site.at("ui/")).text
    assert "At most a <em>month</em>." in form
    assert "Mondays" in form
    task = site.ended(first="2024-01-01", days=3, free="monday", names="a,b", mark="o")
    assert task["log"] == "2 days"
    drawn = site.content(task, "calendar.txt").decode()
    assert drawn == "2024-01-02 oo\n2024-01-03 oo\n"


def test_a_column_is_added_up(guide: Callable[[str], Guide]) -> None:
    site = guide("add-up")
    table = io.BytesIO(b"ID,x\r\na,1.5\r\nb,2\r\n"), "t.csv"
    task = site.ended(column="x", own=table)
    assert task["log"] == "3.5 in t.csv"
    assert json.loads(site.content(task, "sum.json")) == {"column": "x", "sum": 3.5}
    assert site.ended(column="x", table="data:text/csv,ID%0D%0Aa")["log"].startswith("0 ")
    assert (
        site.ended(column="x")["log"] == "Give one file: its URL, or a file of your own."
    )


def test_a_word_is_repeated(guide: Callable[[str], Guide]) -> None:
    assert guide("repeat").ended(word="a", howOften=3)["log"] == "a a a"


def test_a_count_down_can_be_cancelled(guide: Callable[[str], Guide]) -> None:
    site = guide("countdown")
    task = site.ended(start=3)
    assert task["log"] == "the rocket is safe\nlift-off"
    url = site.submit(site.at("process/"))
    assert site.client.post(url, json={"command": "cancel"}).status_code == 200
    site.work()
    assert site.document(url)["log"] == "The task was cancelled."


def test_a_simulation_has_limits(guide: Callable[[str], Guide]) -> None:
    assert guide("simulator").ended(rounds=2)["log"] == "all rounds"


def test_a_number_is_guessed(guide: Callable[[str], Guide]) -> None:
    site = guide("guess")
    url = site.submit(site.at("process/"))
    for it_is in ("larger", "smaller", "right"):
        site.work()
        step = site.document(url)["steps"][-1]
        assert "Is it <strong>" in site.client.get(step["uiHref"]).text
        assert site.post(step["href"], data={"itIs": it_is}).status_code == 303
    site.work()
    assert site.document(url)["log"] == "it is 62"


def test_lines_are_shown(guide: Callable[[str], Guide]) -> None:
    site = guide("first-lines")
    query = {"data": "data:text/plain,a<%0Ab%0Ac", "count": "2"}
    page = site.client.get(site.at("ui/"), query_string=query)
    assert "<pre>a&lt;\nb\n</pre>" in page.text


def test_another_plugin_greets(
    guide: Callable[[str], Guide], plugin_folder: PluginFolder
) -> None:
    shutil.copy(PROJECT / "plugins" / "hello_world.py", plugin_folder)
    site = guide("shout")
    url = "http://localhost/plugins/shout@1-0-0/process/"
    greeter = "http://localhost/plugins/hello-world@1-0-0/"
    task = site.done(url, word="you", greeter=greeter)
    assert task["log"] == "shouted at you"
    assert site.content(task, "shouted.txt") == b"HELLO YOU"
