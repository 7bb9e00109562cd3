"""Tasks and what belongs to them: attempts, steps, links, subscriptions.

The row is the truth about a task; Celery's result backend is not.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import ForeignKey, Index, UniqueConstraint, event, inspect, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from app_runner import submission as submissions
from app_runner.babel import gettext as _
from app_runner.db.engine import DB, RunnerSession
from app_runner.db.models.base import NEVER_USED_AGAIN, Row
from app_runner.db.models.files import SCRATCH, TaskFile
from app_runner.db.types import Json, UtcDateTime, key, label, long_text, now
from app_runner.errors import StepError
from app_runner.state import acting_user, asked_path, is_asked

PENDING, SUCCESS, FAILURE = "PENDING", "SUCCESS", "FAILURE"
#: Where a session keeps the ids of steps whose answer no job has been told of yet.
ANSWERED = "answered_steps"


class ProcessingTask(Row):
    """One run of a plugin, from its submit to its end.

    ``state`` says what lies behind the word on the wire: queued, running, waiting,
    retrying, cancelling, succeeded, failed or cancelled. ``revision`` grows with every
    change.
    ``attempt`` counts the executions of all parts of the task, and ``max_attempts`` is
    how many there may be so far: each answer of the user allows three more. ``origin``
    is what was submitted to (plugin, version, commit, entry point), ``submit_key`` the
    digest of an ``Idempotency-Key``. With a
    ``message`` (JSON text) the row is the journal of its job's message too: that is sent
    again with these headers, and while the task is queued ``lease_expires_at`` says until
    when the broker is trusted to have it.
    """

    __tablename__ = "task"
    __table_args__ = (
        Index("ix_task_state_lease", "state", "lease_expires_at"),
        # Lists go from the newest to the oldest: a filter is one range of one of these.
        Index("ix_task_started", "started_at", "id"),
        Index("ix_task_owner_started", "owner", "started_at", "id"),
        Index("ix_task_plugin_started", "plugin", "started_at", "id"),
        Index("ix_task_status_started", "task_status", "started_at", "id"),
        NEVER_USED_AGAIN,
    )

    task_name: Mapped[str] = mapped_column(label(500))
    plugin: Mapped[str | None] = mapped_column(key(255))
    owner: Mapped[str | None] = mapped_column(key(255))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    parameters: Mapped[str] = mapped_column(long_text(), default="")
    data: Mapped[Any] = mapped_column(Json, default=dict)
    multi_step: Mapped[bool] = mapped_column(default=False)
    current_step: Mapped[int] = mapped_column(default=-1)
    progress_value: Mapped[float | None] = mapped_column()
    progress_start: Mapped[float] = mapped_column(default=0)
    progress_target: Mapped[float] = mapped_column(default=100)
    progress_unit: Mapped[str] = mapped_column(label(100), default="%")
    task_status: Mapped[str | None] = mapped_column(key(20))
    task_log: Mapped[str] = mapped_column(long_text(), default="")
    state: Mapped[str] = mapped_column(key(20), default="queued")
    revision: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    lease_key: Mapped[str | None] = mapped_column(key(64))
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    message: Mapped[str | None] = mapped_column(long_text())
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    origin: Mapped[Any] = mapped_column(Json, nullable=True)
    submit_key: Mapped[str | None] = mapped_column(key(64), unique=True)
    submit_digest: Mapped[str | None] = mapped_column(key(64))

    steps: Mapped[list[Step]] = relationship(
        back_populates="task", order_by="Step.number", cascade="all, delete-orphan"
    )
    links: Mapped[list[TaskLink]] = relationship(
        back_populates="task", order_by="TaskLink.id", cascade="all, delete-orphan"
    )
    files: Mapped[list[TaskFile]] = relationship(
        back_populates="task", order_by=TaskFile.id, cascade="all, delete-orphan"
    )
    subscriptions: Mapped[list[TaskUpdateSubscription]] = relationship(
        back_populates="task", cascade="all, delete-orphan"
    )
    attempts: Mapped[list[TaskAttempt]] = relationship(
        back_populates="task", order_by="TaskAttempt.number", cascade="all, delete-orphan"
    )

    def __init__(self, task_name: str, **columns: Any) -> None:
        """Take the values of the columns; see `columns_of`."""
        super().__init__(**self.columns_of(task_name, **columns))

    @staticmethod
    def columns_of(task_name: str, **columns: Any) -> dict[str, Any]:
        """Complete the columns of a new row; times and containers are made per row.

        Without ``owner`` the task belongs to the user who acts: who calls, or whose job
        this is.
        """
        defaults: dict[str, Any] = {
            "task_name": task_name,
            "started_at": now(),
            "parameters": "",
            "multi_step": False,
            "current_step": -1,
            "progress_start": 0,
            "progress_target": 100,
            "progress_unit": "%",
            "task_log": "",
            "data": {},
            "owner": acting_user(),
        }
        if (submission := submissions.current()) is not None:
            defaults |= submission.columns()
        return {**defaults, **columns}

    @property
    def outputs(self) -> list[TaskFile]:
        """Give the result files, without scratch files."""
        return [file for file in self.files if file.file_type != SCRATCH]

    @property
    def is_finished(self) -> bool:
        """Tell whether the task has ended, however it ended."""
        return self.finished_at is not None

    @property
    def is_ok(self) -> bool:
        """Tell whether the task has ended well."""
        return self.is_finished and self.task_status == SUCCESS

    @property
    def status(self) -> str:
        """Give the word on the wire: PENDING, SUCCESS or FAILURE."""
        return (self.task_status or FAILURE) if self.is_finished else PENDING

    @property
    def has_uncleared_step(self) -> bool:
        """Tell whether the task waits for input from the user."""
        return bool(self.steps) and not self.steps[-1].cleared

    def add_task_log_entry(self, task_log: str, commit: bool = False) -> None:
        """Append lines to the log of the task."""
        self.task_log = f"{self.task_log}\n{task_log}" if self.task_log else task_log
        self.save(commit=commit)

    def add_next_step(
        self, href: str, ui_href: str, step_id: str, commit: bool = False
    ) -> None:
        """Let the task wait for input; raises `StepError` while a step still waits."""
        if self.has_uncleared_step:
            raise StepError(f"step {self.steps[-1].step_id!r} still waits for its answer")
        number = max(len(self.steps), self.current_step + 1)  # calls have numbers too
        step = Step(number=number, step_id=step_id, href=href, ui_href=ui_href)
        self.steps.append(step)
        self.current_step, self.multi_step, self.state = step.number, True, "waiting"
        self.save(commit=commit)

    def clear_previous_step(self, commit: bool = False) -> None:
        """Mark the step that waited as answered.

        Raises `StepError` in a request when no step waits (any more), because plugins
        of old do not look: the answer would be worked off twice.
        """
        if is_asked() and self.is_finished:
            raise StepError(_("The task has ended; it takes no more answers."))
        if self.has_uncleared_step and not self._is_asked_for_an_earlier_step():
            self._take_answer(self.steps[-1])
            self.state = "queued"
        elif is_asked() and self.steps:
            raise StepError(_("This step was answered before; the task has gone on."))
        self.save(commit=commit)

    def _is_asked_for_an_earlier_step(self) -> bool:
        """Tell whether the request is an answer that comes late, or twice.

        The next step may wait already, for an answer at an address of its own.
        """
        path = asked_path()
        *earlier, waiting = self.steps
        return path != waiting.path and any(step.path == path for step in earlier)

    def _take_answer(self, step: Step) -> None:
        """Let one of several answers at the same time win."""
        DB.session.flush()
        waits = update(Step).where(Step.id == step.id, Step.cleared.is_(False))
        if DB.session.connection().execute(waits.values(cleared=True)).rowcount != 1:
            DB.session.rollback()
            raise StepError(_("This step was answered before; the task has gone on."))
        DB.session.refresh(step, ["cleared"])
        DB.session.info.setdefault(ANSWERED, []).append(step.id)


class TaskAttempt(Row):
    """One execution of a job of a task: who ran it, when, and how it ended."""

    __tablename__ = "task_attempt"
    __table_args__ = (UniqueConstraint("task_id", "number"),)

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column()
    publication_key: Mapped[str | None] = mapped_column(key(64))
    lease_key: Mapped[str] = mapped_column(key(64))
    worker: Mapped[str] = mapped_column(label(255), default="")
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(label(255))

    task: Mapped[ProcessingTask] = relationship(back_populates="attempts")


class Step(Row):
    """A point where a task waits for more input from the user."""

    __tablename__ = "task_step"
    __table_args__ = (UniqueConstraint("task_id", "number"),)

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column()
    step_id: Mapped[str] = mapped_column(label(500))
    href: Mapped[str] = mapped_column(long_text())
    ui_href: Mapped[str] = mapped_column(long_text())
    cleared: Mapped[bool] = mapped_column(default=False)

    task: Mapped[ProcessingTask] = relationship(back_populates="steps")

    @property
    def path(self) -> str:
        """Give the path where the answer is sent to, as requests have it."""
        return unquote(urlsplit(self.href).path)


class TaskLink(Row):
    """A link that a plugin adds to the document of a task."""

    __tablename__ = "task_link"

    task_id: Mapped[int] = mapped_column(
        ForeignKey("task.id", ondelete="CASCADE"), index=True
    )
    type: Mapped[str] = mapped_column(label(255))
    href: Mapped[str] = mapped_column(long_text())

    task: Mapped[ProcessingTask] = relationship(back_populates="links")

    def __init__(self, task: ProcessingTask, type: str, href: str) -> None:  # noqa: A002
        """Take the task, the link's relation and its URL."""
        super().__init__(task=task, type=type, href=href)


