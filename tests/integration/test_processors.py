"""Bundled processors and questions to the user, over HTTP and on a real worker."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app_runner.config import PROJECT
from tests.conftest import PluginFolder
from tests.integration.conftest import Runner, running
from tests.polling import wait_for

pytestmark = pytest.mark.integration
BUNDLED = PROJECT / "plugins"

GUESS = '''
    """Guesses a number that the user thinks of."""

    from __future__ import annotations

    from app_runner.plugin_api import *

    plugin = Plugin("guess", "1.0.0")

    @plugin.processor(outputs=[Output("guess.json", "custom", "application/json")])
    def begin(task: Task, secret: Password(), low: int = 0, high: int = 100) -> str:
        """Find a number by halving."""
        ask(task, low, high, len(secret))

    def ask(task, low, high, length):
        middle = (low + high) // 2
        task.log(f"is it {middle}?")
        state = {"low": low, "high": high, "length": length}
        task.ask(then=answered, state=state, help=f"Is it {middle}?")

    def answered(task: Task, it_is: Choice(["smaller", "larger", "right"])) -> str:
        low, high, length = (task.state[name] for name in ("low", "high", "length"))
        middle = (low + high) // 2
        if it_is == "smaller":
            ask(task, low, middle - 1, length)
        if it_is == "larger":
            ask(task, middle + 1, high, length)
        task.save("guess.json", {"number": middle, "length": length})
        return f"it is {middle}"
'''


CHAIN = '''
    """Calls another plugin; the runner has one worker with one process at a time."""

    from app_runner.plugin_api import *

    plugin = Plugin("chain", "1.0.0")

    @plugin.processor(outputs=[Output("shouted.txt")])
    def begin(task: Task, word: str) -> str:
        task.call("hello-world", {"inputStr": word}, then=shout)

    def shout(task: Task, called: CalledTask) -> str:
        task.save("shouted.txt", called.output("out.txt").read_text().upper())
        return called.log
'''


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, own_broker: Callable[[], str]
) -> Iterator[Runner]:
    """Give a runner with the bundled plugins and one that asks."""
    folder = PluginFolder(tmp_path_factory.mktemp("asking"))
    folder.add("guess.py", GUESS)
    folder.add("chain.py", CHAIN)
    place = tmp_path_factory.mktemp("site")
    settings: dict[str, Any] = {"pool": "prefork", "BROKER_URL": own_broker()}
    with running(place, [str(folder), str(BUNDLED)], **settings) as found:
        yield found


@pytest.mark.parametrize(("name", "most"), [("hello_world", 10), ("word_count", 20)])
def test_the_bundled_plugins_are_short(name: str, most: int) -> None:
    source = (BUNDLED / f"{name}.py").read_text()
    strings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    lines = enumerate(source.splitlines(), start=1)
    code = [line for number, line in lines if line.strip() and number not in strings]
    assert len(code) <= most


def test_word_count_counts(site: Runner) -> None:
    form = site.client.get("/plugins/word-count@1-0-0/ui/").text
    assert "<textarea" in form
    assert 'type="number" id="top" name="top"' in form
    task = site.run("word-count@1-0-0/process/", text="to be or\nNot to be", top="2")
    assert (task["status"], task["log"]) == ("SUCCESS", "4 words")
    assert task["progress"] == {"start": 0, "target": 2, "value": 2, "unit": "lines"}
    (output,) = task["outputs"]
    assert (output["name"], output["dataType"]) == ("counts.csv", "entity/list")
    rows = list(csv.DictReader(io.StringIO(site.content(output).decode())))
    assert rows == [{"word": "to", "count": "2"}, {"word": "be", "count": "2"}]


@pytest.mark.parametrize("top", ["0", "x", "1.5"])
def test_word_count_refuses_a_wrong_number(site: Runner, top: str) -> None:
    data = {"text": "a", "top": top}
    answer = site.client.post("/plugins/word-count@1-0-0/process/", data=data)
    assert answer.status_code == 422
    assert answer.json is not None
    assert list(answer.json["errors"]["form"]) == ["top"]


def waiting_step(site: Runner, url: str, number: int) -> dict[str, Any]:
    """Wait until a task asks, and give its step."""

    def asks() -> bool:
        return len(site.document(url).get("steps", ())) > number

    wait_for(asks, what=f"step {number}")
    found: dict[str, Any] = site.document(url)["steps"][number]
    return found


def test_a_plugin_calls_another_one_and_no_worker_waits(site: Runner) -> None:
    task = site.run("chain@1-0-0/process/", word="you")
    assert (task["status"], task["log"]) == ("SUCCESS", "greeted you"), task
    assert site.content(task["outputs"][0]) == b"HELLO YOU"


def test_a_number_is_found_by_asking(site: Runner) -> None:
    url = site.submit("guess@1-0-0/process/", secret="abc")
    for number, it_is in enumerate(("smaller", "larger", "right")):
        step = waiting_step(site, url, number)
        assert "larger" in site.client.get(step["uiHref"]).text
        answer = site.client.post(step["href"], data={"itIs": it_is}, buffered=True)
        assert answer.status_code == 303, answer.text
        again = site.client.post(step["href"], data={"itIs": it_is}, buffered=True)
        assert again.status_code == 409
    task = site.ended(url)
    assert (task["status"], task["log"].splitlines()[-1]) == ("SUCCESS", "it is 37")
    assert site.content(task["outputs"][0]).split() == [
        *(b"{", b'"number":', b"37,", b'"length":', b"3", b"}")
    ]
