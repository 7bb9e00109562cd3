"""Files that come with the form, and texts that are kept nowhere."""

from __future__ import annotations

import io
import json

import pytest

from app_runner.db import DB
from app_runner.db.models import ProcessingTask
from app_runner.errors import UserError
from app_runner.tasks.sealing import seal, unseal
from tests.processors.conftest import Load, Site

UPLOADS = """
    @plugin.processor()
    def work(task: Task, file: Upload(label="Picture"), word: str,
             more: Upload() | None = None) -> str:
        with file.open() as opened:
            first = opened.read(3).decode()
        task.log(f"{file.name} {file.content_type} {file.size} {first} {word}")
        return file.read_text() if more is None else more.name
"""

SECRETS = """
    import logging

    @plugin.processor()
    def work(task: Task, secret: Password(label="Password"), do: str) -> str:
        task.log(f"got {secret}")
        if do == "raise":
            raise RuntimeError(f"refused: {secret}")
        if do == "user":
            raise UserError(f"refused: {secret}")
        if do == "ask":
            task.ask(then=again, state={"secret": secret})
        return f"{len(secret)} {secret}"

    def again(task: Task, word: str) -> str:
        secret = task.state["secret"]
        if word == "more":
            task.ask(then=again, state={"secret": secret})
        return f"still {len(secret)} {secret}"
"""


def upload(content: bytes, name: str) -> tuple[io.BytesIO, str]:
    return io.BytesIO(content), name


def test_the_form_has_a_file_input_and_is_sent_as_multipart(load: Load) -> None:
    form = load(UPLOADS).get("ui/").text
    assert 'type="file"' in form
    assert 'enctype="multipart/form-data"' in form
    assert "Picture" in form


def test_an_uploaded_file_reaches_the_function(load: Load) -> None:
    site = load(UPLOADS)
    task = site.done(file=upload("häl".encode(), "../../a.txt"), word="w")
    assert task["status"] == "SUCCESS", task["log"]
    assert task["log"] == "a.txt text/plain 4 hä w\nhäl"
    assert task["outputs"] == []


def test_two_files_can_be_sent(load: Load) -> None:
    task = load(UPLOADS).done(file=upload(b"abc", "a"), more=upload(b"", "b"), word="w")
    assert task["log"].endswith("\nb")


