"""Knows which URLs are files of this runner; jobs read those without the network."""

from __future__ import annotations

import io
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException

from app_runner.api.file_links import may_read
from app_runner.api.files import content_type, disposition
from app_runner.application import base_url
from app_runner.db.models import TaskFile, Upload
from app_runner.fetch import LocalContent
from app_runner.fetch.fetcher import Resolver
from app_runner.state import state_of
from app_runner.tasks.results import open_file
from app_runner.tasks.uploads import used

FILE, UPLOAD = "files-api.FileView", "uploads-api.UploadView"


def own_files(app: Flask) -> Resolver:
    """Give the resolver of ``app``: the content of a URL of ours, else None."""

    def resolve(url: str) -> LocalContent | None:
        base = base_url(app)
        if base is None or not url.startswith(f"{base}files/"):
            return None
        parts = urlsplit(url)
        root = urlsplit(base).path.rstrip("/")
        try:
            adapter = app.url_map.bind("", script_name=root or "/")
            endpoint, values = adapter.match(parts.path[len(root) :], method="GET")
        except HTTPException:
            return LocalContent(_nothing(), status=404)
        query = {name: found[0] for name, found in parse_qs(parts.query).items()}
        if endpoint == UPLOAD:
            return _content(app, Upload, int(values["upload_id"]), query)
        return (
            _content(app, TaskFile, int(values["file_id"]), query)
            if endpoint == FILE
            else None
        )

    return resolve


def _content(
    app: Flask, kind: type[TaskFile | Upload], file_id: int, query: dict[str, str]
) -> LocalContent | None:
    with app.app_context():
        file = kind.get_by_id(file_id)
        if file is None or not (may_read(file, query) and _is_open(app, file, query)):
            return LocalContent(_nothing(), status=404)
        if isinstance(file, Upload):
            if not file.is_complete:
                return LocalContent(_nothing(), status=409)
            used(file)
        store = state_of(app).stores[file.storage_provider]
        if not store.holds_bytes:
            return None  # a link: where it leads to is checked like any other URL
        headers = {
            "Content-Type": content_type(file.mimetype),
            "Content-Disposition": disposition(file, download=True),
            "Content-Length": str(store.size(file.file_storage_data)),
            "X-Data-Type": file.file_type,
        }
        return LocalContent(open_file(file), headers=headers)


def _is_open(app: Flask, file: TaskFile | Upload, query: dict[str, str]) -> bool:
    """Tell whether who is worked for may read: where a setting asks for it, the owner."""
    if state_of(app).settings["READING"] == "link" or "signature" in query:
        return True
    owner = file.owner if isinstance(file, Upload) else file.task.owner
    return owner is None or owner == state_of(app).acting_user()


def _nothing() -> BinaryIO:
    return io.BytesIO()
