"""Jobs on a real worker: how each kind of job ends, and what the user then reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.api.conftest import assert_error
from tests.fixtures import JOBS
from tests.integration.conftest import Runner, RunnerFactory
from tests.polling import wait_for

pytestmark = pytest.mark.integration
REPORT = "report@1/process/"


def test_a_processor_gives_its_file(runner: Runner) -> None:
    task = runner.run(REPORT, word="whales")
    assert (task["status"], task["log"]) == ("SUCCESS", "wrote about whales")
    assert task["progress"] == {"start": 0, "target": 3, "value": 3, "unit": "pages"}
    (output,) = task["outputs"]
    assert runner.content(output) == b"report about whales"
    assert re.fullmatch(r".*@.*|.+", task["execution"]["attempts"][0]["worker"])


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("user", "Choose another word."),
        ("error", "no such place"),
        ("exit", "good bye"),
        ("interrupt", "tried to end its process (KeyboardInterrupt)"),
    ],
)
def test_a_processor_that_fails_says_why(runner: Runner, way: str, said: str) -> None:
    task = runner.run(REPORT, word="x", fail=way)
    assert task["status"] == "FAILURE"
    assert said in task["log"]
    assert task["outputs"] == []
    assert task["execution"]["attempt"] == 1


def test_a_job_that_forks_ends_once_and_both_slots_go_on(
    runner: Runner, tmp_path: Path
) -> None:
    for _ in range(2):
        task = runner.run(REPORT, word="x", fail="fork")
        assert (task["status"], task["log"]) == ("SUCCESS", "parent"), task["log"]
        assert task["execution"]["attempt"] == 1
    gate = tmp_path / "gate"
    urls = [runner.submit(REPORT, word="x", fail=str(gate)) for _ in range(2)]

    def states() -> list[str]:
        return [runner.document(url)["execution"]["state"] for url in urls]

    wait_for(lambda: states() == ["running"] * 2, what="two jobs at a time")
    gate.touch()
    assert [runner.ended(url)["status"] for url in urls] == ["SUCCESS"] * 2


@pytest.mark.parametrize(
    ("limit", "status"), [("RLIMIT_NOFILE", "SUCCESS"), ("RLIMIT_FSIZE", "FAILURE")]
)
def test_limits_that_a_job_sets_are_not_those_of_the_next_one(
    runner: Runner, limit: str, status: str
) -> None:
    task = runner.run(REPORT, word="x", fail=limit)
    assert task["status"] == status, task["log"]
    if status == "FAILURE":
        assert "each time the process of the worker ended itself" in task["log"]
    for task in [runner.run(REPORT, word="next") for _ in range(4)]:
        assert (task["status"], task["log"]) == ("SUCCESS", "wrote about next")
        assert task["execution"]["attempt"] == 1


def test_links_in_jobs_lead_to_the_host_that_was_asked(runner: Runner) -> None:
    for host in ("localhost:5005", "127.0.0.1:8080"):
        url = runner.submit("jobs@1/run/say/", host=host)
        task = runner.ended(url)
        assert task["status"] == "SUCCESS"
        assert task["log"].startswith(f"http://{host}{url} ")


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("nothing", ""),
        ("retry", "took 3 tries"),
        ("half", r"found \[\]"),
        ("replace", "http://localhost/tasks/.*"),
        ("count", "counted"),
        ("fork", "child 1, retries 0"),
    ],
)
def test_chains_that_end_well(runner: Runner, name: str, log: str) -> None:
    task = runner.run(f"jobs@1/run/{name}/")
    assert task["status"] == "SUCCESS", task["log"]
    assert re.fullmatch(log, task["log"])


def test_a_job_that_replaces_itself_keeps_its_data_and_file(runner: Runner) -> None:
    (output,) = runner.run("jobs@1/run/count/")["outputs"]
    assert json.loads(runner.content(output)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raise", "this is wrong"),
        ("number", "must return text or None, not int"),
        ("retry-in-vain", "never"),
        ("exit", "tried to end its process (4)"),
        ("back", "gave its message back 3 times"),
        ("drop", "not ever"),
    ],
)
@pytest.mark.parametrize("suffix", ["", "-alone"])
def test_chains_that_fail_end_their_task_with_the_reason(
    runner: Runner, name: str, said: str, suffix: str
) -> None:
    task = runner.run(f"jobs@1/run/{name}{suffix}/")
    assert task["status"] == "FAILURE"
    assert said in task["log"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("double", "less than nothing"), ("odd", "not JSON serializable")],
)
def test_a_job_that_names_no_task_fails_the_one_it_is_the_last_of(
    runner: Runner, name: str, said: str
) -> None:
    task = runner.run(f"jobs@1/anonymous/{name}/")
    assert task["status"] == "FAILURE"
    assert said in task["log"]


def test_a_job_whose_process_is_killed_is_tried_again(runner: Runner) -> None:
    task = runner.run(REPORT, word="luck", fail="kill once")
    assert task["status"] == "SUCCESS", task["log"]
    assert [attempt["number"] for attempt in task["execution"]["attempts"]] == [1, 2]
    assert [output["name"] for output in task["outputs"]] == ["report.txt"]


def test_a_chain_whose_process_is_killed_fails(runner: Runner) -> None:
    task = runner.run("jobs@1/run/kill/")
    assert task["status"] == "FAILURE"
    assert "worker was lost" in task["log"]


def test_a_view_can_wait_for_the_result_of_a_job(runner: Runner) -> None:
    assert runner.client.get("/plugins/jobs@1/ask/21/").get_json() == {"twice": 42}
    failed = runner.client.get("/plugins/jobs@1/ask/-1/")
    told = assert_error(failed, 500)["message"]
    assert told.startswith("A job failed: ValueError: less than nothing\n")


def test_the_worker_outlives_all_of_that(runner: Runner) -> None:
    assert runner.worker.process.poll() is None
    assert runner.run("jobs@1/run/nothing/")["status"] == "SUCCESS"


def test_the_log_of_the_worker_names_the_request(runner: Runner) -> None:
    answer = runner.client.post(
        f"/plugins/{REPORT}",
        data={"word": "ids"},
        headers={"X-Request-ID": "request-of-this-test"},
    )
    runner.ended(answer.location)
    pattern = r"\[request-of-this-test\].*writing about ids"
    wait_for(lambda: re.search(pattern, runner.worker.printed))


def test_a_failure_names_its_request(runner: Runner) -> None:
    task = runner.run("jobs@1/run/raise/")
    assert str(JOBS) in task["log"]  # this runner is local: all is shown
    assert "Traceback" in task["log"]


def found_in(runner: Runner, pattern: str) -> bool:
    return re.search(pattern, runner.worker.printed) is not None


def test_a_failure_of_a_job_is_found_under_its_reference(
    make_runner: RunnerFactory, own_broker: Callable[[], str]
) -> None:
    runner = make_runner(
        pool="prefork", BROKER_URL=own_broker(), EXPOSURE="public", LOGIN_REQUIRED=False
    )
    for name in ("raise", "raise-alone", "part"):
        log = runner.run(f"jobs@1/run/{name}/")["log"]
        said = re.fullmatch(r"ValueError: .*\n\(The log .* under (\w[\w-]+)\.\)", log)
        assert said, log
        pattern = rf"ERROR   \[{said[1]}\] celery.app.trace: .*\n(.*\n)+ValueError: "
        wait_for(partial(found_in, runner, pattern))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("overtime", r"ERROR   \[{id}\] celery.worker.request: Hard time limit \(1s\)"),
        ("kill", r"WARNING \[{id}\] app_runner.tasks.minder: jobs.kill.*SIGKILL"),
    ],
)
def test_a_job_that_was_ended_from_outside_is_told_under_its_request(
    runner: Runner, name: str, said: str
) -> None:
    headers = {"X-Request-ID": f"request-of-{name}"}
    answer = runner.client.post(f"/plugins/jobs@1/run/{name}/", headers=headers)
    assert runner.ended(answer.location)["status"] == "FAILURE"
    pattern = said.replace("{id}", headers["X-Request-ID"])
    wait_for(partial(found_in, runner, pattern))
    assert not found_in(runner, rf"\[-\] celery.worker.request: .*jobs.{name}")


def test_the_published_plugin_of_one_file(runner: Runner) -> None:
    task = runner.run("greeting@v0-3-0/process/", inputStr="Ada")
    assert (task["status"], task["log"]) == ("SUCCESS", "result: 'Ada'")
    (output,) = task["outputs"]
    assert (output["name"], output["contentType"]) == ("out.txt", "text/plain")
    assert output["dataType"] == "greeting-output"
    assert runner.content(output) == b"Hello Ada"


def test_the_published_plugin_fails_with_its_reason(runner: Runner) -> None:
    task = runner.run("greeting@v0-3-0/process/", inputStr="raise")
    assert task["status"] == "FAILURE"
    assert "the greeting was asked to fail" in task["log"]


def wait_for_step(runner: Runner, task_url: str, step_id: str) -> dict[str, str]:
    def step() -> dict[str, str] | None:
        steps = runner.document(task_url).get("steps", [])
        found = steps and steps[-1]["stepId"] == step_id and not steps[-1]["cleared"]
        return steps[-1] if found else None

    found = wait_for(step, what=f"{step_id} in {runner.document(task_url)}")
    assert found is not None
    return found


def test_the_published_plugin_of_several_steps(runner: Runner) -> None:
    url = runner.submit("quiz%20game@v1-2-0/process/", player="Ada")
    step = wait_for_step(runner, url, "answer0")
    assert runner.document(url)["progress"]["value"] == 20
    form = runner.client.get(step["uiHref"])
    assert form.status_code == 200
    assert "6 * 7" in form.text
    for number, answer in enumerate(("41", "7"), start=1):
        sent = runner.client.post(step["href"], data={"answer": answer})
        assert (sent.status_code, sent.location) == (303, url)
        step = wait_for_step(runner, url, f"answer{number}")
    runner.client.post(step["href"], data={"answer": "42"})
    task = runner.ended(url)
    assert task["status"] == "SUCCESS"
    assert "41 is wrong\n7 is wrong" in task["log"]
    assert [s["cleared"] for s in task["steps"]] == [True] * 3
    (output,) = task["outputs"]
    assert json.loads(runner.content(output)) == {
        "player": "Ada",
        "questions": {"asked": ["6 * 7", "6 * 7 ?", "6 * 7 ?"]},
        "answers": [41, 7, 42],
    }
