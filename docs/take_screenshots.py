"""Takes the pictures of the console and the bundled plugins in docs/images anew.

In one terminal ``./run start --examples``, in another one

    .venv/bin/python docs/take_screenshots.py [http://127.0.0.1:5005]

needs the packages of the tests (`./run test` installs them) and the program chromium.
"""

from __future__ import annotations

import io
import math
import random
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urljoin

from PIL import Image
from playwright.sync_api import FilePayload, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 820, 760
CONSOLE_WIDTH, CONSOLE_HEIGHT = 1280, 1120
Shot = Callable[[Page], None]
DICE = random.Random(7)  # noqa: S311 - the same pictures each time


def file(name: str, content: str | bytes, kind: str = "text/csv") -> FilePayload:
    """Give a file to choose in a form."""
    data = content.encode() if isinstance(content, str) else content
    return {"name": name, "mimeType": kind, "buffer": data}


def flowers() -> FilePayload:
    """Give a table with three groups."""
    rows = ["species,length,width,petals"]
    for species, length, width, petals in (
        ("meadow", 5.0, 3.4, 5),
        ("garden", 6.1, 2.8, 6),
        ("forest", 7.4, 3.1, 8),
    ):
        for _ in range(40):
            x, y = DICE.gauss(length, 0.25), DICE.gauss(width, 0.2)
            rows.append(f"{species},{x:.2f},{y:.2f},{petals}")
    return file("flowers.csv", "\n".join(rows))


