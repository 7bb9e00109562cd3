"""Retention in a running worker, and deleting on request: what is gone answers 410."""

from __future__ import annotations

import pytest

from tests.integration.conftest import RunnerFactory
from tests.polling import wait_for

pytestmark = pytest.mark.integration
REPORT = "report@1/process/"


def test_a_worker_deletes_what_the_rule_does_not_keep(
    make_runner: RunnerFactory, broker_url: str
) -> None:
    runner = make_runner(
        BROKER_URL=broker_url,
        RETENTION_EVERY=1,
        RETENTION_PLUGINS={"report": {"count": 1}},
    )
    first = runner.submit(REPORT, word="first")
    href = runner.ended(first)["outputs"][0]["href"]
    assert runner.client.get(href, buffered=True).status_code == 200
    other = runner.submit("jobs@1/run/nothing/")
    runner.ended(other)
    last = runner.submit(REPORT, word="last")
    runner.ended(last)

    def status(url: str) -> int:
        return runner.client.get(url, buffered=True).status_code

    wait_for(lambda: status(first) == 410, what="the end of the first task's stay")
    assert status(href) == 410
    assert (status(other), status(last)) == (200, 200)
    assert runner.client.delete(last).status_code == 204
    assert (status(last), runner.client.delete(last).status_code) == (410, 410)
