"""The states of a task, as a model that random histories are compared with.

Attempts are claimed, die, are handed back, fall silent and speak too late; users answer
steps and cancel; messages come twice. Whatever the order: one end, from the attempt that
held the task, and nothing changes it any more.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update

from app_runner.db import DB
from app_runner.db.models import ProcessingTask, TaskAttempt
from app_runner.db.types import now
from app_runner.errors import LeaseLost, StepError, TaskFinished
from app_runner.tasks import cancelling, records, steps
from app_runner.tasks.asking import Question
from app_runner.tasks.leases import ANY_TIME, Lease
from app_runner.tasks.losses import HANDED_BACK, NO_SIGN
from app_runner.tasks.records import Attempt

#: Executions that each part may take.
CAP = 3
KEYS = count(1)
PICK = st.integers(0, 7)
#: Ends are rare, so that histories are long.
WORDS = ["report", "report", "report", "report", "report", "succeed", "fail"]


class TaskStates(RuleBasedStateMachine):
    """One task, and what should be true of it."""

    @initialize()
    def submit(self) -> None:
        DB.session.remove()
        self.task_id = records.start("x")
        self.attempts: list[Attempt] = []
        self.holder: Attempt | None = None
        self.is_silent = False
        self.state, self.step, self.cap = "queued", -1, CAP

    @property
    def is_final(self) -> bool:
        return self.state in ("succeeded", "failed", "cancelled")

    @property
    def is_free(self) -> bool:
        return self.holder is None or self.is_silent

    def end(self, state: str) -> None:
        self.state, self.holder = state, None

    def some_attempt(self, pick: int) -> Attempt:
        """Give the one that holds the task (most often), or one that was lost."""
        if self.holder is not None and pick < 4:
            return self.holder
        return self.attempts[pick % len(self.attempts)]

    @rule(late=st.booleans())
    def message_comes(self, late: bool) -> None:
        """A message of the part that runs; a late one is of the part before."""
        after = self.step - late
        lease = Lease(f"key-{next(KEYS)}", 60)
        attempt = records.claim(
            self.task_id, worker="w", publication_key=None, after_step=after, lease=lease
        )
        open_ = self.state in ("queued", "running") and self.is_free and not late
        if not open_ or len(self.attempts) >= self.cap:
            assert attempt is None
            if self.state == "cancelling":
                self.end("cancelled")
            elif open_:
                self.end("failed")
            return
        assert attempt is not None
        assert attempt.number == len(self.attempts) + 1
        self.attempts.append(attempt)
        self.holder, self.is_silent, self.state = attempt, False, "running"

    @precondition(lambda self: self.holder is not None)
    @rule()
    def worker_falls_silent(self) -> None:
        over = {"lease_expires_at": now() - timedelta(seconds=1)}
        mine = ProcessingTask.id == self.task_id
        DB.session.execute(update(ProcessingTask).where(mine).values(over))
        DB.session.commit()
        self.is_silent = True

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK)
    def reaper_looks(self, pick: int) -> None:
        attempt = self.some_attempt(pick)
        lost = records.release(self.task_id, attempt.lease_key, NO_SIGN, before=now())
        assert lost is (attempt is self.holder and self.is_silent)
        if lost:
            self.let_go()

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK, how=st.sampled_from(["killed by signal 9", HANDED_BACK]))
    def process_dies(self, pick: int, how: str) -> None:
        attempt = self.some_attempt(pick)
        lost = records.release(self.task_id, attempt.lease_key, how, before=ANY_TIME)
        assert lost is (attempt is self.holder)
        if lost:
            self.cap += how == HANDED_BACK
            self.let_go()

    def let_go(self) -> None:
        self.holder = None
        self.state = "cancelled" if self.state == "cancelling" else "queued"

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK, what=st.sampled_from(WORDS))
    def attempt_speaks(self, pick: int, what: str) -> None:
        attempt = self.some_attempt(pick)
        if attempt is not self.holder:
            with pytest.raises(LeaseLost):
                self.speak(attempt, what)
            return
        self.speak(attempt, what)
        if what != "report":
            self.end("succeeded" if what == "succeed" else "failed")

    def speak(self, attempt: Attempt, what: str) -> None:
        if what == "report":
            records.report(attempt, "a line", progress_value=attempt.number)
        elif what == "succeed":
            records.succeed(self.task_id, "", attempt)
        else:
            records.fail(self.task_id, "it could not", attempt)

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK)
    def attempt_asks(self, pick: int) -> None:
        attempt, urls = self.some_attempt(pick), ("http://api", "http://form")
        question = Question("m:P", "m:then", '{"state": {}, "secrets": []}')
        if attempt is not self.holder or self.state == "cancelling":
            with pytest.raises(LeaseLost):
                steps.wait(attempt, question, urls, "", [])
            return
        steps.wait(attempt, question, urls, "", [])
        self.holder, self.state, self.step = None, "waiting", self.step + 1

    @rule(right=st.booleans(), other=st.integers(-1, 3))
    def user_answers(self, right: bool, other: int) -> None:
        number = self.step if right else other
        task = records.get(self.task_id)
        if self.state != "waiting" or number != self.step:
            with pytest.raises(StepError):
                steps.answer(task, number, "{}")
            DB.session.rollback()
            return
        steps.answer(task, number, "{}")
        DB.session.commit()
        self.state, self.cap = "queued", len(self.attempts) + CAP

    @precondition(lambda self: self.is_final or self.step > 0 or len(self.attempts) > 4)
    @rule()
    def user_cancels(self) -> None:
        if self.state in ("succeeded", "failed"):
            with pytest.raises(TaskFinished):
                cancelling.cancel(self.task_id)
            return
        cancelling.cancel(self.task_id)
        if not self.is_final:
            self.state = "cancelling"
            if self.holder is None:
                self.end("cancelled")

    @invariant()
    def row_is_as_the_model(self) -> None:
        DB.session.rollback()
        DB.session.expire_all()
        task = records.get(self.task_id)
        assert task.state == self.state
        assert task.is_finished is self.is_final
        assert task.lease_key == (self.holder.lease_key if self.holder else None)
        assert task.attempt == len(self.attempts)
        assert task.status == {"succeeded": "SUCCESS"}.get(
            self.state, "FAILURE" if self.is_final else "PENDING"
        )

    @invariant()
    def one_result_is_accepted(self) -> None:
        of_task = select(TaskAttempt.outcome).where(TaskAttempt.task_id == self.task_id)
        outcomes = list(DB.session.scalars(of_task))
        assert outcomes.count("succeeded") == (self.state == "succeeded")
        assert len(outcomes) == len(self.attempts)


def test_any_history_has_one_end(app: Flask) -> None:
    run_state_machine_as_test(
        TaskStates,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            phases=(
                Phase.explicit,
                Phase.reuse,
                Phase.generate,
            ),  # shrinking takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
