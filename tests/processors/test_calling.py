"""A task calls other plugins, here or elsewhere, and goes on with what they gave."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from app_runner.db import DB, tokens
from app_runner.db.models import (
    ProcessingTask,
    TaskUpdateSubscription,
    WebhookDelivery,
)
from app_runner.state import state_of
from app_runner.tasks import calls, cancelling, capture, webhooks
from app_runner.tasks.asking import MAX_DEPTH
from tests.conftest import AppFactory, PluginFolder
from tests.processors.conftest import Load, Site
from tests.ui.site_under_test import served

#: Ours, but no plugin.
OTHER = "http://localhost/files/1"
HELPER = """
    from app_runner.plugin_api import *

    helper = Plugin("helper", "1.5")

    @helper.processor(outputs=[Output("upper.txt", "text", "text/plain")])
    def shout(
        task: Task, text: FileInput(), times: Integer(max=3), loud: bool = False
    ) -> str:
        if times == 0:
            raise UserError("Nothing to shout.")
        task.save("upper.txt", text.read_text().upper() * times + "!" * loud)
        return f"shouted {times} times"
"""
CALLER = """
    @plugin.processor(outputs=[Output("out.txt")])
    def begin(task: Task, text: str, times: int = 2, to: str = "helper") -> str:
        task.log("calling")
        task.save("text.txt", text)
        given = {"text": task.saved("text.txt"), "times": times, "loud": True}
        task.call(to, {**given, "nothing": None}, then=after, state={"length": len(text)})

    def after(task: Task, called: CalledTask) -> str:
        assert task.attempt == 1
        shouted = called.output("upper.txt").read_text()
        task.save("out.txt", f"{task.state['length']}: {shouted}")
        return called.log
