"""Parameters as the row of a task keeps them: JSON text without passwords and files.

A password is kept sealed, an uploaded file as the id of its scratch file. What a function
gets is made of that again, in the job.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, fields
from marshmallow.exceptions import ValidationError
from werkzeug.datastructures import FileStorage

from app_runner.api.fields import CSVList
from app_runner.api.parameter_fields import restoring
from app_runner.api.passwords import change_passwords
from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import TaskFile
from app_runner.db.models.files import SCRATCH
from app_runner.errors import UserError
from app_runner.tasks import results
from app_runner.tasks.inputs import UploadedFile
from app_runner.tasks.sealing import seal, unseal

SEALED, UPLOADED = "sealed", "uploaded"


@dataclass
class Given:
    """What a function is called with, and the texts that must never be told."""

    values: Any
    secrets: list[str] = field(default_factory=list)


def as_text(schema: Schema, values: Any, task_id: int) -> str:
    """Write validated values down for task ``task_id``; uploaded files are stored.

    The rows of files are in the session and not committed. Raises `StoreError`.
    """
    uploads = _uploads(values)
    plain = {n: v for n, v in values.items() if n not in uploads} if uploads else values
    kept: dict[str, Any] = dict(schema.dump(plain))
    for name, declared in schema.fields.items():
        key, attribute = declared.data_key or name, declared.attribute or name
        if attribute in uploads:
            kept[key] = {UPLOADED: _stored(task_id, uploads[attribute])}
    change_passwords(schema, kept, plain, lambda value: {SEALED: seal(str(value))})
    return json.dumps(kept, ensure_ascii=False)


def _uploads(values: Any) -> dict[str, FileStorage]:
    if not isinstance(values, dict):
        return {}
    return {name: v for name, v in values.items() if isinstance(v, FileStorage)}


def _stored(task_id: int, upload: FileStorage) -> int:
    name, kind = upload.filename or "", upload.mimetype or None
    file = results.save_file(task_id, upload.stream, name, SCRATCH, kind, commit=False)
    DB.session.flush()
    return file.id


def from_text(schema: Schema, text: str, task_id: int) -> Given:
    """Make of what was kept what the function is called with.

    Raises `UserError` for what no longer fits the function (the plugin was changed).
    """
    try:
        kept = json.loads(text)
        if not isinstance(kept, dict):
            raise TypeError(_("they are no object"))
        given, uploads = _opened(schema, kept, task_id)
        with restoring():
            partial = [n for n, f in schema.fields.items() if f.data_key in uploads]
            given.values = schema.load(given.values, partial=partial or None)
    except (ValueError, TypeError) as error:
        reason = error.messages if isinstance(error, ValidationError) else error
        text = _("The parameters do not fit the plugin: %(reason)s", reason=reason)
        raise UserError(text) from error
    if isinstance(given.values, dict):
        finish(schema, given.values, uploads)
    return given


def _opened(
    schema: Schema, kept: dict[str, Any], task_id: int
) -> tuple[Given, dict[str, UploadedFile]]:
    """Take sealed texts and files out of what was kept."""
    given, uploads = Given({}), {}

    def opened(value: Any) -> Any:
        if not isinstance(value, dict) or set(value) != {SEALED}:
            return value
        given.secrets.append(unseal(value[SEALED]))
        return given.secrets[-1]

    change_passwords(schema, kept, kept, opened)
    for key, value in kept.items():
        if isinstance(value, dict) and set(value) == {UPLOADED}:
            uploads[key] = _upload(value[UPLOADED], task_id)
        else:
            given.values[key] = value
    return given, uploads


def _upload(file_id: Any, task_id: int) -> UploadedFile:
    file = TaskFile.get_by_id(file_id)
    if file is None or file.task_id != task_id:
        raise UserError(_("A file that was sent is gone. Start the task again."))
    return UploadedFile(file)


def finish(
    schema: Schema, values: dict[str, Any], uploads: Mapping[str, UploadedFile]
) -> None:
    """Put files in the place of their URLs and keys, as functions get them."""
    for name, declared in schema.fields.items():
        attribute = declared.attribute or name
        if (key := declared.data_key or name) in uploads:
            values[attribute] = uploads[key]
        if attribute in values:
            values[attribute] = _as_given(declared, values[attribute])


def _as_given(declared: fields.Field[Any], value: Any) -> Any:
    if isinstance(declared, CSVList) and isinstance(value, list):
        return [_as_given(declared.element_type, item) for item in value]
    convert = getattr(declared, "for_function", None)
    return convert(value) if convert is not None and isinstance(value, str) else value
