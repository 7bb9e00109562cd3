"""Plugins with several processors, and with pages that need no task."""

from __future__ import annotations

import re

import pytest

from tests.processors.conftest import Load

TWO = """
    @plugin.processor(outputs=[Output("a.txt")])
    def first(task: Task, word: str) -> str:
        "The first one."
        task.save("a.txt", word)
        return f"first {word}"

    @plugin.processor(title="The other", outputs=[Output("b.txt", required=False)])
    def second(task: Task, number: int) -> str:
        "The second one."
        task.ask(then=third)

    def third(task: Task, more: str) -> str:
        return f"second {more}"

    @plugin.page(title="A look")
    def look(word: str = "nothing") -> str:
        "Look at a word."
        from flask import render_template_string
        return render_template_string("<h1>{{ word }}</h1>", word=word)
"""


def test_the_first_is_the_plugin_and_links_to_the_others(load: Load) -> None:
    metadata = load(TWO).get().json
    assert metadata["entryPoint"]["href"] == "./process/"
    assert metadata["entryPoint"]["dataOutput"][0]["name"] == "a.txt"
    assert metadata["links"] == [
        {"type": "second", "href": "./second/"},
        {"type": "look", "href": "./look/"},
    ]


def test_a_further_one_has_metadata_form_and_entry_point(load: Load) -> None:
    site = load(TWO)
    metadata = site.get("second/").json
    assert metadata["title"] == "The other"
    assert metadata["description"] == "The second one."
    assert metadata["entryPoint"]["dataOutput"][0]["name"] == "b.txt"
    form = site.get("second/ui/").text
    assert 'name="number"' in form
    assert 'formaction="/plugins/p@1/second/process/"' in form
    assert site.done("process/", word="x")["log"] == "first x"
    url = site.submit("second/process/", number=1)
    site.work()
    step = site.document(url)["steps"][0]
    assert 'name="more"' in site.client.get(step["uiHref"]).text
    site.post(step["href"], data={"more": "y"})
    site.work()
    assert site.document(url)["log"] == "second y"


def test_all_of_them_are_documented(load: Load) -> None:
    site = load(TWO)
    for path in ("process/", "second/process/", "second/ui/", "ui/"):
        assert site.operation(path, "post")["requestBody"]
    assert site.operation("look/", "get")["parameters"][0]["name"] == "word"


@pytest.mark.parametrize("name", ["first", "ui", "process", "steps"])
def test_a_name_is_taken_once(load: Load, name: str) -> None:
    site = load(f"""
        @plugin.processor()
        def first(task: Task) -> str: ...

        @plugin.page()
        def {name}() -> str: ...
        """)
    assert f"cannot serve two things as {name!r}" in site.problems[0]


def test_a_page_shows_what_the_query_says(load: Load) -> None:
    site = load(TWO)
    assert site.get("look/").text == "<h1>nothing</h1>"
    assert site.get("look/", word="<b>").text == "<h1>&lt;b&gt;</h1>"


VISUAL = """
    plugin = Plugin("p", "1", type=PluginType.visualization)

    @plugin.page()
    def show(data: FileInput(data_type="entity/list"), top: Integer(max=9) = 2) -> str:
        "Show a table."
        return f"<p>{top}</p><pre>{data.read_text()}</pre>"
"""


def test_a_visualisation_is_its_page(load: Load) -> None:
    site = load(VISUAL)
    assert site.problems == []
    metadata = site.get().json
    assert metadata["type"] == "visualization"
    entry = metadata["entryPoint"]
    assert (entry["href"], entry["uiHref"]) == ("./ui/", "./ui/")
    assert entry["dataInput"][0]["parameter"] == "data"
    page = site.get("ui/", data="data:text/plain,abc", top=3)
    assert page.text == "<p>3</p><pre>abc</pre>"
    assert page.mimetype == "text/html"
    assert "Content-Security-Policy" in page.headers


def test_a_page_asks_for_what_it_lacks(load: Load) -> None:
    site = load(VISUAL)
    empty = site.get("ui/")
    assert empty.status_code == 200
    assert 'name="data"' in empty.text
    assert "Show a table." in empty.text
    assert re.findall(r"<button type=\"submit\".*?>(.*?)<", empty.text) == ["show"]
    wrong = site.get("ui/", data="data:,x", top=10)
    assert wrong.status_code == 422
    assert 'id="top-error"' in wrong.text
    assert 'id="top-error"' in site.post("ui/", data={"top": "x"}).text
    filled = site.post("ui/", data={"data": "data:,x", "top": 1})
    assert filled.status_code == 303
    assert site.client.get(filled.location).text == "<p>1</p><pre>x</pre>"


def test_a_page_of_a_file_that_cannot_be_read_says_so(load: Load) -> None:
    site = load(VISUAL)
    answer = site.get("ui/", data="http://127.0.0.1:1/")
    assert answer.status_code == 422
    assert "127.0.0.1" in answer.json["message"]
    page = site.client.get(
        "/plugins/p@1/ui/?data=http://127.0.0.1:1/", headers={"Accept": "text/html"}
    )
    assert (page.status_code, page.mimetype) == (422, "text/html")
    assert "127.0.0.1" in page.text


@pytest.mark.parametrize("marker", ["Password()", "Upload()"])
def test_a_page_takes_nothing_that_no_url_can_carry(load: Load, marker: str) -> None:
    site = load(f"""
        @plugin.page()
        def look(secret: {marker}) -> str: ...
        """)
    assert "neither passwords nor uploads" in site.problems[0]


SCHEMA = """
    import marshmallow as ma

    class Mine(FrontendFormBaseSchema):
        some_words = ma.fields.List(ma.fields.String(), required=True)
        day = ma.fields.Date(load_default=None)
        table = FileUrl(required=False, data_input_type="a/b")

    class Plain(ma.Schema):
        number = ma.fields.Integer(required=True)

        @ma.post_load
        def made(self, data, **_):
            return Made(**data)

    class Made:
        def __init__(self, number):
            self.number = number

    @plugin.processor(schema=Mine)
    def first(task: Task, some_words, day, table="") -> str:
        return f"{some_words} {day!r} {table}"

    @plugin.processor(schema=Plain())
    def second(task: Task, made) -> str:
        return f"made {made.number}"
"""


def test_an_author_may_bring_a_schema(load: Load) -> None:
    site = load(SCHEMA)
    assert site.problems == []
    assert site.get().json["entryPoint"]["dataInput"][0]["dataType"] == "a/b"
    task = site.done(someWords=["a", "b"], day="2024-01-02")
    assert task["log"] == "['a', 'b'] datetime.date(2024, 1, 2) "
    assert site.done("second/process/", number=4)["log"] == "made 4"
    assert site.post("second/process/", data={"number": "x"}).status_code == 422
    assert site.post("second/ui/", data={"number": "4", "other": "x"}).status_code == 200


def test_what_is_no_schema_is_a_problem(load: Load) -> None:
    site = load("""
        @plugin.processor(schema=dict)
        def work(task: Task) -> str: ...
        """)
    assert "neither a function nor a marshmallow schema" in site.problems[0]
