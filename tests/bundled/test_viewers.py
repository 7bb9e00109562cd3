"""The pages that show tables and pictures, over HTTP."""

from __future__ import annotations

import io
import re
from html import unescape
from typing import Any

import pytest
from PIL import Image

from tests.bundled.live import Live, data_url

MANY = 250_000
ROW = re.compile(r'<th scope="row">(\d+)</th>\s*(.*?)</tr>', re.DOTALL)
CELL = re.compile(r"<td[^>]*>(.*?)</td>", re.DOTALL)
PEOPLE = "name,age,born\nBob,9,2001-01-02\nAda,36,1815-12-10\n<b>Cy</b>,,\nDee,100,x\n"


def shown(site: Live, data: str, **query: Any) -> list[list[str]]:
    """Give the cells of a page of a table, with the number of the row first."""
    answer = site.http.get(site.at("table-viewer", "ui/"), params={"data": data, **query})
    assert answer.status_code == 200, answer.text
    return [
        [number, *map(unescape, CELL.findall(cells))]
        for number, cells in ROW.findall(answer.text)
    ]


def kept(site: Live, content: bytes | str, name: str, kind: str) -> str:
    """Keep a file as a result, and give its URL."""
    task = site.ended(site.submit("file-upload", {"file": (name, content, kind)}))
    return str(task["outputs"][0]["href"])


def test_a_table_is_sorted_by_numbers_or_by_letters(site: Live) -> None:
    table = data_url(PEOPLE)
    assert [row[2] for row in shown(site, table)] == ["9", "36", "", "100"]
    assert [row[2] for row in shown(site, table, sort="age")] == ["", "9", "36", "100"]
    down = shown(site, table, sort="age", order="desc")
    assert [row[0] for row in down] == ["4", "2", "1", "3"]
    by_name = shown(site, table, sort="name")
    assert [row[1] for row in by_name] == ["<b>Cy</b>", "Ada", "Bob", "Dee"]
    by_day = shown(site, table, sort="born")
    assert [row[3] for row in by_day] == ["", "1815-12-10", "2001-01-02", "x"]


def test_a_table_is_filtered(site: Live) -> None:
    table = data_url(PEOPLE)
    assert [row[1] for row in shown(site, table, filter="1")] == ["Bob", "Ada", "Dee"]
    assert [row[1] for row in shown(site, table, filter="1", column="age")] == ["Dee"]
    assert shown(site, table, filter="%") == shown(site, table, filter="_") == []
    page = site.http.get(
        site.at("table-viewer", "ui/"), params={"data": table, "filter": "B<"}
    )
    assert "No row matches." in page.text
    assert 'value="B&lt;"' in page.text
    assert "<b>Cy" not in page.text


def test_many_rows_are_paged_through_without_being_read_again(site: Live) -> None:
    lines = "".join(f"{n},{n * 7919 % MANY},text {n % 100}\r\n" for n in range(MANY))
    url = kept(site, f"i,shuffled,t\r\n{lines}", "many.csv", "text/csv")
    assert shown(site, url, page=MANY // 50)[-1] == [
        *(
            str(MANY),
            str(MANY - 1),
            str((MANY - 1) * 7919 % MANY),
            f"text {(MANY - 1) % 100}",
        )
    ]
    there = shown(site, url, sort="shuffled", page=1234, rows=100)
    assert [row[2] for row in there] == [str(n) for n in range(123_300, 123_400)]
    assert [row[1] for row in there] == [
        str(n * pow(7919, -1, MANY) % MANY) for n in range(123_300, 123_400)
    ]
    back = shown(site, url, sort="shuffled", order="desc", page=2, rows=25)
    assert [row[2] for row in back] == [str(MANY - 26 - n) for n in range(25)]
    found = shown(site, url, filter="text 42", column="t", page=3)
    assert [row[1] for row in found] == [str(n * 100 + 42) for n in range(100, 150)]
    last = shown(site, url, filter="text 42", column="t", page=10**6)
    assert last[-1][1] == str(MANY - 58)


