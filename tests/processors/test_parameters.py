"""Each kind of parameter: what the form shows, refuses, and gives to the function."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.processors.conftest import Load, Site

EVERY = """
    import json

    class Colour(Enum):
        red = "r"
        blue = "b"

    @plugin.processor()
    def work(
        task: Task,
        count: Integer(min=1, max=9, step=2),
        size: Annotated[float, Number(min=0.5, help="In *cm*")],
        colour: Colour,
        way: Literal["up", "down"],
        level: Literal[1, 2] | None,
        day: Date(min=date(2024, 1, 1)),
        at: datetime,
        names: list[str],
        code: Text(pattern="[a-z]+", max_length=3) = "abc",
        numbers: Annotated[list[int], Input(label="Nums")] = [1, 2],
        shades: list[Colour] = [],
        loud: bool = True,
        quiet: Boolean(label="Quiet?") = False,
        note: str | None = None,
        kind: Choice({"a": "First", "b": "Second"}) = "b",
        some: Choice([1, 2, 3]) | None = None,
        clock: time = time(8, 30),
    ) -> str:
        return json.dumps([count, size, colour.name, way, level, day.isoformat(),
            at.isoformat(), names, code, numbers, [s.name for s in shades], loud, quiet,
            note, kind, some, clock.isoformat()])
"""
LEAST = {
    "count": "3",
    "size": "0.5",
    "colour": "red",
    "way": "up",
    "level": "",
    "day": "2024-02-03",
    "at": "2024-02-03T10:20",
    "names": "a,b",
}


@pytest.fixture
def site(load: Load) -> Site:
    """Give a plugin with every kind of parameter."""
    found = load(EVERY)
    assert found.problems == []
    return found


def test_defaults_stand_for_what_is_not_sent(site: Site) -> None:
    assert site.result(**LEAST) == [
        *[3, 0.5, "red", "up", None, "2024-02-03", "2024-02-03T10:20:00", ["a", "b"]],
        *["abc", [1, 2], [], True, False, None, "b", None, "08:30:00"],
    ]


def test_every_value_reaches_the_function(site: Site) -> None:
    sent = {
        **LEAST,
        "level": "2",
        "code": "xy",
        "numbers": "4, 5",
        "shades": "blue,red",
        "loud": "false",
        "quiet": "true",
        "note": "ä",
        "kind": "a",
        "some": "3",
        "clock": "10:00",
    }
    assert site.result(**sent) == [
        *[3, 0.5, "red", "up", 2, "2024-02-03", "2024-02-03T10:20:00", ["a", "b"]],
        *["xy", [4, 5], ["blue", "red"], False, True, "ä", "a", 3, "10:00:00"],
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", "0"),
        ("count", "2"),
        ("count", "11"),
        ("count", "1.5"),
        ("count", ""),
        ("size", "0.4"),
        ("size", "nan"),
        ("colour", "green"),
        ("way", ""),
        ("way", "left"),
        ("level", "3"),
        ("day", "2023-12-31"),
        ("day", "today"),
        ("at", "10:20"),
        ("numbers", "1,x"),
        ("numbers", "1,,2"),
        ("shades", "green"),
        ("code", "A"),
        ("code", "abc\n"),
        ("code", "abcd"),
        ("kind", "c"),
        ("some", "4"),
        ("clock", "25:00"),
    ],
)
def test_what_does_not_fit_is_refused_beside_its_field(
    site: Site, name: str, value: str
) -> None:
    sent = {**LEAST, name: value}
    answer = site.post("process/", data=sent)
    assert answer.status_code == 422
    assert list(answer.json["errors"]["form"]) == [name]
    assert f'id="{name}-error"' in site.post("ui/", data=sent).text


@pytest.mark.parametrize("name", [n for n in LEAST if n != "level"])
def test_what_has_no_default_must_be_sent(site: Site, name: str) -> None:
    sent = {key: value for key, value in LEAST.items() if key != name}
    assert list(site.post("process/", data=sent).json["errors"]["form"]) == [name]


@pytest.mark.parametrize(
    "shown",
    [
        'min="1" max="9" step="2"',
        'min="0.5"',
        "<em>cm</em>",
        '<option value="red">r</option>',
        '<option value="up">up</option>',
        '<option value="" selected></option><option value="1">1</option>',
        'type="date"',
        'type="datetime-local"',
        'type="time"',
        'value="08:30:00"',
        'value="1,2"',
        ">Nums",
        ">Quiet?",
        'name="loud" class="qhana-form-input" value="true" checked',
        '<option value="b" selected>Second</option>',
        'maxlength="3"',
    ],
)
def test_the_form_shows_bounds_choices_and_defaults(site: Site, shown: str) -> None:
    assert shown in site.get("ui/").text


def test_the_document_tells_bounds_and_choices(site: Site) -> None:
    body = site.operation("process/", "post")["requestBody"]["content"]
    reference = body["application/x-www-form-urlencoded"]["schema"]["$ref"]
    spec = site.client.get("/api-spec.json").get_json()
    properties = spec["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
    assert properties["count"]["minimum"] == 1
    assert properties["count"]["maximum"] == 9
    assert properties["way"]["enum"] == ["up", "down"]
    assert properties["kind"]["enum"] == ["a", "b"]
    assert properties["day"]["format"] == "date"


LOADED = """
    options = {"a": "First"}

    def load():
        if not options:
            raise RuntimeError("gone")
        return options

    @plugin.processor()
    def work(task: Task, pick: Choice(load), other: Choice(load) | None = None) -> str:
        return f"{pick} {other}"
