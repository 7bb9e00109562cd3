"""Forms and steps of plugins in a page of another origin, in a browser, to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, expect

from app_runner.config import PROJECT
from tests.compat import generated, names
from tests.conftest import PluginFolder
from tests.integration.conftest import Runner, running
from tests.polling import wait_for
from tests.ui import messages
from tests.ui.around import Host
from tests.ui.site_under_test import build_host, served

pytestmark = [pytest.mark.integration, pytest.mark.browser]
EVERY_NAME = "every%20name@v1-0"

ASKING = '''
    """Adds two numbers, of which the second is asked for later."""

    from app_runner.plugin_api import Output, Plugin, Task

    plugin = Plugin("add", "1.0.0", title="Add")

    @plugin.processor(outputs=[Output("sum.txt", "number", "text/plain")])
    def first(task: Task, one: int) -> str:
        """Add two numbers."""
        task.ask(then=second, state={"one": one}, help="The **second** number.")

    def second(task: Task, other: int) -> str:
        task.save("sum.txt", str(task.state["one"] + other))
        return "added"
'''


@pytest.fixture(scope="module")
def runner(
    tmp_path_factory: pytest.TempPathFactory, own_broker: Callable[[], str]
) -> Iterator[Runner]:
    folder = PluginFolder(tmp_path_factory.mktemp("forms"))
    folder.add("every_name.py", generated.source())
    folder.add("add.py", ASKING)
    folders = [str(folder)]
    for name in ("hello_world.py", "two_step"):
        place = PluginFolder(tmp_path_factory.mktemp(name.partition(".")[0])).path
        (place / name).symlink_to(PROJECT / "plugins" / name)
        folders.append(str(place))
    place = tmp_path_factory.mktemp("site")
    with running(place, folders, BROKER_URL=own_broker()) as found:
        yield found


@pytest.fixture(scope="module")
def site(runner: Runner) -> Iterator[str]:
    with served(runner.app) as url:
        yield url


@pytest.fixture
def around(page: Page, site: str) -> Iterator[Host]:
    """Give a host of another origin; it begins with the form of the generated plugin."""
    with served(build_host(f"{site}/plugins/{EVERY_NAME}/ui/")) as host:
        yield Host(page, host)


def ended(runner: Runner, url: str) -> dict[str, Any]:
    document = runner.ended(url)
    assert document["status"] == "SUCCESS", document["log"]
    return document


def step_of(runner: Runner, url: str) -> dict[str, Any]:
    """Wait until a task asks, and give its step."""
    wait_for(lambda: runner.document(url).get("steps"), what="a step")
    found: dict[str, Any] = runner.document(url)["steps"][-1]
    return found


def submitted(around: Host, **values: str) -> dict[str, Any]:
    """Fill in inputs by their ids, submit, and give what the host was told."""
    for name, value in values.items():
        around.form.locator(f"#{name}").fill(value)
    around.form.get_by_role("button", name="submit").click()
    told: dict[str, Any] = around.wait_for("form-submit")
    assert told["formDataType"] == "application/x-www-form-urlencoded"
    return told


def test_a_form_of_every_field_is_sent_and_refused(around: Host, runner: Runner) -> None:
    for number in range(len(names.FIELDS.split())):
        expect(around.form.locator(f"textarea#field{number}")).to_have_count(1)
    around.form.locator("#field1").fill("no number")
    around.form.locator("#keyword0").fill("given")
    around.form.get_by_role("button", name="submit").click()
    refused = around.wait_for("form-error")
    assert (refused["status"], refused["error"]["code"]) == (422, 422)
    assert "field1" in refused["error"]["errors"]["form"]
    around.form.locator("#field1").fill("7")
    told = submitted(around)
    assert parse_qs(told["formData"])["keyword0"] == ["given"]
    document = ended(runner, told["resultUrl"])
    assert document["log"].startswith("job2 of ")
    kinds = {messages.kind_of(message) for message in around.every()}
    assert kinds == {
        *("ui-loaded", "autofill-request", "ui-resize", "form-error", "form-submit")
    }


def test_every_kind_of_input_is_shown_and_connected(around: Host, site: str) -> None:
    around.show(f"{site}/plugins/{EVERY_NAME}/inputs/")
    assert around.wait_for("implementations-request") == "implementations-request"
    form = around.form
    for kind, element in names.INPUT_TYPES.items():
        shown = form.locator(f"{element}#as_{kind}")
        expect(shown, kind).to_have_count(1)
        assert shown.get_attribute("name") == f"as{kind.title().replace('_', '')}"
    expect(form.locator("#as_number")).to_have_attribute("step", "0.5")
    expect(form.locator("#as_select option")).to_have_text(["First", "Second"])
    expect(form.locator("datalist option")).to_have_text(["alpha", "beta"])
    wrapper = form.locator("#as_text").locator("xpath=../..")
    assert wrapper.get_attribute("data-seen") == "qhana-form-field"
    body = form.locator("body")
    assert body.evaluate("() => scriptNames") == names.SCRIPT_NAMES.split()

    form.get_by_role("button", name="choose: Data").click()
    assert around.wait_for("request-data-url") == {
        "type": "request-data-url",
        "inputKey": "data",
        "acceptedInputType": "entity/list",
        "acceptedContentTypes": ["text/csv", "a/b"],
    }
    around.tell(
        {"type": "data-url-response", "inputKey": "data", "href": "http://data/1"}
    )
    related = around.wait_for("request-related-data-url")
    assert related["inputKey"] == "related"
    assert (related["relation"], related["includeSelf"]) == ("pre", True)
    assert related["acceptedContentType"] == "text/csv"
    form.get_by_role("button", name="preview: Data").click()
    assert around.wait_for("request-data-preview")["dataUrl"] == "http://data/1"
    form.get_by_role("button", name="choose: Plugin").click()
    assert around.wait_for("request-plugin-url") == {
        "type": "request-plugin-url",
        "inputKey": "plugin",
        "pluginTags": ["solver", "!slow"],
        "pluginName": "one",
        "pluginVersion": "v1",
    }
    answer = {"pluginUrl": "http://plugin/1/", "pluginName": "one", "pluginVersion": "v1"}
    around.tell({"type": "plugin-url-response", "inputKey": "plugin", **answer})
    expect(form.get_by_label("Plugin", exact=True)).to_have_value("http://plugin/1/")
    for name, kind in (("data", "data"), ("plugin", "plugin")):
        box = form.get_by_label(name.capitalize(), exact=True)
        box.fill(f"http://typed/{name}")
        box.press("Tab")
        told = around.wait_for(f"request-{kind}-url-info")
        assert told["inputKey"] == name


def test_what_the_host_says_reaches_the_script_of_a_plugin(
    around: Host, site: str
) -> None:
    around.show(f"{site}/plugins/{EVERY_NAME}/inputs/")
    known = {"name": "a", "download": "http://a/", "version": "1", "type": "b"}
    told = {"type": "implementations-response", "implementations": [known]}
    around.tell(told)
    around.tell({"type": "plugin-context", "experimentId": "7", "location": "http://l/"})
    around.tell({"type": "load-css", "urls": [f"{around.page.url}extra.css"]})
    expect(around.form.locator("form")).to_have_css("outline-width", "7px")
    body = around.form.locator("body")
    state = "window._qhana_microfrontend_state"
    assert body.evaluate(f"() => {state}.implementations") == [known]
    context = body.evaluate("() => getPluginContext()")
    assert context == {"experimentId": "7", "location": "http://l/"}
    pairs = '{"asText": "remembered", "asCheckbox": true, "asPassword": "never"}'
    told = {"type": "autofill-response", "value": pairs, "encoding": "application/json"}
    around.tell(told)
    expect(around.form.locator("#as_text")).to_have_value("remembered")
    expect(around.form.locator("#as_checkbox")).to_be_checked()
    expect(around.form.locator("#as_password")).to_have_value("")
    for text, allowed in (("ui-prevent-submit", False), ("ui-allow-submit", True)):
        around.tell(text)
        around.page.wait_for_function(
            "allowed => received.some((m) => m.data.isAllowedToSubmit === allowed)",
            arg=allowed,
        )
    before = len(around.received("ui-submit-status"))
    around.tell("ui-submit-status")
    around.page.wait_for_function(
        "n => received.filter((m) => m.data.type === 'ui-submit-status').length > n",
        arg=before,
    )


def test_hello_world_greets_from_a_page_of_another_origin(
    around: Host, runner: Runner, site: str
) -> None:
    around.show(f"{site}/plugins/hello-world@1-0-0/ui/")
    told = submitted(around, input_str="you")
    assert told["submitUrl"] == f"{site}/plugins/hello-world@1-0-0/process/"
    (output,) = ended(runner, told["resultUrl"])["outputs"]
    assert runner.content(output) == b"Hello you"


def test_the_steps_of_a_plugin_with_full_control(
    around: Host, runner: Runner, site: str
) -> None:
    around.show(f"{site}/plugins/two-step@1-0-0/ui/")
    around.form.get_by_role("button", name="validate").click()
    expect(around.form.get_by_role("alert")).to_contain_text("Text")
    url = submitted(around, text="to be\nor not\nto do")["resultUrl"]
    around.show(step_of(runner, url)["uiHref"])
    expect(around.form.locator(".qhana-help")).to_contain_text("to (2)")
    told = submitted(around, word="to")
    assert told["resultUrl"] == url
    document = ended(runner, url)
    assert [step["cleared"] for step in document["steps"]] == [True]
    assert runner.content(document["outputs"][0]) == b"to be\nto do"


def test_the_step_that_a_processor_asks_for(
    around: Host, runner: Runner, site: str
) -> None:
    around.show(f"{site}/plugins/add@1-0-0/ui/")
    url = submitted(around, one="3")["resultUrl"]
    form_url = step_of(runner, url)["uiHref"]
    around.show(form_url)
    expect(around.form.locator(".qhana-help strong")).to_have_text("second")
    around.form.get_by_label("Other").fill("4.5")
    around.form.get_by_role("button", name="validate").click()
    expect(around.form.get_by_role("alert")).to_contain_text("Other")
    assert submitted(around, other="4")["resultUrl"] == url
    assert runner.content(ended(runner, url)["outputs"][0]) == b"7"
    around.form.get_by_role("button", name="submit").click()
    assert around.wait_for("form-error")["error"]["code"] == 409
