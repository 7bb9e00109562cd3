"""The task as a processor sees it: progress, log lines, result files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from mimetypes import guess_type
from typing import Any

from app_runner.tasks import records, results
from app_runner.tasks.records import Attempt
from app_runner.tasks.results import Saveable

#: Seconds between two writes of progress and log lines; more often would cost the job.
WRITE_EVERY = 0.25


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

    def __init__(self, attempt: Attempt, outputs: Sequence[Output] = ()) -> None:
        """Take the attempt, and the outputs that the processor declared."""
        self._attempt = attempt
        self._outputs = {output.name: output for output in outputs}
        self._waiting: dict[str, Any] = {}
        self._log: list[str] = []
        self._written_at = 0.0
        self.files: list[dict[str, Any]] = []

    @property
    def id(self) -> int:
        """Give the id of the task's row."""
        return self._attempt.task_id

    @property
    def attempt(self) -> int:
        """Give the number of this attempt, from 1."""
        return self._attempt.number

    def progress(self, value: float, total: float = 100, unit: str = "%") -> None:
        """Tell how far the work is: ``value`` of ``total``, counted in ``unit``.

        What is not a number (0 of 0, say) is not told.
        """
        if not (isfinite(value) and isfinite(total)):
            return
        self._waiting.update(
            progress_value=float(value),
            progress_start=0,
            progress_target=float(total),
            progress_unit=unit,
        )
        self._write_sometimes()

    def log(self, text: str) -> None:
        """Add a line to the log that the user sees."""
        self._log.append(text)
        self._write_sometimes()

    def save(
        self,
        name: str,
        content: Saveable,
        data_type: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """Keep a result file; it becomes visible when the task ends well.

        Types that are not given are those of the declared output of this name, else
        they follow from the name. Raises `StoreError` when it cannot be stored.
        """
        declared = self._outputs.get(name)
        known = declared.content_type if declared else guess_type(name)[0]
        kind = data_type or (declared.data_type if declared else "custom")
        media_type = content_type or known or "application/octet-stream"
        columns = results.write(
            self.id, content, name, kind, media_type, attempt=self.attempt
        )
        self.files.append(columns)

    def missing_outputs(self) -> list[str]:
        """Give the names of required outputs that were not saved."""
        saved = {file["file_name"] for file in self.files}
        return [
            o.name for o in self._outputs.values() if o.required and o.name not in saved
        ]

    def take_log(self) -> str:
        """Give the log lines that are not written yet, and forget them."""
        lines, self._log = self._log, []
        return "\n".join(lines)

    def _write_sometimes(self) -> None:
        if time.monotonic() - self._written_at >= WRITE_EVERY:
            self.write()

    def write(self) -> None:
        """Write waiting progress and log lines; raises `LeaseLost`."""
        columns, self._waiting = self._waiting, {}
        lines = self.take_log()
        if columns or lines:
            records.report(self._attempt, lines, **columns)
        self._written_at = time.monotonic()