def picture(size: int = 400, turn: float = 0.0) -> bytes:
    """Give a picture with rings."""
    drawn = Image.new("RGB", (size, size * 3 // 4))
    for x in range(drawn.width):
        for y in range(drawn.height):
            away = math.hypot(x - size / 2, y - size * 3 / 8)
            angle = math.atan2(y - size * 3 / 8, x - size / 2) + turn
            light = 0.5 + 0.5 * math.sin(away / 14 + 3 * angle)
            drawn.putpixel((x, y), (int(40 + 180 * light), int(120 * light), 140))
    target = io.BytesIO()
    drawn.save(target, "PNG")
    return target.getvalue()


def archive() -> FilePayload:
    """Give an archive with some files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        packed.writestr("readme.txt", "What is in here.\n" * 9)
        packed.writestr("data/flowers.csv", flowers()["buffer"])
        packed.writestr("pictures/rings.png", picture(80))
    return file("things.zip", target.getvalue(), "application/zip")


def submit(page: Page, preview: str = "") -> None:
    """Send the form, wait for the end, and open the preview of a result."""
    page.get_by_role("button", name="submit").click()
    page.get_by_text("The task is finished.").wait_for()
    if preview:
        page.get_by_role("button", name=f"Preview {preview}").click()
        page.locator(".task-results").locator("pre, img, table").first.wait_for()
        page.wait_for_function("[...document.images].every((one) => one.naturalWidth)")


def own(page: Page, chosen: FilePayload) -> None:
    """Choose a file of one's own."""
    page.get_by_label("Or a file of your own").set_input_files(chosen)


def hello_world(page: Page) -> None:
    """Greet."""
    page.get_by_label("Input str").fill("Ada")
    submit(page, "out.txt")


def word_count(page: Page) -> None:
    """Count words."""
    page.get_by_role("textbox", name="Text").fill("to be or\nnot to be")
    submit(page, "counts.csv")


def two_step(page: Page) -> None:
    """Ask for the second step."""
    page.locator("textarea").fill("to be or\nnot to be")
    page.get_by_role("button", name="submit").click()
    page.frame_locator("iframe").get_by_role("button", name="submit").wait_for()


def table_profile(page: Page) -> None:
    """Profile a table."""
    own(page, flowers())
    submit(page, "distributions.png")


def k_means(page: Page) -> None:
    """Find three clusters."""
    own(page, flowers())
    page.get_by_role("textbox", name="Columns").fill("length,width")
    submit(page, "clusters.png")


def image_cutout(page: Page) -> None:
    """Cut a picture."""
    own(page, file("rings.png", picture(), "image/png"))
    page.get_by_label("First column").fill("150")
    page.get_by_label("First row").fill("80")
    submit(page, "cutout.png")


def file_upload(page: Page) -> None:
    """Keep a file."""
    page.locator("input[type=file]").set_input_files(flowers())
    page.get_by_label("Data type").fill("entity/list")
    submit(page, "flowers.csv")


def url_import(page: Page) -> None:
    """Import from a URL."""
    page.get_by_role("textbox", name="URL").fill("data:text/plain,kept%20for%20later")
    page.get_by_role("textbox", name="Name").fill("note.txt")
    submit(page, "note.txt")


def zip_list(page: Page) -> None:
    """Look into an archive."""
    own(page, archive())
    submit(page, "members.csv")


def data_converter(page: Page) -> None:
    """Convert a table."""
    own(page, flowers())
    submit(page, "flowers.json")


def table_join(page: Page) -> None:
    """Ask for columns."""
    own(page, file("cities.csv", "city,country\nBonn,DE\nLyon,FR\n"))
    page.get_by_role("button", name="submit").click()
    step = page.frame_locator("iframe")
    second = file("countries.csv", "code,name\nDE,Germany\nFR,France\n")
    step.get_by_label("Or a file of your own").set_input_files(second)
    step.get_by_role("button", name="submit").click()
    step.get_by_label("Of the second").wait_for()
    step.get_by_label("Of the first table").select_option("country")


def result(page: Page, chosen: FilePayload) -> str:
    """Keep a file as a result of the plugin `file-upload`, and give its URL, quoted."""
    upload = urljoin(page.url, "/plugins/file-upload@1-0-0/process/")
    task = page.request.post(upload, multipart={"file": chosen})
    while not (document := page.request.get(task.url).json()).get("outputs"):
        page.wait_for_timeout(100)
    return quote(document["outputs"][0]["href"], safe="")


def table_viewer(page: Page) -> None:
    """Look at a table."""
    people = "".join(
        f"{number},{DICE.choice(['Ada', 'Bob', 'Cy', 'Dee'])},{DICE.randint(18, 90)}\n"
        for number in range(1, 50_001)
    )
    table = result(page, file("people.csv", f"number,name,age\n{people}"))
    page.goto(f"{page.url}?data={table}&sort=age&order=desc&rows=25&filter=a")
    page.get_by_label("Show rows with").wait_for()


def picture_viewer(page: Page) -> None:
    """Look at pictures."""
    rings = [file("rings.png", picture(300, turn), "image/png") for turn in (0.0, 1.0)]
    query = "&".join(f"data={result(page, chosen)}" for chosen in rings)
    page.goto(f"{page.url}?{query}")
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    page.wait_for_load_state("networkidle")


def console(page: Page) -> None:
    """Count words from the console."""
    page.get_by_role("link", name="Word count").click()
    form = page.frame_locator("iframe")
    form.get_by_role("textbox", name="Text").fill(
        "the quick brown fox\njumps over the lazy dog\nand the dog sleeps on"
    )
    form.get_by_label("Top").fill("5")
    form.get_by_role("button", name="submit").click()
    page.get_by_role("button", name="Preview counts.csv").click()
    page.locator("#console-task table").wait_for()
    page.evaluate("scrollTo(0, 0)")


SHOTS: tuple[Shot, ...] = (
    *(hello_world, word_count, two_step, table_profile, k_means, image_cutout),
    *(file_upload, url_import, zip_list, data_converter, table_join),
    *(table_viewer, picture_viewer),
)


def kept(picture: bytes, target: Path) -> None:
    """Write a picture with few colours, which is enough for forms, and small."""
    with Image.open(io.BytesIO(picture)) as taken:
        few = taken.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(target, optimize=True)


def main(url: str) -> None:
    """Take all pictures from the runner at ``url``."""
    plugins = IMAGES / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for shot in SHOTS:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            name = shot.__name__.replace("_", "-")
            page.goto(f"{url}/plugins/{name}@1-0-0/ui/")
            shot(page)
            kept(page.screenshot(full_page=True), plugins / f"{name}.png")
            page.close()
        size = {"width": CONSOLE_WIDTH, "height": CONSOLE_HEIGHT}
        page = browser.new_page(viewport=size)
        page.goto(f"{url}/")
        console(page)
        kept(page.screenshot(), IMAGES / "console.png")
        browser.close()


if __name__ == "__main__":
    main((sys.argv[1:] or ["http://127.0.0.1:5005"])[0].rstrip("/"))
