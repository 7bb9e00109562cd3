"""A task asks its user: it waits, takes each answer once, and goes on with its state."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app_runner.db import DB
from app_runner.db.models import ProcessingTask
from app_runner.tasks import records
from app_runner.tasks.leases import ANY_TIME
from tests.conftest import NO_BROKER
from tests.processors.conftest import Load, Site

GUESS = """
    import marshmallow as ma

    class Confirm(FrontendFormBaseSchema):
        sure = ma.fields.Boolean(required=True, metadata={"label": "Sure?"})

    @plugin.processor(outputs=[Output("n.txt")])
    def begin(task: Task, number: int) -> str:
        "Begin the game."
        task.log(f"attempt {task.attempt}")
        task.save("n.txt", str(number))
        task.save_scratch("secret.json", {"number": number})
        task.ask(then=guess, state={"tries": 1}, title="Guess")

    def guess(task: Task, value: Integer(min=0, label="Your guess")) -> str:
        "What is it?"
        import json
        with task.open_scratch("secret.json") as file:
            number = json.load(file)["number"]
        tries = task.state["tries"]
        task.log(f"attempt {task.attempt}: {value}")
        if value != number:
            task.ask(then=guess, state={"tries": tries + 1})
        task.ask(Confirm, then=confirm, state={"tries": tries})

    def confirm(task: Task, sure: bool) -> str:
        return f"{task.state['tries']} tries, {sure}"
"""


def waiting(load: Load, source: str = GUESS, **data: Any) -> tuple[Site, str]:
    """Start a task and run its first part."""
    site = load(source)
    assert site.problems == []
    url = site.submit(**(data or {"number": 3}))
    site.work()
    return site, url


def answer(site: Site, url: str, **data: Any) -> Any:
    """Answer the last step of a task."""
    return site.post(site.document(url)["steps"][-1]["href"], data=data)


COLUMNS = """
    def columns(state):
        return {name: name.upper() for name in state["columns"]}

    @plugin.processor()
    def begin(task: Task, names: list[str]) -> str:
        "Offer what was given."
        task.ask(then=chosen, state={"columns": names})

    def chosen(task: Task, column: Choice(columns), other: Choice(columns) | None) -> str:
        return f"{column} {other}"
