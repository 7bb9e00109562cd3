"""Each kind of parameter: what the form shows, refuses, and gives to the function."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from app_runner.api.fields import split_csv
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


def properties_of(site: Site) -> dict[str, Any]:
    """Give what the API document tells of each parameter."""
    body = site.operation("process/", "post")["requestBody"]["content"]
    reference = body["application/x-www-form-urlencoded"]["schema"]["$ref"]
    spec = site.client.get("/api-spec.json").get_json()
    schema: dict[str, Any] = spec["components"]["schemas"][reference.rpartition("/")[2]]
    found: dict[str, Any] = schema["properties"]
    return found


def test_the_document_tells_bounds_and_choices(site: Site) -> None:
    properties = properties_of(site)
    assert properties["count"]["minimum"] == 1
    assert properties["count"]["maximum"] == 9
    assert properties["way"]["enum"] == ["up", "down"]
    assert properties["kind"]["enum"] == ["a", "b"]
    assert properties["day"]["format"] == "date"


STEPS = """
    @plugin.processor()
    def work(
        task: Task,
        share: Number(step=0.1) = 0.0,
        size: Number(min=0.5, max=2, step=1) = 0.5,
        count: Integer(min=1, max=10, step=4) = 1,
        half: Annotated[int, Number(min=-4, step=2)] = 0,
    ) -> str:
        return f"{share} {size} {count} {half}"
"""


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("share", "0.25", "are 0.2 and 0.3"),
        ("share", "-0.01", "are -0.1 and 0"),
        ("size", "1", "are 0.5 and 1.5"),
        ("size", "1.75", "is 1.5"),
        ("count", "4", "are 1 and 5"),
        ("count", "10", "is 9"),
        ("half", str(2**60 + 1), f"are {2**60} and {2**60 + 2}"),
    ],
)
def test_a_number_beside_the_steps_is_refused_with_the_nearest(
    load: Load, name: str, value: str, nearest: str
) -> None:
    answer = load(STEPS).post("process/", data={name: value})
    assert answer.status_code == 422
    expected = f"Not an allowed value. The nearest {nearest}."
    assert answer.json["errors"]["form"] == {name: [expected]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("share", text) for text in ("0.3", str(0.1 + 0.2), "-7.7", "1000000000.1")),
        *(("share", "1e300"), ("size", "1.5"), ("count", "9"), ("half", "-2")),
    ],
)
def test_a_number_on_a_step_is_taken(load: Load, name: str, value: str) -> None:
    assert load(STEPS).post("process/", data={name: value}).status_code == 303


def test_a_number_out_of_bounds_is_refused_for_that_alone(load: Load) -> None:
    answer = load(STEPS).post("process/", data={"count": "0"})
    (text,) = answer.json["errors"]["form"]["count"]
    assert text.startswith("Must be greater than or equal to 1")


def test_the_document_tells_steps_that_are_counted_from_zero(load: Load) -> None:
    properties = properties_of(load(STEPS))
    steps = {name: found.get("multipleOf") for name, found in properties.items()}
    assert steps == {"share": 0.1, "size": None, "count": None, "half": 2}


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


def test_a_browser_that_sent_the_form_itself_gets_a_page_that_says_why(
    load: Load,
) -> None:
    site = load(LOADED)
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    refused = site.post("process/", data={"pick": "<b>"}, headers=browser)
    assert (refused.status_code, refused.mimetype) == (422, "text/html")
    assert "<li>pick: Must be one of the options.</li>" in refused.text
    assert "Accept" in refused.headers["Vary"]
    assert site.post("process/", data={"pick": "<b>"}).is_json
    options_of(site).clear()
    for answer in (
        site.client.get("/plugins/p@1/ui/", headers=browser),
        site.post("process/", data={"pick": "a"}, headers=browser),
    ):
        assert (answer.status_code, answer.mimetype) == (503, "text/html")
        assert ">Not now</h1>" in answer.text
        assert "The options cannot be loaded now." in answer.text


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
    "x: Number(step=0)": "step=0 must be greater than 0",
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
        return ["x", "y, z", "w"]

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
        ({"shades": "", "kinds": "y, z"}, [[], ["up"], ["y, z"]]),
        ({"shades": "", "kinds": 'x,"y, z"'}, [[], ["up"], ["x", "y, z"]]),
        ({"shades": "", "kinds": "w,x"}, [[], ["up"], ["w", "x"]]),
    ],
)
def test_some_of_several_are_chosen(
    load: Load, chosen: dict[str, Any], given: list[Any]
) -> None:
    site = load(SEVERAL)
    assert site.problems == []
    assert site.result(**chosen) == given


def test_an_option_that_names_two_others_is_not_taken_for_them(load: Load) -> None:
    site = load("""
        import json

        @plugin.processor()
        def work(task: Task, some: list[Literal["a", "b", "a,b"]]) -> str:
            return json.dumps(some)
        """)
    assert site.result(some="a,b") == ["a,b"]
    assert site.result(some=["a", "b"]) == ["a", "b"]
    assert site.result(some="b,a") == ["b", "a"]


@pytest.mark.parametrize(
    ("texts", "given"),
    [
        ("a,b", ["a", "b"]),
        ('"a,b",c', ["a,b", "c"]),
        (["a,b", "c"], ["a,b", "c"]),
        (["a", "b"], ["a", "b"]),
    ],
)
def test_texts_of_a_list_are_one_text_or_a_key_that_is_repeated(
    load: Load, texts: Any, given: list[str]
) -> None:
    site = load("""
        import json

        @plugin.processor()
        def work(task: Task, names: list[str]) -> str:
            return json.dumps(names)
        """)
    assert site.result(names=texts) == given
    answer = site.post("process/", json={"names": ["a,b"]})
    site.work()
    assert site.document(answer.location)["log"] == '["a,b"]'
    shown = site.post("ui/", data={"names": texts}).text
    value = re.search(r'name="names"[^>]* value="([^"]*)"', shown)
    assert value is not None
    assert split_csv(unescape(value[1])) == given


def test_a_list_of_choices_is_a_box_to_choose_several_in(load: Load) -> None:
    site = load(SEVERAL)
    page = site.client.get("/plugins/p@1/ui/?shades=blue&ways=up&ways=down").text
    assert page.count(' multiple=""') == 3
    selected = re.findall(r'<option value="([^"]*)" selected', page)
    assert selected == ["blue", "up", "down"]
    assert re.findall(r"<option [^>]*></option>", page) == []  # nothing empty to choose
    assert '<option value="y, z">' in page
    for query in (
        "shades=red,blue&kinds=y,+z",
        "shades=red&shades=blue&kinds=&kinds=y,+z",
    ):
        page = site.client.get(f"/plugins/p@1/ui/?{query}").text
        chosen = re.findall(r'<option value="([^"]*)" selected', page)
        assert chosen == ["red", "blue", "up", "y, z"]
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
