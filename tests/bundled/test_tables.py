"""What the plugins for tables compute is what is computed here in another way."""

from __future__ import annotations

import io
import random
import statistics
from typing import Any

import pandas
import pytest
from PIL import Image

from tests.bundled.live import Live, data_url, rows

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PEOPLE = "name,age,height\nAda,36,1.6\nBob,20,1.8\nCy,,1.7\nDee,28,1.8\n"


def workbook(**sheets: Any) -> bytes:
    """Give an Excel file with these sheets (data frames)."""
    file = io.BytesIO()
    with pandas.ExcelWriter(file) as writer:
        for name, frame in sheets.items():
            frame.to_excel(writer, sheet_name=name, index=False)
    return file.getvalue()


def is_picture(content: bytes) -> bool:
    """Tell whether something is drawn in a picture."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    return len(picture.getcolors(2**20) or ()) > 10


def test_a_table_is_profiled(site: Live) -> None:
    found = site.run("table-profile", table=data_url(PEOPLE))
    assert found["log"] == b"4 rows, 3 columns"
    name, age, height = rows(found["statistics.csv"])
    assert (name["type"], name["count"], name["mean"]) == ("text", "4", "")
    ages = [36, 20, 28]
    assert (age["count"], age["missing"], age["distinct"]) == ("3", "1", "3")
    assert float(age["mean"]) == statistics.mean(ages)
    assert float(age["std"]) == pytest.approx(statistics.stdev(ages))
    assert float(age["median"]) == statistics.median(ages)
    assert (float(age["min"]), float(age["max"])) == (20, 36)
    assert height["most_frequent"] == "1.8"
    of_age, of_height = rows(found["correlations.csv"])
    wanted = statistics.correlation(ages, [1.6, 1.8, 1.8])
    assert float(of_age["height"]) == pytest.approx(wanted)
    assert of_age["height"] == of_height["age"]
    assert is_picture(found["distributions.png"])
    assert is_picture(found["correlations.png"])
    assert found["distributions.svg"].startswith(b"<?xml")


def test_ids_of_rows_are_correlated_with_nothing(site: Live) -> None:
    found = site.run("table-profile", table=data_url("ID,a,b\n1,2,3\n2,5,1\n3,1,9\n"))
    assert [row["ID"] for row in rows(found["statistics.csv"])] == ["ID", "a", "b"]
    assert [row["ID"] for row in rows(found["correlations.csv"])] == ["a", "b"]


def test_a_sheet_of_a_workbook_is_profiled(site: Live) -> None:
    days = pandas.DataFrame({"day": pandas.to_datetime(["2024-01-01", "2024-01-02"])})
    content = workbook(One=days, Two=pandas.DataFrame({"x": [1.5, 2.5]}))
    own = {"own": ("book.xlsx", content, EXCEL)}
    (day,) = rows(site.run("table-profile", own)["statistics.csv"])
    assert (day["ID"], day["type"], day["count"]) == ("day", "date", "2")
    (x,) = rows(site.run("table-profile", own, sheet="Two")["statistics.csv"])
    assert (x["ID"], x["type"], x["mean"]) == ("x", "number", "2.0")
    assert "there are: One, Two" in site.failure("table-profile", own, sheet="Three")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a,b\n1,2\n3\n", "Line 3, column 2 (b): The row has 1 cells"),
        ("a,b\n", "The table is empty."),
    ],
)
def test_a_table_that_cannot_be_read_is_told_with_its_place(
    site: Live, content: str, reason: str
) -> None:
    assert reason in site.failure("table-profile", table=data_url(content))
    assert reason in site.failure("k-means", table=data_url(content))


def test_what_is_no_table_is_told(site: Live) -> None:
    picture = data_url("x", "image/png")
    assert "it is image/png" in site.failure("table-profile", table=picture)
    own = {"own": ("a.xlsx", b"no archive", EXCEL)}
    assert "archive is broken" in site.failure("table-profile", own)
    assert "Give one file" in site.failure("table-profile")
    assert site.refusal("table-profile", bins=1, table="no url") == ["bins", "table"]


CENTRES = [(0.0, 0.0), (10.0, 0.0), (0.0, 1000.0)]


def points() -> list[tuple[int, float, float]]:
    """Give points of three groups, whose second coordinate is of another scale."""
    dice = random.Random(1)
    return [
        (group, x + dice.uniform(-1, 1), y + dice.uniform(-100, 100))
        for group, (x, y) in enumerate(CENTRES)
        for _ in range(30)
    ]


def test_clusters_are_those_that_were_made(site: Live) -> None:
    made = points()
    table = "ID,x,y,w\n" + "".join(f"{i},{x},{y},a\n" for i, (_, x, y) in enumerate(made))
    found = site.run("k-means", {"own": ("t.csv", table, "text/csv")}, clusters=3)
    clusters = [int(row["cluster"]) for row in rows(found["clusters.csv"])]
    pairs = {
        (group, cluster) for (group, _, _), cluster in zip(made, clusters, strict=True)
    }
    assert len(pairs) == 3  # each group is one cluster
    for group, cluster in pairs:
        centre = rows(found["centres.csv"])[cluster]
        assert centre["size"] == "30"
        mean = statistics.mean(x for g, x, _ in made if g == group)
        assert float(centre["x"]) == pytest.approx(mean)
    assert is_picture(found["clusters.png"])


def test_clusters_of_other_columns_leave_out_what_is_missing(site: Live) -> None:
    table = "a,b,c,d\n1,1,1,x\n2,2,2,x\n9,9,9,x\n,1,1,x\n"
    found = site.run("k-means", table=data_url(table), clusters=2, columns="a,b,c")
    assert b"1 rows have missing values" in found["log"]
    assert [row["a"] for row in rows(found["clusters.csv"])] == ["1.0", "2.0", "9.0"]
    found = site.run("k-means", table=data_url(table), clusters=1, columns="a")
    assert float(rows(found["centres.csv"])[0]["a"]) == 4


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"columns": "z"}, "There is no column 'z'; there are: name, age, height."),
        ({"columns": "name"}, "Column 'name' does not hold numbers only."),
        ({"clusters": 9}, "9 clusters need as many different rows; the table has 3."),
    ],
)
def test_clusters_that_cannot_be(
    site: Live, parameters: dict[str, Any], reason: str
) -> None:
    assert reason in site.failure("k-means", table=data_url(PEOPLE), **parameters)