def test_a_table_of_json_has_all_columns(site: Live) -> None:
    table = data_url('[{"a": 1, "b": [2]}, {"c": null, "a": true}]', "application/json")
    assert shown(site, table) == [["1", "1", "[2]", ""], ["2", "true", "", ""]]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"data": data_url("a,b\n1\n")}, "Line 2, column 2 (b): The row has 1 cells"),
        ({"data": data_url("a,a\n1,2\n")}, "Two columns have the same name."),
        ({"data": data_url("a\n")}, "The table has no rows."),
        ({"data": data_url("[{}]", "application/json")}, "The rows have no columns."),
        ({"data": data_url("x", "image/png")}, "This is image/png, not CSV"),
        ({"data": "http://127.0.0.1:1/"}, "there is no connection to it"),
        ({"data": "no url"}, "Not a valid URL"),
        ({"data": data_url(PEOPLE), "sort": "x"}, "There is no column “x”."),
        ({"data": data_url(PEOPLE), "filter": "1", "column": "x"}, "no column “x”"),
        ({"data": data_url(PEOPLE), "page": "0"}, "page: Must be greater"),
        ({"data": data_url(PEOPLE), "order": "up", "rows": "x"}, "rows: Not a valid"),
    ],
)
def test_what_cannot_be_shown_is_told(
    site: Live, query: dict[str, str], reason: str
) -> None:
    answer = site.http.get(site.at("table-viewer", "ui/"), params=query)
    assert answer.status_code == 422
    assert reason in unescape(answer.text)


def test_a_table_may_be_wide_but_not_too_wide(site: Live) -> None:
    for columns, code in ((1000, 200), (1001, 422)):
        header = ",".join(f"c{number}" for number in range(columns))
        url = kept(site, f"{header}\n{',' * (columns - 1)}", "wide.csv", "text/csv")
        answer = site.http.get(site.at("table-viewer", "ui/"), params={"data": url})
        assert answer.status_code == code
    assert "more than 1000 columns" in answer.text


def test_empty_rows_may_follow_others(site: Live) -> None:
    rows = ",".join(['{"a": 1}', *["{}"] * 25_000])
    url = kept(site, f"[{rows}]", "rows.json", "application/json")
    assert shown(site, url, page=10**6)[-1] == ["25001", ""]


def test_the_pages_allow_nothing_inline(site: Live) -> None:
    for plugin in ("table-viewer", "picture-viewer"):
        assert site.http.get(site.at(plugin)).json()["type"] == "visualization"
        answer = site.http.get(site.at(plugin, "ui/"), params={"data": "data:,x"})
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors" in policy  # which the runner adds
        assert 'name="data"' in site.http.get(site.at(plugin, "ui/")).text
        wrong = site.post(site.at(plugin, "ui/"), {"data": "no url"})
        assert "Not a valid URL" in unescape(wrong.text)
        right = site.post(site.at(plugin, "ui/"), {"data": "http://a/b"})
        assert right.status_code == 303


# -- pictures -----------------------------------------------------------------------


def picture(kind: str, size: tuple[int, int] = (12, 8), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, (255, 0, 0, 255)[: len(mode)]).save(file, kind)
    return file.getvalue()


def fetched(site: Live, url: str, **query: Any) -> Any:
    return site.http.get(
        site.at("picture-viewer", "picture/"), params={"data": url, **query}
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"])
def test_pictures_of_all_kinds_are_shown(site: Live, kind: str) -> None:
    answer = fetched(site, data_url(picture(kind), f"image/{kind.lower()}"))
    assert answer.headers["Content-Type"] in ("image/png", "image/jpeg")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    found = Image.open(io.BytesIO(answer.content))
    assert found.size == (12, 8)
    red, green, _ = found.convert("RGB").getpixel((6, 4))  # type: ignore[misc]
    assert red > 240 > 20 > green


def test_large_pictures_are_made_smaller(site: Live) -> None:
    large = kept(site, picture("PNG", (6000, 300)), "a.png", "image/png")
    assert Image.open(io.BytesIO(fetched(site, large).content)).size == (4096, 205)
    small = Image.open(io.BytesIO(fetched(site, large, edge=96).content))
    assert small.size[0] == 96


def test_a_drawing_cannot_run_scripts(site: Live) -> None:
    drawing = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    answer = fetched(site, data_url(drawing, "image/svg+xml"))
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert answer.headers["Content-Security-Policy"].startswith(
        "sandbox; default-src 'none'"
    )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (data_url("<html>", "text/html"), "This is no picture"),
        (data_url(picture("PNG")[:45], "image/png"), "This is no picture"),
        ("http://127.0.0.1:1/a.png", "cannot be fetched"),
        ("file:///etc/passwd", "file"),
    ],
)
def test_what_is_no_picture_is_told(site: Live, url: str, reason: str) -> None:
    answer = fetched(site, url)
    assert answer.status_code == 422
    assert reason in answer.json()["message"]


def test_a_page_of_pictures_names_them(site: Live) -> None:
    urls = ["http://example.org/a%20b.png?x=1", data_url("x", "image/png")]
    page = site.http.get(site.at("picture-viewer", "ui/"), params={"data": urls}).text
    assert 'alt="a b.png"' in page
    assert 'alt="Picture 2"' in page
    many = site.http.get(site.at("picture-viewer", "ui/"), params={"data": urls * 26})
    assert many.status_code == 422