"""


def test_choices_depend_on_what_the_task_asks_with(load: Load) -> None:
    site, url = waiting(load, COLUMNS, names="a,b")
    form = site.client.get(site.document(url)["steps"][-1]["uiHref"]).text
    assert '<option value="b">B</option>' in form
    assert answer(site, url, column="c").status_code == 422
    assert answer(site, url, column="b").status_code == 303
    site.work()
    assert site.document(url)["log"] == "b None"


def test_the_task_waits_and_shows_its_step(load: Load) -> None:
    site, url = waiting(load)
    task = site.document(url)
    assert (task["status"], task["execution"]["state"]) == ("PENDING", "waiting")
    (step,) = task["steps"]
    assert step["cleared"] is False
    assert step["href"].startswith("http://localhost/plugins/p@1/steps/")
    assert [o["name"] for o in task["outputs"]] == ["n.txt"]
    form = site.client.get(step["uiHref"]).text
    assert "Guess" in form
    assert "What is it?" in form
    assert "Your guess" in form
    assert 'min="0"' in form


def test_answers_lead_through_a_loop_to_the_end(load: Load) -> None:
    site, url = waiting(load)
    for value in (1, 2, 3):
        assert answer(site, url, value=value).status_code == 303
        site.work()
    assert "Sure?" in site.client.get(site.document(url)["steps"][-1]["uiHref"]).text
    assert answer(site, url, sure="true").location == url.removeprefix("http://localhost")
    site.work()
    task = site.document(url)
    assert task["status"] == "SUCCESS"
    assert task["log"].endswith("attempt 1: 1\nattempt 1: 2\nattempt 1: 3\n3 tries, True")
    assert [step["cleared"] for step in task["steps"]] == [True] * 4
    outcomes = [attempt["outcome"] for attempt in task["execution"]["attempts"]]
    assert outcomes == ["asked", "asked", "asked", "asked", "succeeded"]
    assert site.content(task, "n.txt") == b"3"


def test_each_part_is_one_message(load: Load) -> None:
    site, url = waiting(load)
    assert answer(site, url, value=3).status_code == 303
    (message,) = site.sent
    assert message["name"] == "p@1.begin"
    assert message["kwargs"]["after_step"] == 0


def test_an_answer_given_twice_is_refused(load: Load) -> None:
    site, url = waiting(load)
    first = site.document(url)["steps"][0]
    assert site.post(first["href"], data={"value": 1}).status_code == 303
    again = site.post(first["href"], data={"value": 3})
    assert again.status_code == 409
    assert "answered before" in again.json["message"]
    site.work()
    late = site.post(first["href"], data={"value": 3})
    assert late.status_code == 409
    assert site.client.get(first["uiHref"]).status_code == 409
    assert len(site.document(url)["steps"]) == 2


def test_a_step_that_was_not_asked_yet_is_not_there(load: Load) -> None:
    site, url = waiting(load)
    later = site.document(url)["steps"][0]["href"].replace("/0/", "/1/")
    assert site.post(later, data={"value": 3}).status_code == 404


def test_an_ended_task_takes_no_answer(load: Load) -> None:
    site, url = waiting(load)
    step = site.document(url)["steps"][0]
    with site.app.test_request_context():
        (task,) = DB.session.scalars(DB.select(ProcessingTask))
        records.fail(task.id, "stopped")
    refused = site.post(step["href"], data={"value": 3})
    assert refused.status_code == 409
    assert "has ended" in refused.json["message"]
    browser = {"Accept": "text/html,*/*;q=0.8"}
    page = site.client.get(step["uiHref"], headers=browser, buffered=True)
    assert (page.status_code, page.mimetype) == (409, "text/html")
    assert "The task has ended; it takes no more answers.</p>" in page.text
    assert site.client.delete(url).status_code == 204
    gone = site.client.get(step["uiHref"], headers=browser, buffered=True)
    assert (gone.status_code, gone.mimetype) == (410, "text/html")


@pytest.mark.parametrize("data", [{}, {"value": "x"}, {"value": -1}])
def test_a_wrong_answer_leaves_the_task_waiting(load: Load, data: Any) -> None:
    site, url = waiting(load)
    step = site.document(url)["steps"][0]
    assert site.post(step["href"], data=data).status_code == 422
    assert 'id="value-error"' in site.post(step["uiHref"], data=data).text
    assert site.document(url)["execution"]["state"] == "waiting"
    assert answer(site, url, value=1).status_code == 303


def test_the_step_of_a_stranger_cannot_be_guessed(load: Load) -> None:
    site, _url = waiting(load)
    assert site.post("steps/1/0/", data={"value": 3}).status_code == 404


def test_a_message_that_comes_twice_does_nothing(load: Load) -> None:
    site, url = waiting(load)
    with site.app.test_request_context():
        (task,) = DB.session.scalars(DB.select(ProcessingTask))
        task_id = task.id
    before = site.document(url)
    site.run("p@1.begin", db_id=task_id)  # the first part, again
    assert site.document(url) == before
    answer(site, url, value=1)
    message = dict(site.sent[0]["kwargs"])
    site.work()
    site.run("p@1.begin", **message)  # the second part, again
    site.run("p@1.begin", db_id=task_id)
    task = site.document(url)
    assert len(task["steps"]) == 2
    assert task["status"] == "PENDING"


def test_each_part_may_be_tried_three_times(load: Load) -> None:
    site, url = waiting(load)
    answer(site, url, value=1)
    task_id = site.sent[0]["kwargs"]["db_id"]
    with site.app.test_request_context():
        numbers = []
        for _ in range(3):  # workers that are lost with the second part
            attempt = records.claim(
                task_id, worker="w", publication_key=None, after_step=0
            )
            assert attempt is not None
            numbers.append(attempt.number_in_part)
            lost: Any = {"outcome": "killed by signal 9", "before": ANY_TIME}
            records.release(task_id, attempt.lease_key, **lost)
        assert numbers == [1, 2, 3]
    site.work()
    task = site.document(url)
    assert task["status"] == "FAILURE"
    assert "It was tried 3 times; each time the worker was killed" in task["log"]


def test_a_step_is_answered_once_without_a_broker(load: Load) -> None:
    site = load(GUESS, BROKER_URL=NO_BROKER)
    with site.app.test_request_context():
        task_id = records.start("p@1.begin", plugin="p@1", parameters='{"number": 3}')
        url = site.app.url_for("tasks-api.TaskView", task_id=task_id)
    site.run("p@1.begin", db_id=task_id)
    assert answer(site, url, value=1).status_code == 303
    assert answer(site, url, value=1).status_code == 409
    task = site.document(url)
    assert task["execution"]["state"] == "queued"
    assert task["steps"][0]["cleared"] is True


def test_only_one_of_many_answers_at_once_counts(load: Load) -> None:
    site, url = waiting(load)
    href = site.document(url)["steps"][0]["href"]

    def send(value: int) -> int:
        return int(site.post(href, data={"value": value}).status_code)

    with ThreadPoolExecutor(6) as pool:
        codes = sorted(pool.map(send, range(10, 16)))
    assert codes == [303, *[409] * 5]
    assert len(site.sent) == 1
    site.work()
    assert len(site.document(url)["steps"]) == 2


def test_a_plugin_that_was_changed_says_so_and_the_task_waits(load: Load) -> None:
    site, url = waiting(load)
    (plugin,) = site.plugins()
    del plugin.processors[0].function.__globals__["guess"]
    refused = answer(site, url, value=3)
    assert refused.status_code == 422
    assert "was changed" in refused.json["message"]
    assert site.document(url)["execution"]["state"] == "waiting"


FAULTS = {
    "a local function": "task.ask(then=lambda task: None)",
    "state that is no JSON": "task.ask(then=then, state={'a': object()})",
    "state with no number": "task.ask(then=then, state={'a': float('nan')})",
    "no function": "task.ask(then='then')",
    "parameters without a form": "task.ask(then=wrong)",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_question_that_cannot_be_asked_ends_the_task(load: Load, fault: str) -> None:
    site, url = waiting(
        load,
        f"""
    @plugin.processor()
    def work(task: Task, go: str) -> str:
        try:
            {FAULTS[fault]}
        except UserError:
            return "swallowed"

    def then(task: Task) -> str: ...

    def wrong(task: Task, *args: int) -> str: ...
    """,
        go="x",
    )
    task = site.document(url)
    assert task["status"] == "FAILURE", fault
    assert "steps" not in task


def test_no_except_of_an_author_swallows_a_question(load: Load) -> None:
    site, url = waiting(
        load,
        """
    @plugin.processor()
    def work(task: Task, go: str) -> str:
        try:
            task.ask(then=then)
        except Exception:
            return "swallowed"

    def then(task: Task) -> str:
        "Nothing to fill in."
        return "went on"
    """,
        go="x",
    )
    assert answer(site, url).status_code == 303
    site.work()
    assert site.document(url)["log"] == "went on"


def test_an_output_that_is_required_may_come_in_any_part(load: Load) -> None:
    site, url = waiting(load)
    answer(site, url, value=3)
    site.work()
    answer(site, url, sure="false")
    site.work()
    assert site.document(url)["log"].endswith("1 tries, False")


def test_files_can_be_sent_with_an_answer(load: Load) -> None:
    import io

    site, url = waiting(
        load,
        """
    @plugin.processor()
    def work(task: Task, go: str) -> str:
        task.ask(then=then)

    def then(task: Task, file: Upload()) -> str:
        return file.read_text()
    """,
        go="x",
    )
    assert answer(site, url).status_code == 422
    assert answer(site, url, file=(io.BytesIO(b"sent"), "a.txt")).status_code == 303
    site.work()
    assert site.document(url)["log"] == "sent"
