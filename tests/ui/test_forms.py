"""What the form templates print."""

from __future__ import annotations

import re
import timeit
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask, render_template_string
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from marshmallow import fields, validate

from app_runner.api.schemas import FrontendFormBaseSchema
from app_runner.ui.forms import markdown_to_html
from app_runner.ui.input_values import error_texts
from app_runner.ui.inputs import (
    form_inputs,
    get_input_attr_step,
    get_input_type,
    get_validation_attrs,
    space_delimited_list,
)


class Elements(HTMLParser):
    """Collects start tags with their attributes, and the ids they name."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def by_id(self, id_: str) -> dict[str, str | None]:
        return next(attrs for _, attrs in self.found if attrs.get("id") == id_)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def macros(app: Flask) -> Any:
    return app.jinja_env.get_template("forms.html").module


def page(app: Flask, url: str = "/ui/") -> Elements:
    answer = app.test_client().get(url)
    assert answer.status_code == 200
    return Elements(answer.text)


def test_inputs_have_the_attribute_as_id_and_the_key_as_name(app: Flask) -> None:
    shown = page(app)
    assert shown.by_id("input_str")["name"] == "inputStr"
    assert shown.by_id("number_of_rounds")["name"] == "numberOfRounds"
    assert shown.by_id("number_of_rounds")["type"] == "number"
    assert shown.by_id("api_key")["data-private"] == ""
    assert not any(attrs.get("id") == "made_by_us" for _, attrs in shown.found)


def test_the_browser_checks_what_the_validators_check(app: Flask) -> None:
    shown = page(app)
    rounds = shown.by_id("number_of_rounds")
    assert (rounds["min"], rounds["max"], rounds["step"]) == ("1", "10", "1")
    assert rounds["value"] == "3"
    assert "required" not in rounds
    assert shown.by_id("tolerance")["step"] == "any"
    assert shown.by_id("input_str")["maxlength"] == "200"
    assert "required" in shown.by_id("input_str")
    assert "required" not in shown.by_id("is_loud")


def test_data_and_plugin_inputs_say_what_fits(app: Flask) -> None:
    shown = page(app)
    data = shown.by_id("attributes_url")
    assert data["data-input-type"] == "data"
    assert data["data-input"] == "entity/attribute-metadata"
    assert data["data-content-type"] == "application/json"
    assert data["data-related-to"] == "entitiesUrl"
    assert data["data-relation"] == "post"
    assert shown.by_id("entities_url")["data-content-type"] == "text/csv application/json"
    plugin = shown.by_id("helper")
    assert plugin["data-input-type"] == "plugin"
    assert plugin["data-plugin-tags"] == "helper !old"


def test_each_input_has_a_label_and_every_named_id_exists(app: Flask) -> None:
    answer = app.test_client().post("/ui/", data={"inputStr": "", "numberOfRounds": "99"})
    shown = Elements(answer.text)
    ids = [attrs["id"] for _, attrs in shown.found if attrs.get("id")]
    assert len(ids) == len(set(ids))
    labelled = {attrs["for"] for attrs in shown.of("label")}
    for tag, attrs in shown.found:
        if tag in ("input", "select", "textarea") and attrs.get("type") != "hidden":
            assert attrs["id"] in labelled
        for id_ in (attrs.get("aria-describedby") or "").split():
            assert id_ in ids


def test_a_label_is_the_text_alone_without_a_blank_before_the_star(app: Flask) -> None:
    html = app.test_client().get("/ui/").text
    labels = dict(re.findall(r'<label [^>]*for="(\w+)">([^<]*)<', html))
    assert labels["input_str"] == "Input text"  # required
    assert labels["number_of_rounds"] == "Rounds"


def test_errors_stand_beside_the_field_and_in_the_summary(app: Flask) -> None:
    answer = app.test_client().post(
        "/ui/", data={"inputStr": "x", "numberOfRounds": "99"}
    )
    rounds = Elements(answer.text).by_id("number_of_rounds")
    assert rounds["aria-invalid"] == "true"
    assert rounds["aria-describedby"] == "number_of_rounds-error"
    assert rounds["value"] == "99"
    assert '<a href="#number_of_rounds">Rounds</a>' in answer.text
    assert answer.text.count("Must be greater than or equal to 1 and less than") == 2


def test_a_valid_form_says_so(app: Flask) -> None:
    data = {"inputStr": "x", "algorithm": "exact", "isLoud": "true"}
    html = app.test_client().post("/ui/", data=data).text
    assert "All values are valid." in html
    assert '<option value="exact" selected>Exact</option>' in html
    assert re.search(r'id="is_loud"[^>]* checked', html)


def test_the_form_is_prefilled_from_the_query(app: Flask) -> None:
    html = app.test_client().get("/ui/?inputStr=%3Cb%3E%22&apiKey=secret").text
    assert "&lt;b&gt;&#34;</textarea>" in html
    assert "secret" not in html


def test_buttons_have_the_texts_and_the_class_that_clients_look_for(app: Flask) -> None:
    html = app.test_client().get("/ui/").text
    buttons = re.findall(
        r'<button type="submit" class="qhana-form-submit".*?>(.*?)<', html
    )
    assert buttons == ["submit", "validate"]  # Enter presses the first
    assert 'formaction="/process/"' in html


def test_a_template_that_extends_ours_uses_forms_without_importing_it(app: Flask) -> None:
    html = app.test_client().get("/extending/").text
    assert 'id="input_str"' in html
    assert html.index("microfrontend.js") < html.index("wrapper.dataset")
    assert html.index("<style>") < html.index("</head>")


def test_our_pages_hold_nothing_inline(app: Flask) -> None:
    for url in ("/ui/", "/"):
        shown = page(app, url)
        for tag, attrs in shown.found:
            assert tag != "style"
            assert not any(name.startswith("on") or name == "style" for name in attrs)
            if tag == "script":
                assert "src" in attrs or attrs.get("type") == "application/json"


def test_markdown_cannot_run_a_script() -> None:
    html = markdown_to_html(
        '**a** <script>x</script> <img src=x onerror="y"> [l](javascript:z)'
    )
    assert isinstance(html, Markup)
    assert "<strong>a</strong>" in html
    for dangerous in ("script", "onerror", "javascript"):
        assert dangerous not in html


@given(st.text())
def test_any_markdown_becomes_html(text: str) -> None:
    assert "<script" not in markdown_to_html(text).lower()


@given(st.text(), st.text(), st.text())
def test_no_value_breaks_out_of_the_form(
    shared_app: Flask, value: str, label: str, error: str
) -> None:
    class Schema(FrontendFormBaseSchema):
        text = fields.String(metadata={"label": label})

    values, errors = {"text": value}, {"text": [error]}
    shown = macros(shared_app).render_fields(Schema(), values, errors)
    tags = {tag for tag, _ in Elements(shown).found}
    assert tags <= {"div", "p", "ul", "li", "a", "label", "input"}


def test_a_box_that_is_ticked_at_first_can_be_unticked() -> None:
    class Schema(FrontendFormBaseSchema):
        at_first = fields.Boolean(load_default=True)
        asked = fields.Boolean(required=True)
        optional = fields.Boolean(allow_none=True)

    shown = {one.id: one for one in form_inputs(Schema())}
    assert shown["at_first"].checked
    assert [one.sends_false for one in shown.values()] == [True, True, False]
    sent = form_inputs(Schema(), {"atFirst": "false"})
    assert not sent[0].checked


def test_extras_give_options_that_are_only_known_now() -> None:
    class Schema(FrontendFormBaseSchema):
        backend = fields.String(metadata={"label": "Backend"})

    extras = {"backend": {"options": {"a": "A", "b": "B"}}}
    (shown,) = form_inputs(Schema(), {"backend": "b"}, {}, extras)
    assert shown.type == "select"
    assert [(o.value, o.selected) for o in shown.options] == [("a", False), ("b", True)]


def test_the_template_functions_answer_for_single_fields() -> None:
    whole = fields.Integer(validate=validate.Range(0, 5, min_inclusive=False))
    assert get_input_type(whole) == "number"
    assert get_input_type(fields.String(metadata={"input_type": "textfield"})) == "text"
    assert get_input_attr_step(fields.Float(metadata={"step": 0.1})) == "0.1"
    assert get_input_attr_step(fields.String()) is None
    assert get_validation_attrs(whole) == {"min": 1, "max": 5}
    assert space_delimited_list(["a", "b"]) == "a b"
    assert space_delimited_list("a/b") == "a/b"
    assert space_delimited_list(None) == ""


def test_nested_errors_become_lines() -> None:
    assert error_texts({1: ["Not a valid integer."], "_schema": "No."}) == [
        "2: Not a valid integer.",
        "No.",
    ]


def test_the_published_macros_take_their_published_parameters(app: Flask) -> None:
    template = """{% import "forms.html" as forms %}
    {% call forms.render_form(action="/a", method="get", target="api", class="mine") %}
    {{ forms.submit("done", action="/b", target="x", method="post", class="own") }}
    <i{{ forms.field_attr("title", "t") }}{{ forms.field_attr("lang", none) }}>
    {{ forms.field_value(true) }}</i>
    {% endcall %}"""
    with app.test_request_context():
        html = render_template_string(template)
    assert '<form class="mine" action="/a" method="get" target="api">' in html
    assert 'class="own" data-submit="submit" formaction="/b"' in html
    assert '<i title="t">\n    true</i>' in html


def test_a_form_of_50_fields_renders_in_under_5_ms(app: Flask) -> None:
    texts = {"label": "Text", "description": "A **bold** help."}
    inputs = {f"field_{n}": fields.String(metadata=texts) for n in range(50)}
    schema = FrontendFormBaseSchema.from_dict(dict(inputs))()
    render = macros(app).render_fields
    seconds = min(timeit.repeat(lambda: render(schema), number=1, repeat=20))
    assert seconds < 0.005


@pytest.mark.parametrize(
    ("value", "step"), [("4", "1"), ("4.5", "any"), ("", "1"), ("x", "1")]
)
def test_a_refused_number_does_not_make_its_neighbours_wrong(
    value: str, step: str
) -> None:
    class Count(FrontendFormBaseSchema):
        count = fields.Integer()

    (shown,) = form_inputs(Count(), {"count": value})
    assert shown.attributes["step"] == step
