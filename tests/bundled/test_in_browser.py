"""Bundled pages and a flow of steps in a browser, in a page of another origin."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

from tests.bundled.live import Live, data_url, rows
from tests.ui.around import Host
from tests.ui.site_under_test import build_host, served

pytestmark = pytest.mark.browser
CITIES = b"city,country\nBonn,DE\nLyon,FR\nOslo,NO\n"
COUNTRIES = b"code,country name\nDE,Germany\nFR,France\n"


@pytest.fixture
def around(page: Page, site: Live) -> Iterator[Host]:
    """Give a host of another origin, with the form of the join."""
    with served(build_host(site.at("table-join", "ui/"))) as host:
        yield Host(page, host)


def upload(form: FrameLocator, name: str, content: bytes) -> None:
    """Choose a file of one's own."""
    file: Any = {"name": name, "mimeType": "text/csv", "buffer": content}
    form.get_by_label("Or a file of your own").set_input_files(file)


def width_of_heading(form: FrameLocator, name: str) -> int:
    """Give the width in pixels that is seen of the page's title."""
    heading = form.get_by_role("heading", name=name, level=1)
    return int(heading.evaluate("heading => heading.offsetWidth"))


def test_two_tables_are_joined_in_a_foreign_page(around: Host, site: Live) -> None:
    form = around.form
    assert width_of_heading(form, "Join two tables") == 1  # said around it
    upload(form, "cities.csv", b"city,country\nBonn\n")
    form.get_by_role("button", name="submit").click()
    task = around.wait_for("form-submit")["resultUrl"]

    around.show(site.step(task, 0)["uiHref"])
    expect(form.get_by_text("Line 2, column 2 (country)")).to_be_visible()
    upload(form, "cities.csv", CITIES)
    form.get_by_role("button", name="submit").click()
    around.wait_for("form-submit")

    around.show(site.step(task, 1)["uiHref"])
    expect(form.get_by_text("cities.csv has 3 rows.")).to_be_visible()
    form.get_by_role("textbox", name="Table").fill(data_url(COUNTRIES))
    form.get_by_role("button", name="submit").click()
    around.wait_for("form-submit")

    around.show(site.step(task, 2)["uiHref"])
    assert width_of_heading(form, "Columns") > 50
    first = form.get_by_label("Of the first table")
    second = form.get_by_label("Of the second")
    expect(first.locator("option")).to_have_text(["city", "country"])
    expect(second.locator("option")).to_have_text(["code", "country name"])
    first.select_option("city")
    second.select_option("code")
    form.get_by_role("button", name="submit").click()
    around.wait_for("form-submit")

    around.show(site.step(task, 3)["uiHref"])
    expect(
        form.get_by_text("No value of “city” is among those of “code”.")
    ).to_be_visible()
    first.select_option("country")
    second.select_option("code")
    form.get_by_label("Which rows").select_option("all of the first")
    form.get_by_role("button", name="submit").click()
    around.wait_for("form-submit")
    found = rows(site.files(site.ended(task))["joined.csv"])
    assert [row["country name"] for row in found] == ["Germany", "France", ""]


def test_a_table_is_looked_through_in_a_foreign_page(around: Host, site: Live) -> None:
    table = "n,word\n" + "".join(f"{n},word {n % 7}\n" for n in range(60))
    around.show(site.at("table-viewer", "ui/"))
    form = around.form
    form.get_by_role("textbox", name="Table").fill(data_url(table))
    form.get_by_role("button", name="Show").click()
    expect(form.get_by_text("60 rows, 2 columns")).to_be_visible()
    cells = form.locator("tbody tr:first-child td")
    column = form.get_by_role("columnheader").nth(1).get_by_role("link")
    column.click()
    expect(form.locator("th[aria-sort=ascending]")).to_have_text("n ▲")
    column.click()
    expect(form.locator("th[aria-sort=descending]")).to_have_text("n ▼")
    expect(cells.first).to_have_text("59")
    form.get_by_role("link", name="Next").click()
    expect(cells.first).to_have_text("9")
    form.get_by_label("Show rows with").fill("word 6")
    form.get_by_label("Show rows with").press("Enter")
    expect(form.get_by_role("status").filter(has_text="rows")).to_have_text(
        "8 of 60 rows, 2 columns"
    )
    expect(cells.first).to_have_text("55")
    assert around.received("ui-resize")


