"""Forms, the task view and the console as a person meets them, in a real browser."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

import pytest
from flask import Flask
from playwright.sync_api import Browser, FrameLocator, Locator, Page, Route, expect

from tests.polling import wait_for
from tests.ui.around import Host

pytestmark = pytest.mark.browser


def fill(form: Page | FrameLocator, text: str = "hello") -> None:
    form.get_by_label("Input text").fill(text)
    form.get_by_label("Algorithm").select_option("Exact")


def test_the_form_works_without_javascript(
    site: str, app: Flask, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/ui/")
    page.get_by_label("Rounds").fill("99")
    page.get_by_role("button", name="validate").click()
    expect(page.get_by_role("alert")).to_contain_text("Rounds")
    page.get_by_label("Rounds").fill("2")
    fill(page)
    page.get_by_role("button", name="submit").click()
    expect(page).to_have_url(f"{site}/tasks/1-abc/")
    started = app.extensions["work"].started
    assert started[0]["inputStr"] == "hello"
    assert started[0]["isLoud"] == "false"
    context.close()


def test_enter_submits_also_without_javascript(site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/ui/")
    fill(page)
    page.get_by_label("Rounds").press("Enter")
    expect(page).to_have_url(f"{site}/tasks/1-abc/")
    context.close()


def test_enter_submits_where_a_template_has_validate_first(
    site: str, app: Flask, page: Page
) -> None:
    page.goto(f"{site}/extending/")
    fill(page)
    page.get_by_label("Rounds").fill("99")
    page.get_by_label("Rounds").press("Enter")  # the browser checks, as for "submit"
    assert app.extensions["work"].started == []
    page.get_by_label("Rounds").fill("2")
    page.get_by_label("Rounds").press("Enter")
    expect(page.get_by_role("heading", name="Task", exact=True)).to_be_visible()
    assert [one["numberOfRounds"] for one in app.extensions["work"].started] == ["2"]


def test_alone_the_form_shows_its_task_to_the_end(site: str, page: Page) -> None:
    page.goto(f"{site}/ui/?inputStr=hello")
    page.get_by_role("button", name="submit").click()
    step = page.frame_locator("iframe")
    step.get_by_label("Confirmation").fill("yes")
    expect(page.get_by_text("The task waits for your input.")).to_be_visible()
    expect(page.get_by_text("1 / 4 rounds")).to_be_visible()
    step.get_by_role("button", name="submit").click()
    expect(page.get_by_text("The task is finished.")).to_be_visible()
    expect(page.locator("iframe")).to_have_count(0)
    results = page.locator(".task-results li")
    expect(results).to_have_count(2)  # the third is no link that a page may offer
    results = results.first
    results.get_by_role("button", name="Preview out.txt").click()
    expect(results.locator("pre")).to_have_text("hello world\n")
    with page.expect_download() as download:
        results.get_by_role("link", name="Download out.txt").click()
    assert download.value.suggested_filename == "out.txt"
    page.reload()
    expect(page.get_by_text("The task is finished.")).to_be_visible()


def test_a_refused_form_says_why_beside_the_field(site: str, page: Page) -> None:
    page.goto(f"{site}/ui/")
    fill(page)
    page.get_by_label("Tolerance").fill("0")
    page.get_by_role("button", name="submit").click()
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    summary.get_by_role("link", name="Tolerance").click()
    tolerance = page.get_by_label("Tolerance")
    expect(tolerance).to_be_focused()
    expect(tolerance).to_have_attribute("aria-invalid", "true")
    expect(tolerance).to_have_accessible_description("Must be greater than 0.")
    tolerance.fill("1")
    page.get_by_role("button", name="submit").click()
    expect(page.get_by_role("heading", name="Task", exact=True)).to_be_visible()
    expect(page.locator("[role=alert]:not(:empty)")).to_have_count(0)


def test_the_keyboard_alone_is_enough(site: str, app: Flask, page: Page) -> None:
    page.goto(f"{site}/ui/")
    focused: list[str] = []
    while "submit" not in focused:
        page.keyboard.press("Tab")
        focused.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.textContent"
            )
        )
        assert (
            page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            != "none"
        )
        if focused[-1] == "input_str":
            page.keyboard.type("typed")
        elif focused[-1] == "is_loud":
            page.keyboard.press("Space")
    order = [id_ for id_ in focused if "_" in id_ and id_ != "made_by_us"]
    assert order[:4] == [
        "input_str",
        "number_of_rounds",
        "entities_url",
        "attributes_url",
    ]
    page.keyboard.press("Enter")
    page.frame_locator("iframe").get_by_label("Confirmation").wait_for()
    started = app.extensions["work"].started[0]
    assert (started["inputStr"], started["isLoud"]) == ("typed", "true")
    expect(page.get_by_role("heading", name="Task", exact=True)).to_be_focused()


def test_scripts_of_extending_templates_find_what_they_expect(
    site: str, page: Page
) -> None:
    page.goto(f"{site}/extending/")
    seen = page.locator("#input_str").evaluate(
        "e => e.parentNode.parentNode.dataset.seen"
    )
    assert seen == "qhana-form-field"
    state = page.evaluate("seenState")
    assert {"formSubmitHandler", "messageHandler", "heightUnchangedCount"} <= set(state)
    page.evaluate("""() => document.forms[0].removeEventListener(
            "submit", window._qhana_microfrontend_state.formSubmitHandler)""")
    fill(page)
    # Nobody listens any more, so the browser sends the form to the macro's own target.
    with page.expect_popup() as opened:
        page.get_by_role("button", name="submit").click()
    expect(opened.value).to_have_url(f"{site}/tasks/1-abc/")


# -- embedded in a page of another origin -------------------------------------------


def test_the_host_hears_that_the_form_is_there_and_how_high(
    page: Page, host: str
) -> None:
    around = Host(page, host)
    height = around.wait_for("ui-resize")["height"]
    assert height > 400
    known = around.form.locator("body").evaluate(
        "() => window._qhana_microfrontend_state.hostOrigin"
    )
    assert known == host  # so that nothing is sent to whoever may be there
    before = len(around.received("ui-resize"))
    around.form.locator("#input_str").evaluate("e => { e.style.height = '700px'; }")
    page.wait_for_function("n => received.length > n", arg=before)
    page.wait_for_function(
        "h => received.some((m) => m.data.height > h + 300)",
        arg=height,
    )


def test_the_host_may_style_the_form_and_fill_its_inputs(page: Page, host: str) -> None:
    around = Host(page, host)
    around.tell(
        {"type": "load-css", "urls": [f"{host}/extra.css", "javascript:alert(1)"]}
    )
    expect(around.form.locator("form")).to_have_css("outline-width", "7px")
    around.form.get_by_role("button", name="choose: Entities").click()
    request = around.wait_for("request-data-url")
    assert request == {
        "type": "request-data-url",
        "inputKey": "entitiesUrl",
        "acceptedInputType": "entity/list",
        "acceptedContentTypes": ["text/csv", "application/json"],
    }
    answer = {"href": "http://data/1", "dataType": "entity/list", "filename": "a.csv"}
    around.tell({"type": "data-url-response", "inputKey": "entitiesUrl", **answer})
    expect(around.form.get_by_label("Entities", exact=True)).to_have_value(
        "http://data/1"
    )
    expect(around.form.get_by_text("a.csv · entity/list")).to_be_visible()
    related = around.wait_for("request-related-data-url")
    assert related["inputKey"] == "attributesUrl"
    assert related["dataUrl"] == "http://data/1"
    assert (related["relation"], related["includeSelf"]) == ("post", False)
    around.form.get_by_role("button", name="preview: Entities").click()
    assert around.wait_for("request-data-preview")["dataUrl"] == "http://data/1"


def test_the_host_chooses_plugins_and_remembers_values(page: Page, host: str) -> None:
    around = Host(page, host)
    around.form.get_by_role("button", name="choose: Helper").click()
    assert around.wait_for("request-plugin-url")["pluginTags"] == ["helper", "!old"]
    answer = {"pluginUrl": "http://p/1/", "pluginName": "p", "pluginVersion": "2"}
    around.tell({"type": "plugin-url-response", "inputKey": "helper", **answer})
    expect(around.form.get_by_label("Helper", exact=True)).to_have_value("http://p/1/")
    value = "inputStr=again&isLoud=true&algorithm=exact&apiKey=leak&unknown=1"
    encoding = "application/x-www-form-urlencoded"
    around.tell({"type": "autofill-response", "value": value, "encoding": encoding})
    expect(around.form.get_by_label("Input text")).to_have_value("again")
    expect(around.form.get_by_label("Loud")).to_be_checked()
    expect(around.form.get_by_label("Algorithm")).to_have_value("exact")
    expect(around.form.get_by_label("Api key")).to_have_value("")
    around.form.get_by_label("Entities", exact=True).fill("http://typed/")
    around.form.get_by_label("Entities", exact=True).press("Tab")
    assert around.wait_for("request-data-url-info")["dataUrl"] == "http://typed/"


def test_a_submitted_form_is_told_to_the_host_without_secrets(
    page: Page, host: str
) -> None:
    around = Host(page, host)
    fill(around.form)
    around.form.get_by_label("Api key").fill("very secret")
    around.form.get_by_label("Entities", exact=True).fill("http://data/2")
    around.form.get_by_role("button", name="submit").click()
    told = around.wait_for("form-submit")
    values = parse_qs(told["formData"])
    assert values["inputStr"] == ["hello"]
    assert values["apiKey"] == ["***"]
    assert told["dataInputs"] == ["http://data/2"]
    assert told["formDataType"] == "application/x-www-form-urlencoded"
    assert told["submitUrl"].endswith("/process/")
    assert told["resultUrl"].endswith("/tasks/1-abc/")
    expect(around.form.locator(".task-view")).to_have_count(0)


def test_a_refused_form_is_told_to_the_host(page: Page, host: str) -> None:
    around = Host(page, host)
    fill(around.form)
    around.form.get_by_label("Tolerance").fill("0")
    around.form.get_by_role("button", name="submit").click()
    told = around.wait_for("form-error")
    assert (told["status"], told["error"]["code"]) == (422, 422)
    assert "tolerance" in told["error"]["errors"]["form"]


def test_the_host_can_keep_the_form_from_starting_anything(
    page: Page, host: str, app: Flask
) -> None:
    around = Host(page, host)
    around.tell("ui-prevent-submit")
    assert around.wait_for("ui-submit-status")["isAllowedToSubmit"] is False
    fill(around.form)
    around.form.get_by_role("button", name="submit").click()
    told = around.wait_for("form-submit")
    assert "resultUrl" not in told
    assert app.extensions["work"].started == []
    around.tell("ui-allow-submit")
    around.form.get_by_role("button", name="submit").click()
    page.wait_for_function("received.some((m) => m.data.resultUrl)")


def test_validating_inside_a_host_keeps_the_connection(page: Page, host: str) -> None:
    around = Host(page, host)
    around.form.get_by_label("Rounds").fill("99")
    around.form.get_by_role("button", name="validate").click()
    expect(around.form.get_by_role("alert")).to_be_visible()
    assert around.wait_for("ui-loading") == "ui-loading"
    page.wait_for_function("received.filter((m) => m.data === 'ui-loaded').length === 2")


def forge_an_answer(page: Page, site: str) -> None:
    page.goto(f"{site}/ui/")
    page.evaluate("""window.postMessage(
            {type: 'data-url-response', inputKey: 'entitiesUrl', href: 'x:y'})""")
    page.evaluate("new Promise((done) => setTimeout(done))")


def test_only_the_page_around_the_form_is_listened_to(page: Page, site: str) -> None:
    forge_an_answer(page, site)
    expect(page.get_by_label("Entities", exact=True)).to_have_value("")


def test_without_that_check_a_forged_answer_gets_in(page: Page, site: str) -> None:
    """Or the test above would show nothing."""

    def open_up(route: Route) -> None:
        script = route.fetch().text()
        lock = "!HAS_HOST || event.source !== window.parent"
        assert lock in script
        route.fulfill(body=script.replace(lock, "false"), content_type="text/javascript")

    page.route("**/microfrontend.js", open_up)
    forge_an_answer(page, site)
    expect(page.get_by_label("Entities", exact=True)).to_have_value("x:y")


# -- the console --------------------------------------------------------------------


def test_the_console_runs_a_plugin_in_a_sandbox(
    site: str, page: Page, app: Flask
) -> None:
    page.goto(site)
    page.get_by_role("link", name=re.compile("greeter")).click()
    frame = page.locator("iframe").first
    expect(frame).to_have_attribute(
        "sandbox", "allow-forms allow-scripts allow-downloads"
    )
    form = page.frame_locator("#console-plugin iframe")
    fill(form)
    form.get_by_role("button", name="submit").click()
    step = page.frame_locator("#console-task iframe")
    step.get_by_label("Confirmation").fill("yes")
    step.get_by_role("button", name="submit").press("Enter")  # the page may still move
    expect(page.get_by_text("The task is finished.")).to_be_visible()
    assert app.extensions["work"].answers == ["yes"]
    heading = page.get_by_role("heading", name="Task", exact=True)
    expect(heading).to_be_focused()  # and not lost with the form of the step
    page.goto(site)
    page.locator(".task-list").get_by_role("link", name="Greeter").click()
    expect(page.get_by_text("The task is finished.")).to_be_visible()
    page.get_by_role("button", name="Forget these").click()
    expect(page.get_by_text("Recent tasks")).to_be_hidden()


def test_the_console_offers_results_and_plugins_to_a_form(site: str, page: Page) -> None:
    page.goto(f"{site}/#plugin=greeter%401-0-0")
    form = page.frame_locator("#console-plugin iframe")
    fill(form)
    form.get_by_role("button", name="submit").click()
    step = page.frame_locator("#console-task iframe")
    step.get_by_label("Confirmation").fill("yes")
    step.get_by_role("button", name="submit").press("Enter")  # the page may still move
    expect(page.get_by_text("The task is finished.")).to_be_visible()
    form.get_by_role("button", name="choose: Entities").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="people.csv").click()
    expect(form.get_by_label("Entities", exact=True)).to_have_value(
        re.compile("/files/people.csv")
    )
    form.get_by_role("button", name="choose: Helper").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("There is none that fits.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_console_filters_plugins_and_links_problems(site: str, page: Page) -> None:
    page.goto(site)
    page.get_by_label("Filter by name").fill("example text")
    expect(page.locator(".plugin-list > li:visible")).to_have_count(1)
    page.get_by_label("Filter by name").fill("nothing like it")
    expect(page.get_by_text("No plugin matches.")).to_be_visible()
    expect(page.get_by_role("link", name="2 problems")).to_have_attribute(
        "href", "problems/"
    )


def top_and_bottom(element: Locator) -> tuple[float, float]:
    """Give where an element begins and ends in the window, in pixels."""
    box = element.bounding_box()
    assert box is not None
    return box["y"], box["y"] + box["height"]


def test_a_form_begins_right_below_its_title(site: str, page: Page) -> None:
    page.goto(f"{site}/#plugin=greeter%401-0-0")
    title = page.get_by_role("heading", name="Greeter")
    help_text = page.frame_locator("iframe").get_by_text("Says hello.")
    expect(help_text).to_be_visible()
    # only once the frame's own styles are there
    wait_for(lambda: 0 < top_and_bottom(help_text)[0] - top_and_bottom(title)[1] < 24)


def test_on_a_narrow_screen_the_form_is_not_below_all_plugins(
    site: str, page: Page
) -> None:
    unfold = page.get_by_role("button", name="Plugins and tasks")
    plugins = page.locator(".plugin-list")
    page.goto(site)
    page.get_by_role("link", name=re.compile("greeter")).click()
    expect(page.get_by_role("heading", name="Greeter")).to_be_visible()
    expect(plugins).to_be_visible()  # beside the form
    expect(unfold).to_be_hidden()
    page.set_viewport_size({"width": 400, "height": 800})
    expect(plugins).to_be_hidden()
    first = page.frame_locator("iframe").get_by_label("Input text")
    expect(first).to_be_in_viewport()
    expect(unfold).to_have_attribute("aria-expanded", "false")
    unfold.press("Enter")
    expect(plugins).to_be_visible()
    page.get_by_role("link", name=re.compile("greeter")).click()
    expect(plugins).to_be_hidden()
    expect(page.get_by_role("heading", name="Greeter")).to_be_in_viewport()


def test_the_console_opens_the_plugin_that_its_address_names(
    site: str, page: Page
) -> None:
    page.goto(f"{site}/#plugin=greeter%401-0-0")
    expect(page.get_by_role("heading", name="Greeter")).to_be_visible()
    page.go_back()
