"""The task as a processor sees it: progress, log lines, files, questions to the user."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, BinaryIO, NoReturn

from flask import Flask, current_app

from app_runner.db.engine import DB
from app_runner.db.models import TaskFile
from app_runner.db.models.files import SCRATCH
from app_runner.errors import FileMissing, LeaseLost
from app_runner.state import current_runner
from app_runner.tasks import asking, capture, records, results
from app_runner.tasks import content as content_of
from app_runner.tasks.batch import Batch
from app_runner.tasks.called import SavedFile, wire_values
from app_runner.tasks.cancelling import CancellationToken
from app_runner.tasks.limits import UNLIMITED, Limits
from app_runner.tasks.patience import DATABASE_AWAY
from app_runner.tasks.records import Attempt

#: What stands in place of a password wherever a task tells something.
HIDDEN = "***"


@dataclass(frozen=True)
class Output:
    """A result file that a processor declares.

    ``data_type`` says what it means (such as ``entity/list``), ``content_type`` how it is
    written (a media type).
    """

    name: str
    data_type: str = "custom"
    content_type: str = "text/plain"
    required: bool = True


class Task:
    """Given to the function of a processor; speaks for one attempt of its task."""

    def __init__(
        self,
        attempt: Attempt,
        outputs: Sequence[Output] = (),
        limits: Limits = UNLIMITED,
    ) -> None:
        """Take the attempt, and the outputs and limits that the processor declared."""
        self.limits = limits
        self._attempt = attempt
        self._outputs = {output.name: output for output in outputs}
        self._progress: tuple[float, float, str] | None = None
        self._log: deque[str] = deque()
        self._secrets: list[str] = []
        self._token = CancellationToken(attempt.task_id, limits.soft_time)
        self._refusal: LeaseLost | None = None
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._batch = Batch(app, self._write)
        self._job_log = capture.CURRENT.get()
        if self._job_log is not None:
            self._job_log.of_attempt(attempt.number, self.hidden)
        self.files: list[dict[str, Any]] = []
        #: What the part before gave to `ask` as ``state``; empty in the first part.
        self.state: Any = {}

    @property
    def id(self) -> int:
        """Give the id of the task's row."""
        return self._attempt.task_id

    @property
    def attempt(self) -> int:
        """Give the number of this attempt at the running part, from 1."""
        return self._attempt.number_in_part

    @property
    def cancelled(self) -> bool:
        """Tell whether somebody wishes the end of the task.

        May be asked as often as you like; looks at most twice a second.
        """
        return self._token.is_set()

    def check_cancelled(self) -> None:
        """Raise `TaskCancelled`, which ends the job, when the end is wished.

        `progress` and `log` do the same. It is raised once, so that what cleans up can
        still tell things. Where jobs share a process, ``SoftTimeLimitExceeded`` is raised
        in the same way.
        """
        self._token.check()

    def progress(self, value: float, total: float = 100, unit: str = "%") -> None:
        """Tell how far the work is: ``value`` of ``total``, counted in ``unit``.

        May be told in the innermost loop: what was told last is written, twice a second.
        What is not a number (0 of 0, say) is not told.
        """
        self._progress = value, total, unit
        if not self._batch.waits:
            self._begin_batch()

    def log(self, text: str) -> None:
        """Add a line to the log that the user sees; passwords in it are hidden."""
        line = self.hidden(str(text))
        self._log.append(line)
        if self._job_log is not None:
            self._job_log.add(line)
        if not self._batch.waits:
            self._begin_batch()

    def save(
        self,
        name: str,
        content: Any,
        data_type: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """Keep a result file; it becomes visible when the task ends well.

        ``content`` is text, bytes, an open file, a path, data for JSON, rows (dicts, as
        CSV, JSON or JSON lines), or a table, array or figure of pandas, numpy or
        matplotlib. Types that are not given are those of the declared output of this
        name, else they follow from the name. Raises `StoreError` when it cannot be
        stored, ``TypeError`` or ``ValueError`` when it cannot be saved so.
        """
        declared = self._outputs.get(name)
        known = declared.content_type if declared else content_of.type_of(name)
        kind = data_type or (declared.data_type if declared else "custom")
        self._write_files(name, content, kind, content_type or known)

    def save_scratch(
        self, name: str, content: Any, content_type: str | None = None
    ) -> None:
        """Keep a file that only this task can read, also in its later parts."""
        known = content_type or content_of.type_of(name)
        self._write_files(name, content, SCRATCH, known)

    def open_scratch(self, name: str) -> BinaryIO:
        """Open the scratch file that was last saved as ``name``; raises `FileMissing`."""
        for file in reversed(self.files):
            if (file["file_name"], file["file_type"]) == (name, SCRATCH):
                store = current_runner.stores[file["storage_provider"]]
                return store.open(file["file_storage_data"])
        query = DB.select(TaskFile).filter_by(
            task_id=self.id, file_name=name, file_type=SCRATCH
        )
        found = DB.session.scalars(query.order_by(TaskFile.id.desc())).first()
        if found is None:
            raise FileMissing(f"the task has no scratch file {name!r}")
        return results.open_file(found)

    def ask(
        self,
        parameters: Any = None,
        *,
        then: Callable[..., Any],
        state: Any = None,
        title: str = "",
        help: str = "",  # noqa: A002
    ) -> NoReturn:
        """End this part and ask the user; the answer starts ``then``.

        ``parameters`` is a function whose parameters are asked for, or a class of
        marshmallow schemas; without it, those of ``then``. What ``then`` gets as
        ``task.state`` is ``state`` (JSON). Never returns; raises ``TypeError`` for what
        cannot be kept.
        """
        secrets = tuple(self._secrets)
        asking.ask(parameters, then, state, title=title, help_=help, secrets=secrets)

    def call(
        self,
        plugin: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        then: Callable[..., Any],
        state: Any = None,
    ) -> NoReturn:
        """End this part and call another plugin; when its task ends well, ``then`` runs.

        ``plugin`` is an id or a name of this runner, or the URL of any plugin.
        ``parameters`` go to it by their names on the wire; input files and `saved` ones
        by their URLs. ``then`` gets the task and a `CalledTask`. When the called task
        fails, this one fails with its reason. Never returns; raises ``TypeError`` for
        what cannot be sent or kept, `UserError` when calls go too deep.
        """
        sent, secrets = wire_values(parameters or {}), tuple(self._secrets)
        asking.call(plugin, sent, then, state, secrets)

    def saved(self, name: str) -> SavedFile:
        """Give a result file of this task as a parameter of `call`."""
        return SavedFile(name)

    def hide(self, secrets: Sequence[str]) -> None:
        """Tell nobody these texts from now on."""
        self._secrets += [text for text in secrets if text]

    def hidden(self, text: str) -> str:
        """Give ``text`` without passwords."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def missing_outputs(self) -> list[str]:
        """Give the names of required outputs that were not saved."""
        if not any(output.required for output in self._outputs.values()):
            return []
        saved = {file["file_name"] for file in self.files}
        if self._attempt.multi_step:  # an earlier part may have saved them
            saved |= {file.file_name for file in records.get(self.id).outputs}
        return [
            o.name for o in self._outputs.values() if o.required and o.name not in saved
        ]

    def take_log(self) -> str:
        """Give the log lines that are not written yet, and forget them."""
        lines = []
        while self._log:  # the thread that writes takes from it too
            lines.append(self._log.popleft())
        return "\n".join(lines)

    def _write_files(
        self, name: str, saved: Any, file_type: str, content_type: str
    ) -> None:
        for file in content_of.files_of(saved, name, content_type):
            columns = results.write(
                self.id,
                file.content,
                file.name,
                file_type,
                file.content_type or content_type,
                attempt=self._attempt.number,
                unsaved=sum(each["size"] or 0 for each in self.files),
            )
            self.files.append(columns)

    def _begin_batch(self) -> None:
        """Let what was told be written soon; raises what the job should know by now."""
        if self._refusal is not None:
            raise self._refusal
        if self._progress is not None:
            _as_columns(*self._progress)  # complains here, not in a thread
        self._batch.begin()
        self.check_cancelled()

    def _write(self) -> None:
        try:
            self._report()
        except (
            LeaseLost
        ) as refusal:  # in a thread: the job hears of it when it next tells
            self._refusal = refusal

    def _report(self) -> None:
        progress, self._progress = self._progress, None
        columns = _as_columns(*progress) if progress else {}
        lines = self.take_log()
        try:
            if columns or lines:
                records.report(self._attempt, lines, **columns)
        except DATABASE_AWAY:  # the work goes on, and tells it later
            DB.session.rollback()
            self._progress = self._progress or progress
            self._log.extendleft([lines] if lines else [])

    def write(self) -> None:
        """Write waiting progress and log lines; raises `LeaseLost`."""
        with self._batch.alone():
            self._report()


def _as_columns(value: float, total: float, unit: str) -> dict[str, Any]:
    """Give the columns of a progress; none for what is not a number."""
    if not (isfinite(value) and isfinite(total)):
        return {}
    return {
        "progress_value": float(value),
        "progress_start": 0,
        "progress_target": float(total),
        "progress_unit": unit,
    }