@pytest.mark.parametrize("data", [{}, {"file": "text"}, {"file": (io.BytesIO(), "")}])
def test_a_missing_file_is_refused(load: Load, data: dict[str, object]) -> None:
    site = load(UPLOADS)
    data = {"word": "w", **data}
    answer = site.post("process/", data=data, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "file" in json.dumps(answer.json["errors"])
    shown = site.post("ui/", data={"word": "w"})
    assert "Missing data" in shown.text


def test_a_file_cannot_be_sent_as_json(load: Load) -> None:
    answer = load(UPLOADS).post("process/", json={"word": "w", "file": {"uploaded": 1}})
    assert answer.status_code == 422


def test_the_document_says_that_files_are_sent(load: Load) -> None:
    site = load(UPLOADS)
    process = site.operation("process/", "post")
    (schema,) = (c["schema"] for c in process["requestBody"]["content"].values())
    assert schema["properties"]["file"]["format"] == "binary"
    assert sorted(schema["required"]) == ["file", "word"]


def test_a_password_is_in_no_row_no_log_and_no_document(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    site = load(SECRETS)
    for do in ("return", "raise", "user"):
        task = site.done(secret="opensesame", do=do)
        assert "***" in task["log"]
        assert "opensesame" not in json.dumps(task)
        assert ("10 ***" in task["log"]) == (do == "return")
    assert "opensesame" not in site.stored()
    assert "opensesame" not in caplog.text
    assert "opensesame" not in json.dumps(site.sent)


def test_a_password_stays_hidden_over_steps(load: Load) -> None:
    site = load(SECRETS)
    url = site.submit(secret="opensesame", do="ask")
    site.work()
    for word in ("more", "end"):
        step = site.document(url)["steps"][-1]
        assert site.post(step["href"], data={"word": word}).status_code == 303
        site.work()
    task = site.document(url)
    assert task["log"].endswith("still 10 ***")
    assert "opensesame" not in site.stored()


def test_a_password_is_not_printed_back(load: Load) -> None:
    site = load(SECRETS)
    answer = site.post("ui/", data={"secret": "opensesame"})
    assert "opensesame" not in answer.text
    assert 'type="password"' in answer.text
    assert "opensesame" not in site.get("ui/", secret="opensesame").text


def test_no_request_can_send_a_sealed_text(load: Load) -> None:
    site = load(SECRETS)
    with site.app.app_context():
        token = seal("other")
    answer = site.post("process/", json={"secret": {"sealed": token}, "do": "return"})
    assert answer.status_code == 422
    assert site.done(secret=token, do="return")["log"].endswith(f"{len(token)} ***")


@pytest.mark.parametrize("text", ["", "x", "ä" * 1000])
def test_sealing_gives_the_text_back(load: Load, text: str) -> None:
    site = load(SECRETS)
    with site.app.app_context():
        assert unseal(seal(text)) == text
        assert seal(text) != seal(text)


@pytest.mark.parametrize("place", [0, 20, -1])
def test_what_was_changed_is_not_unsealed(load: Load, place: int) -> None:
    site = load(SECRETS)
    with site.app.app_context():
        token = list(seal("a text"))
        token[place] = "A" if token[place] != "A" else "B"
        for wrong in ("".join(token), "", "ä", "abc="):
            with pytest.raises(UserError):
                unseal(wrong)


def test_another_secret_ends_the_task_with_a_sentence(load: Load) -> None:
    site = load(SECRETS)
    url = site.submit(secret="opensesame", do="return")
    site.app.config["SECRET_KEY"] = "changed"
    site.work()
    assert "Start the task again" in site.document(url)["log"]


def test_a_file_of_another_task_cannot_be_named(load: Load) -> None:
    site = load(UPLOADS)
    site.submit(file=upload(b"abc", "a"), word="w")
    url = site.submit(file=upload(b"def", "b"), word="w")
    with site.app.app_context():
        rows = list(DB.session.scalars(DB.select(ProcessingTask)))
        rows[1].parameters = rows[0].parameters
        DB.session.commit()
    site.work()
    assert site.document(url)["status"] == "FAILURE"


def test_an_uploaded_file_of_an_author_schema(load: Load) -> None:
    site: Site = load("""
        import marshmallow as ma
        from flask_smorest.fields import Upload as Raw

        class Mine(FrontendFormBaseSchema):
            picture = Raw(required=True)
            pass_word = ma.fields.String(load_only=True, metadata={
                "input_type": "password"})

        @plugin.processor(schema=Mine)
        def work(task: Task, picture, pass_word) -> str:
            return picture.read_text() + pass_word
        """)
    task = site.done(picture=upload(b"abc", "a"), passWord="opensesame")
    assert task["log"] == "abc***"
    assert "opensesame" not in site.stored()


NESTED = """
    import marshmallow as ma

    SECRET = {"input_type": "password"}

    class Login(MaBaseSchema):
        user = ma.fields.String()
        pass_word = ma.fields.String(load_only=True, metadata=SECRET)

    class Logins(MaBaseSchema):
        one = ma.fields.Nested(Login())
        many = ma.fields.List(ma.fields.Nested(Login()))
        keys = ma.fields.List(ma.fields.String(metadata=SECRET))

    @plugin.processor(schema=Logins)
    def work(task: Task, one: dict, many: list, keys: list) -> str:
        given = [one["pass_word"], *(each["pass_word"] for each in many), *keys]
        task.save("lengths.json", [len(each) for each in given])
        return f"{one['user']} {' '.join(given)}"
"""


def test_passwords_inside_of_other_parameters_are_sealed_too(load: Load) -> None:
    site = load(NESTED)
    assert site.problems == []
    secrets = ["first-one", "second-one2", "third-one33", "fourth-one444"]
    logins = [{"user": f"u{n}", "passWord": text} for n, text in enumerate(secrets[:3])]
    sent = {"one": logins[0], "many": logins[1:], "keys": secrets[3:]}
    url = site.post("process/", json=sent).location
    assert not [secret for secret in secrets if secret in site.stored()]
    site.work()
    task = site.document(url)
    assert (task["status"], task["log"]) == ("SUCCESS", "u0 *** *** *** ***")
    assert not [secret for secret in secrets if secret in site.stored()]
    assert json.loads(site.content(task, "lengths.json")) == list(map(len, secrets))
