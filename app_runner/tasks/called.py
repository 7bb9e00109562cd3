"""What a processor gives to another plugin that it calls, and what it gets back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from app_runner.babel import gettext as _
from app_runner.errors import UserError
from app_runner.tasks.inputs import InputFile

#: Key of the object that stands for a result file of the calling task.
SAVED = "saved"


@dataclass(frozen=True)
class SavedFile:
    """A result file of this task, to be given to another plugin as its input."""

    name: str


@dataclass(frozen=True)
class CalledTask:
    """The task of a plugin that was called, which has ended well."""

    url: str
    log: str
    documents: tuple[Mapping[str, Any], ...]

    @property
    def outputs(self) -> list[InputFile]:
        """Give its result files, to be opened like input files."""
        return [InputFile(output["href"]) for output in self.documents]

    def output(self, name: str = "", data_type: str = "") -> InputFile:
        """Give the first result file of this name, or of this type, or of both.

        Raises `UserError` when there is none.
        """
        for output in self.documents:
            fits = name in ("", output.get("name"))
            if fits and data_type in ("", output.get("dataType")):
                return InputFile(output["href"])
        wanted = name or data_type
        raise UserError(
            _("The plugin that was called gave no file %(wanted)s.", wanted=wanted)
        )

    @property
    def as_text(self) -> str:
        """Give what is kept until the next part runs."""
        kept = {"url": self.url, "log": self.log, "outputs": self.documents}
        return json.dumps(kept)

    @classmethod
    def read(cls, text: str) -> CalledTask:
        """Make one of what was kept."""
        kept = json.loads(text)
        return cls(kept["url"], kept["log"], tuple(kept["outputs"]))


def wire_values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Give parameters as a form sends them; those that are None are left out.

    Raises ``TypeError`` for what no form can send.
    """
    return {
        str(name): _wire_value(name, value)
        for name, value in parameters.items()
        if value is not None
    }


def _wire_value(name: str, value: Any) -> Any:
    if isinstance(value, SavedFile):
        return {SAVED: value.name}
    if isinstance(value, InputFile):
        return value.url
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple | set):
        return _row([_wire_value(name, item) for item in value])
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent as parameter {name!r}")


def _row(values: list[Any]) -> str:
    if any(isinstance(value, dict) for value in values):
        raise TypeError("a list of saved files cannot be sent")
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()
