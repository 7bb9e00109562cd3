"""URL converters that sign ids, so that a stranger's task or file cannot be guessed."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from werkzeug.routing import BaseConverter, Map, ValidationError

from app_runner.state import state_of

#: ``<int:db_id>``, ``<string:task_id>``, ``<db_id>`` in rules of plugins.
TASK_ID_RULE = re.compile(r"<(?:(int|string|default)(?:\([^)]*\))?:)?(db_id|task_id)>")


class SignedIdConverter(BaseConverter):
    """An id with its signature; makes it from ints, digits, or what is signed already."""

    regex = r"[1-9][0-9]*-[a-z2-7]{26}"
    kind = ""
    as_text = False

    def __init__(self, url_map: Map, app: Flask, **kwargs: Any) -> None:
        """Bind to the app whose secret signs."""
        super().__init__(url_map)
        self.ids = state_of(app).ids

    def to_python(self, value: str) -> int | str:
        """Check the signature; what was not made here matches no route (404)."""
        found = self.ids.verify(self.kind, value)
        if found is None:
            raise ValidationError
        return str(found) if self.as_text else found

    def to_url(self, value: Any) -> str:
        """Sign."""
        return self.ids.sign(self.kind, value)


def _converter(app: Flask, kind: str, as_text: bool = False) -> type[SignedIdConverter]:
    def __init__(self: SignedIdConverter, url_map: Map, **kwargs: Any) -> None:
        SignedIdConverter.__init__(self, url_map, app, **kwargs)

    attributes = {"kind": kind, "as_text": as_text, "__init__": __init__}
    return type("SignedIdConverter", (SignedIdConverter,), attributes)


def init_app(app: Flask) -> None:
    """Register the converters of tasks, files and uploads: ``signed_task`` and so on."""
    converters = app.url_map.converters
    converters["signed_task"] = _converter(app, "task")
    converters["signed_task_text"] = _converter(app, "task", as_text=True)
    converters["signed_file"] = _converter(app, "file")
    converters["signed_upload"] = _converter(app, "upload")
    converters["signed_schedule"] = _converter(app, "schedule")


def sign_task_ids(rule: str) -> str:
    """Rewrite a rule of a plugin so that the task ids in it are signed."""

    def signed(match: re.Match[str]) -> str:
        return f"<signed_task{'' if match[1] == 'int' else '_text'}:{match[2]}>"

    return TASK_ID_RULE.sub(signed, rule)