def picture(colour: str) -> str:
    """Give the URL of a small picture."""
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return data_url(file.getvalue(), "image/png")


def test_a_task_is_answered_and_read_without_javascript(
    browser: Browser, site: Live
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.at("two-step", "ui/"))
    page.get_by_label("Text").fill("to be\nor not")
    page.get_by_role("button", name="submit").click()
    page.get_by_role("link", name="Next step").click()  # the page comes anew until then
    page.get_by_label("Word").fill("be")
    page.get_by_label("Word").press("Enter")
    expect(page.get_by_text("The task is finished.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download lines.txt").click()
    assert download.value.path().read_text() == "to be"
    page.get_by_role("link", name="Open the task document").click()
    expect(page.locator("body")).to_contain_text('"status": "SUCCESS"')
    context.close()


def test_the_page_of_a_task_goes_on_with_javascript(page: Page, site: Live) -> None:
    task = site.submit("two-step", text="to be")
    page.goto(task)
    expect(page.get_by_role("heading", level=1)).to_have_text("two-step 1.0.0")
    form = page.frame_locator("iframe")
    form.get_by_label("Word").fill("be")
    form.get_by_label("Word").press("Enter")
    expect(page.get_by_text("The task is finished.")).to_be_visible()


def preview_of(page: Page, site: Live, task: str) -> Locator:
    """Open a task on the page of its form, and the preview of its picture there."""
    path = task.removeprefix(site.url)
    page.goto("about:blank")
    page.goto(f"{site.at('image-thumbnail', 'ui/')}#task={quote(path, safe='')}")
    page.get_by_role("button", name="Preview thumbnail.png").click()
    return page.get_by_role("img", name="thumbnail.png")


def test_a_picture_is_previewed_as_wide_as_there_is_room(page: Page, site: Live) -> None:
    file = io.BytesIO()
    Image.new("RGB", (600, 200), "red").save(file, "PNG")
    uploads = {"own": ("a.png", file.getvalue(), "image/png")}
    task = site.submit("image-thumbnail", uploads, size=600, kind="png")
    site.ended(task)
    assert widths(preview_of(page, site, task)) == (600, 600)
    page.set_viewport_size({"width": 400, "height": 800})
    shown, natural = widths(preview_of(page, site, task))
    assert (200 < shown < 400, natural) == (True, 600)
    page.route(re.compile("/files/[^/]+/[?]"), lambda route: route.abort())
    small = preview_of(page, site, task)
    expect(small).to_have_attribute("src", re.compile("^data:"))
    assert widths(small)[1] == 320


def widths(picture: Locator) -> tuple[int, int]:
    """Give how wide a picture is shown, and how wide it is."""
    shown = picture.evaluate(
        "img => img.decode().then(() => [img.width, img.naturalWidth])"
    )
    return int(shown[0]), int(shown[1])


def test_pictures_are_zoomed_moved_and_compared(around: Host, site: Live) -> None:
    urls = "&".join(
        f"data={url.replace('%', '%25')}"
        for url in (picture("red"), picture("blue"), data_url("x", "image/png"))
    )
    around.show(f"{site.at('picture-viewer', 'ui/')}?{urls}")
    form = around.form
    state, stage = form.locator("#viewer-state"), form.locator("#stage")
    expect(state).to_have_text("1 / 3 · Picture 1 · 100 %")
    form.get_by_role("button", name="Zoom in").click()
    expect(state).to_have_text("1 / 3 · Picture 1 · 125 %")
    stage.focus()
    for key in ("+", "ArrowLeft", "PageDown"):
        stage.press(key)
    expect(state).to_have_text("2 / 3 · Picture 2 · 156 %")
    shown = stage.locator("figure.shown img")
    expect(shown).to_have_attribute("alt", "Picture 2")
    before = shown.bounding_box()
    assert before is not None
    around.page.mouse.move(before["x"] + 5, before["y"] + 5)
    around.page.mouse.down()
    around.page.mouse.move(before["x"] + 25, before["y"] + 15)
    around.page.mouse.up()
    after = shown.bounding_box()
    assert after is not None
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((20, 10))
    stage.press("0")
    expect(state).to_have_text("2 / 3 · Picture 2 · 100 %")
    form.get_by_role("link", name="Picture 3").click()
    expect(form.get_by_role("alert")).to_have_text(
        "Picture 3: This is no picture, or not all of it is there."
    )