class TaskUpdateSubscription(Row):
    """A webhook that is told of changes; without ``event_type`` of all of them."""

    __tablename__ = "task_subscription"

    task_id: Mapped[int] = mapped_column(
        ForeignKey("task.id", ondelete="CASCADE"), index=True
    )
    webhook_href: Mapped[str] = mapped_column(long_text())
    task_href: Mapped[str] = mapped_column(long_text())
    event_type: Mapped[str | None] = mapped_column(key(20))

    task: Mapped[ProcessingTask] = relationship(back_populates="subscriptions")

    def __init__(
        self,
        task: ProcessingTask,
        webhook_href: str,
        task_href: str,
        event_type: str | None = None,
    ) -> None:
        """Take the task, the receiver's URL, the task's URL and the event to tell."""
        super().__init__(
            task=task,
            webhook_href=webhook_href,
            task_href=task_href,
            event_type=event_type,
        )

    @classmethod
    def of_task(cls, task_id: int) -> list[TaskUpdateSubscription]:
        """Give the subscriptions of a task."""
        found = DB.session.execute(DB.select(cls).filter_by(task_id=task_id))
        return list(found.scalars())


SHOWN_WITH_TASK = (Step, TaskLink, TaskFile)


@event.listens_for(RunnerSession, "before_flush")
def _count_revisions(session: Session, context: Any, instances: Any) -> None:
    """Give a task a new revision whenever anything in its document changes."""
    for row in [*session.new, *session.dirty, *session.deleted]:
        task = row.task if isinstance(row, SHOWN_WITH_TASK) else row
        if (
            isinstance(task, ProcessingTask)
            and task in session
            and inspect(task).persistent
        ):
            task.revision = ProcessingTask.revision + 1
