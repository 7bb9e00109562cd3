"""Who may read a file: who knows its tag, or has a link that was signed for some time."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from typing import Any

from flask import url_for

from app_runner.db.models import TaskFile, Upload
from app_runner.state import current_runner

ENDPOINT = "files-api.FileView"


def may_read(file: TaskFile | Upload | None, query: Mapping[str, Any]) -> bool:
    """Tell whether a URL with this query (its names on the wire) is a right to read."""
    if file is None:
        return False
    if "signature" not in query:
        return _same(file.security_tag, str(query.get("file-id") or ""))
    expires = str(query.get("expires") or "")
    if not expires.isascii() or not expires.isdigit() or len(expires) > 12:
        return False
    return int(expires) >= time.time() and _same(
        _signature(file, int(expires)), str(query["signature"])
    )


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def _signature(file: TaskFile | Upload, expires: int) -> str:
    """Sign with the tag in, so that who has the link does not learn the tag."""
    text = f"{type(file).__name__}:{file.id}:{file.security_tag}:{expires}"
    return current_runner.ids.sign_text("file link", text)


def lasting_url(file: TaskFile) -> str:
    """Give the absolute URL that works as long as the file is there."""
    tag = {"file-id": file.security_tag}
    return url_for(ENDPOINT, file_id=file.id, **tag, _external=True)


def expiring_url(file: TaskFile, expires: int) -> str:
    """Give an absolute URL that works up to ``expires`` (seconds since the epoch)."""
    signature = _signature(file, expires)
    return url_for(
        ENDPOINT, file_id=file.id, expires=expires, signature=signature, _external=True
    )
