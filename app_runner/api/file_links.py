"""Who may read a file: who knows its tag, or has a link that was signed for some time."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from flask import url_for

from app_runner.db.models import TaskFile, Upload
from app_runner.state import current_runner

ENDPOINT = "files-api.FileView"
#: A tag as we make them; plugins may give others.
SAFE_TAG = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


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
    return _signed(type(file), file.id, file.security_tag, expires)


def _signed(kind: type, file_id: int, tag: str, expires: int) -> str:
    text = f"{kind.__name__}:{file_id}:{tag}:{expires}"
    return current_runner.ids.sign_text("file link", text)


class FileUrls:
    """Makes the URLs of many files, each of which is the right to read the file.

    What is the same in all of them is made once; `url_for` would be most of the work.
    """

    def __init__(self) -> None:
        """Look at the request, or at the base URL of the job."""
        signed = url_for(ENDPOINT, file_id=1, _external=True).removesuffix("/")
        self._before = signed.rpartition("/")[0]
        self._sign = current_runner.ids.sign
        seconds = current_runner.settings["FILE_URL_SECONDS"]
        self._expires = int(time.time()) + 2 * seconds if seconds else None

    def of(self, file_id: int, tag: str) -> str:
        """Give the absolute URL of a result file."""
        if (expires := self._expires) is not None:
            signature = _signed(TaskFile, file_id, tag, expires)
            query = f"expires={expires}&signature={signature}"
        else:
            query = f"file-id={tag if SAFE_TAG.fullmatch(tag) else quote_plus(tag)}"
        return f"{self._before}/{self._sign('file', file_id)}/?{query}"


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
