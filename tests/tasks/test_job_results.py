"""A view that waits for the result of a job says what became of the job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app_runner.state import state_of
from tests.conftest import AppFactory

FAILED, RUNS = "failed-job", "job-that-runs"


def pass_on(get: Callable[..., Any], job: str) -> Any:
    return get(job)


def wrap(get: Callable[..., Any], job: str) -> Any:
    try:
        return get(job)
    except ValueError as error:
        raise RuntimeError("no preview") from error


def answer(get: Callable[..., Any], job: str) -> Any:
    try:
        return get(job)
    except ValueError:
        return "no preview"


def fail_alone(get: Callable[..., Any], job: str) -> Any:
    raise ValueError("of the view")


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    app = make_app(RESULT_BACKEND="cache+memory://", EXPOSURE="public")
    celery = state_of(app).celery
    error = ValueError("no table 'x' in /srv/secret/data.db")
    celery.backend.mark_as_failure(FAILED, error, traceback="Traceback in /srv/secret")

    def get(job: str) -> Any:
        return celery.AsyncResult(job).get(timeout=0.1)

    for view in (pass_on, wrap, answer, fail_alone):
        name = view.__name__

        def ask(job: str, view: Callable[..., Any] = view) -> Any:
            return view(get, job)

        app.add_url_rule(f"/{name}/<job>/", name, ask)
    return app


@pytest.mark.parametrize("view", ["pass_on", "wrap"])
def test_the_error_of_a_job_is_told_with_a_reference(app: Flask, view: str) -> None:
    headers = {"X-Request-Id": "request-of-this-test"}
    told = app.test_client().get(f"/{view}/{FAILED}/", headers=headers)
    assert told.get_json() == {
        "code": 500,
        "status": "Internal Server Error",
        "message": "A job failed: ValueError: no table 'x' in …/data.db\n"
        "(The log of the server says more under request-of-this-test.)",
    }


def test_a_view_can_still_handle_the_error(app: Flask) -> None:
    assert app.test_client().get(f"/answer/{FAILED}/").text == "no preview"


def test_an_error_of_the_view_stays_its_own(app: Flask) -> None:
    told = app.test_client().get(f"/fail_alone/{FAILED}/").get_json()
    assert told["message"] == "Something went wrong. The log of the server says more."


def test_a_job_that_still_runs_is_told(app: Flask) -> None:
    told = app.test_client().get(f"/pass_on/{RUNS}/")
    assert (told.status_code, told.headers["Retry-After"]) == (504, "5")
    assert "has not ended in time" in told.get_json()["message"]


def test_a_result_is_of_its_app_wherever_it_goes(app: Flask) -> None:
    celery = state_of(app).celery
    result = celery.AsyncResult("a")
    assert result.app is celery
    assert type(result).__name__ == "AsyncResult"