"""


@pytest.fixture
def site(load: Load, plugin_folder: PluginFolder) -> Site:
    plugin_folder.add("helper.py", HELPER)
    site = load(CALLER, EXPOSURE="local")
    assert site.problems == []
    return site


def test_a_plugin_is_called_and_its_results_come_back(site: Site) -> None:
    task = site.done(text="hey")
    assert (task["status"], task["log"]) == ("SUCCESS", "calling\nshouted 2 times")
    assert site.content(task, "out.txt") == b"3: HEYHEY!"
    assert "steps" not in task
    (url,) = (link["href"] for link in task["links"] if link["type"] == "called-task")
    called = site.document(url)
    assert called["execution"]["plugin"] == "helper@1-5"
    assert [output["name"] for output in called["outputs"]] == ["upper.txt"]


def wake(site: Site) -> None:
    """Deliver what ended tasks have to tell, and run what that starts."""
    told = WebhookDelivery.__table__
    with site.app.test_request_context():
        rows = DB.session.execute(DB.select(told)).all()
        tries = [webhooks.post(site.app, row) for row in rows]
        assert {tried and tried.outcome for tried in tries} == {"delivered"}
        DB.session.execute(DB.delete(told))
        DB.session.commit()
    site.work()


def test_no_worker_waits_for_the_called_task(site: Site) -> None:
    url = site.submit(text="hey")
    site.step()
    (message,) = site.sent
    assert message["name"] == "app-runner.call-plugin"
    assert site.document(url)["execution"]["state"] == "waiting"
    site.step()  # starts the other one
    started, again = site.sent
    assert started["name"] == "helper@1-5.shout"
    assert again["kwargs"]["looks"] == 1
    site.sent.reverse()
    site.step()  # in vain, so it is tried once more
    assert site.sent[-1]["kwargs"]["looks"] == 2
    site.step()
    site.sent.clear()
    site.run(again["name"], **again["kwargs"])
    site.run(again["name"], **again["kwargs"])  # came twice, or was woken
    (following,) = site.sent
    assert following["kwargs"]["after_step"] == 0
    site.work()
    assert site.document(url)["status"] == "SUCCESS"


def test_the_called_task_wakes_the_one_that_waits(site: Site) -> None:
    url = site.submit(text="hey")
    site.step(), site.step()
    del site.sent[1:]  # the look that comes later, if at all
    site.step()
    wake(site)
    assert site.document(url)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"times": 0}, "helper failed: Nothing to shout."),
        ({"times": 9}, "helper failed: times: Must be less than or equal to 3."),
        ({"to": "unknown"}, "unknown failed: There is no plugin unknown here."),
        (
            {"to": OTHER},
            f"{OTHER} failed: There is no plugin at {OTHER}.",
        ),
    ],
)
def test_what_goes_wrong_there_is_said_here(
    site: Site, data: dict[str, Any], reason: str
) -> None:
    task = site.done(text="hey", **data)
    assert (task["status"], task["log"].splitlines()[-1]) == ("FAILURE", reason)


@pytest.mark.parametrize(
    "source",
    [
        'task.call("p", then=after)',
        'task.call("http://localhost/plugins/p@1/", {}, then=after)',
    ],
)
def test_a_plugin_that_calls_itself_ends_with_a_reason(load: Load, source: str) -> None:
    site = load(f"""
        @plugin.processor()
        def begin(task: Task) -> str:
            {source}

        def after(task: Task, called: CalledTask) -> str:
            return called.log
        """)
    url = site.submit()
    site.work()
    while site.document(url)["status"] == "PENDING":
        wake(site)
    task = site.document(url)
    assert task["status"] == "FAILURE"
    assert f"call each other more than {MAX_DEPTH} deep" in task["log"]
    assert task["log"].count("failed:") == 1
    with site.app.app_context():
        count = DB.session.scalar(DB.select(DB.func.count(ProcessingTask.id)))
    assert count == MAX_DEPTH + 1


def test_plugins_that_call_each_other_end_with_a_reason(
    load: Load, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add(
        "other.py",
        """
        from app_runner.plugin_api import *

        other = Plugin("other", "1")

        @other.processor()
        def begin(task: Task) -> str:
            task.call("p", then=after)

        def after(task: Task, called: CalledTask) -> str:
            return called.log
        """,
    )
    site = load("""
        @plugin.processor()
        def begin(task: Task) -> str:
            task.call("other", then=after)

        def after(task: Task, called: CalledTask) -> str:
            return called.log
        """)
    url = site.submit()
    site.work()
    while site.document(url)["status"] == "PENDING":
        wake(site)
    task = site.document(url)
    assert task["status"] == "FAILURE"
    assert f"call each other more than {MAX_DEPTH} deep" in task["log"]


def test_the_depth_that_another_runner_tells_counts(site: Site) -> None:
    data, name = {"text": "hey"}, "X-App-Runner-Call-Depth"
    answer = site.post("process/", data=data, headers={name: str(MAX_DEPTH)})
    site.work()
    assert "deep" in site.document(answer.location)["log"]
    assert site.post("process/", data=data, headers={name: "many"}).status_code == 400


def test_steps_and_calls_follow_one_another(
    load: Load, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("helper.py", HELPER)
    site = load("""
        @plugin.processor()
        def begin(task: Task, secret: Password()) -> str:
            task.save("a.txt", "a")
            task.call("helper", {"text": task.saved("a.txt"), "times": 1}, then=ask)

        def ask(task: Task, called: CalledTask) -> str:
            task.ask(then=again, state=[called.outputs[0].read_text()])

        def again(task: Task, times: int) -> str:
            state, given = task.state, {"text": task.saved("a.txt"), "times": times}
            task.call("helper", given, then=end, state=state)

        def end(task: Task, called: CalledTask) -> str:
            return task.state[0] + called.output(data_type="text").read_text()
        """)
    url = site.submit(secret="x1y2z3")
    site.work()
    assert "x1y2z3" not in site.stored()
    (step,) = site.document(url)["steps"]
    assert step["href"].endswith("/1/")
    assert site.post(step["href"].replace("/1/", "/0/")).status_code == 404
    assert site.post(step["href"], data={"times": 2}).status_code == 303
    site.work()
    task = site.document(url)
    assert (task["status"], task["log"]) == ("SUCCESS", "AAA")
    assert task["execution"]["attempt"] == 4


def test_cancelling_reaches_the_called_task(site: Site) -> None:
    url = site.submit(text="hey")
    site.step(), site.step()
    (called,) = (x["href"] for x in site.document(url)["links"] if "called" in x["type"])
    with site.app.app_context():
        cancelling.cancel(1)
    site.sent.reverse()
    site.work()
    assert site.document(url)["execution"]["state"] == "cancelled"
    assert site.document(called)["execution"]["state"] == "cancelled"


def test_a_plugin_of_another_runner_is_called(
    site: Site, make_app: AppFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = PluginFolder(tmp_path_factory.mktemp("elsewhere"))
    folder.add("helper.py", HELPER)
    app = make_app(PLUGIN_FOLDERS=[str(folder)], BROKER_URL="memory://")
    with served(app) as base, served(site.app) as site.base:
        elsewhere = Site(app, [], base)
        data = {"text": "hey", "to": f"{base}/plugins/helper@1-5/"}
        answer = site.post("process/", data=data, base_url=site.base)
        site.step(), site.step()
        started, _again = site.sent
        assert started["name"] == "helper@1-5.shout"
        elsewhere.run(started["name"], **started["kwargs"])
        (hook,) = subscriptions_of(app)
        site.sent[:] = []
        assert site.post(hook, base_url=site.base).status_code == 204
        site.work()
        task = site.document(answer.location)
        assert site.post(hook, base_url=site.base).status_code == 204
    assert (task["status"], task["log"]) == ("SUCCESS", "calling\nshouted 2 times")
    assert site.sent == []


def subscriptions_of(app: Flask) -> list[str]:
    with app.app_context():
        return list(DB.session.scalars(DB.select(TaskUpdateSubscription.webhook_href)))


def test_a_runner_that_is_away_is_asked_again_and_given_up(site: Site) -> None:
    url = site.submit(text="hey", to="http://127.0.0.1:1/plugins/helper/")
    site.step()
    site.step()
    (again,) = site.sent
    assert (again["kwargs"]["misses"], site.document(url)["status"]) == (1, "PENDING")
    site.sent[0]["kwargs"]["misses"] = calls.MOST_STARTS
    site.work()
    assert site.document(url)["status"] == "FAILURE"
    assert "http://127.0.0.1:1/plugins/helper/ failed" in site.document(url)["log"]


def test_each_try_in_vain_is_a_line_in_the_log_of_the_task(site: Site) -> None:
    state_of(site.app).caches[capture.CAPTURE] = capture.Capture()
    url = site.submit(text="hey", to="http://127.0.0.1:1/plugins/helper/")
    site.step()
    for _ in range(3):
        message = site.sent[-1]
        with (
            site.app.app_context(),
            capture.capturing(site.app, message["kwargs"]["db_id"]),
        ):
            site.step()
    assert site.document(f"{url}log")["lines"] == [
        "http://127.0.0.1:1/plugins/helper/ gives no answer (there is no connection to "
        f"it). It is asked again in {delay} s; this was try {number} of 16."
        for number, delay in ((1, 1), (2, 2), (3, 4))
    ]


def test_the_called_task_belongs_to_who_started_the_first(
    load: Load, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("helper.py", HELPER)
    site = load(CALLER, EXPOSURE="private", LOGIN_REQUIRED=True)
    with site.app.app_context():
        headers = {"Authorization": f"Bearer {tokens.create('of a test', 'ann')}"}
    assert site.post("process/", data={"text": "hey"}).status_code == 401
    url = site.post("process/", data={"text": "hey"}, headers=headers).location
    site.work()
    task = site.document(url)
    assert (task["status"], task["log"]) == ("SUCCESS", "calling\nshouted 2 times")
    with site.app.app_context():
        owners = DB.session.scalars(DB.select(ProcessingTask.owner)).all()
    assert owners == ["ann", "ann"]