"""


def options_of(site: Site) -> Any:
    """Give the options that the plugin has now."""
    (plugin,) = site.plugins()
    return plugin.processors[0].function.__globals__["options"]


def test_options_are_loaded_when_they_are_asked_for(load: Load) -> None:
    site = load(LOADED)
    assert '<option value="a">First</option>' in site.get("ui/").text
    assert '<option value="" selected></option>' in site.get("ui/").text
    assert site.post("process/", data={"pick": "b"}).status_code == 422
    options_of(site)["b"] = "Second"
    assert '<option value="b">Second</option>' in site.get("ui/").text
    url = site.submit(pick="b", other="")
    del options_of(site)["b"]  # what was chosen before stays chosen
    site.work()
    assert site.document(url)["log"] == "b None"


def test_options_that_cannot_be_loaded_are_no_error_of_the_runner(load: Load) -> None:
    site = load(LOADED)
    options_of(site).clear()
    for answer in (site.get("ui/"), site.post("process/", data={"pick": "a"})):
        assert answer.status_code == 503
        assert "options" in answer.json["message"]


PROBLEMS = {
    "x": "it has no annotation",
    "x: bytes": "no form field is known for <class 'bytes'>",
    "x: dict[str, int]": "no form field is known",
    "x: str | int": "no form field is known",
    "x: list[Upload()]": "cannot be in a list",
    "x: list[Password()]": "cannot be in a list",
    "x: Annotated[list[str], Password()]": "does not go with a list",
    "x: list[bytes]": "in its list: no form field is known",
    "x: Literal[1, 'a']": "must all be texts",
    "x: Annotated[str, Integer()]": "Integer does not go with str",
    "x: Missing": "cannot be read",
    "*x: str": "have no form",
    "**x: str": "have no form",
}


@pytest.mark.parametrize("parameter", PROBLEMS)
def test_what_is_not_supported_is_a_problem(load: Load, parameter: str) -> None:
    site = load(f"""
        @plugin.processor()
        def work(task: Task, {parameter}) -> str: ...
        """)
    (problem,) = site.problems
    assert "work" in problem
    assert PROBLEMS[parameter] in problem


def test_a_processor_takes_the_task_first(load: Load) -> None:
    site = load("""
        @plugin.processor()
        def work() -> str: ...
        """)
    assert "needs a first parameter" in site.problems[0]


def test_a_default_that_is_a_list_is_not_shared(load: Load) -> None:
    site = load("""
        @plugin.processor()
        def work(task: Task, names: list[str] = ["a"]) -> str:
            names.append("b")
            return ",".join(names)
        """)
    assert site.done()["log"] == "a,b"
    assert site.done()["log"] == "a,b"


SEVERAL = """
    import json

    class Colour(Enum):
        red = "r"
        blue = "b"

    def loaded() -> list[str]:
        return ["x", "y, z"]

    @plugin.processor()
    def work(
        task: Task,
        shades: list[Colour],
        ways: list[Literal["up", "down"]] = ["up"],
        kinds: list[Choice(loaded)] = [],
    ) -> str:
        return json.dumps([[s.name for s in shades], ways, kinds])
"""


@pytest.mark.parametrize(
    ("chosen", "given"),
    [
        ({"shades": ["red", "blue"]}, [["red", "blue"], ["up"], []]),
        ({"shades": ["", "blue"], "ways": ""}, [["blue"], [], []]),
        (
            {"shades": "red,blue", "ways": "down,up"},
            [["red", "blue"], ["down", "up"], []],
        ),
        ({"shades": "", "kinds": ["", "x", "y, z"]}, [[], ["up"], ["x", "y, z"]]),
    ],
)
def test_some_of_several_are_chosen(
    load: Load, chosen: dict[str, Any], given: list[Any]
) -> None:
    site = load(SEVERAL)
    assert site.problems == []
    assert site.result(**chosen) == given


def test_a_list_of_choices_is_a_box_to_choose_several_in(load: Load) -> None:
    site = load(SEVERAL)
    page = site.client.get("/plugins/p@1/ui/?shades=blue&ways=up&ways=down").text
    assert page.count(' multiple=""') == 3
    selected = re.findall(r'<option value="([^"]*)" selected', page)
    assert selected == ["blue", "up", "down"]
    assert '<option value="y, z">' in page
    wrong = site.post("process/", data={"shades": ["red", "green"], "ways": ["left"]})
    assert wrong.status_code == 422
    assert wrong.json is not None
    assert set(wrong.json["errors"]["form"]) == {"shades", "ways"}
    in_json = site.post("process/", json={"shades": ["red"], "ways": ["down"]})
    assert in_json.status_code == 303


def test_what_is_wrong_is_said_in_the_language_of_the_page(load: Load) -> None:
    site = load("""
        @plugin.processor()
        def work(task: Task, count: Integer(min=1, max=9), word: str) -> str:
            return ""
        """)
    german = {"Accept-Language": "de"}
    errors = site.post("process/", data={"count": "12"}, headers=german)
    assert errors.json is not None
    assert errors.json["errors"]["form"] == {
        "count": ["Muss mindestens 1 und höchstens 9 sein."],
        "word": ["Dieses Feld muss ausgefüllt werden."],
    }
    assert (
        "Das ist keine ganze Zahl."
        in site.client.get("/plugins/p@1/ui/?count=x", headers=german).text
    )
