"""The link store: result files that lie elsewhere, of which only the URL is kept.

The URL takes the place of the key, so the row of the file holds all there is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, NoReturn, cast
from urllib.parse import urlsplit

from requests import Response

from app_runner.errors import FileMissing, StoreError
from app_runner.files.contract import CHUNK, FileStore
from app_runner.state import current_runner

MAX_URL = 8192  # bytes
#: Characters that stand in no URL (RFC 3986, section 2).
NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f\"<>\\^`{|}]")


class LinkStore(FileStore, name="url_file_store"):
    """Keeps a URL (http or https) that is saved as the text of a file."""

    holds_bytes = False

    def keep(self, key: str, source: BinaryIO) -> tuple[str, int | None]:
        """Give the URL in ``source`` as the key; raises `StoreError` for what is none."""
        content = b""
        while len(content) <= MAX_URL and (more := source.read(MAX_URL + 1)):
            content += more
        return checked_url(content), None

    def open(self, key: str) -> BinaryIO:
        """Fetch what the URL leads to, through the guarded door."""
        return fetched(lambda: current_runner.fetcher.open(key), f"link {key!r}")

    def url(self, key: str) -> str:
        """Give the URL, which is the key."""
        return key

    def delete(self, key: str) -> None:
        """Do nothing: what lies elsewhere is not ours."""

    def keys(self) -> Iterator[str]:
        """Give none: only the rows of files know their URLs."""
        return iter(())

    def size(self, key: str) -> NoReturn:
        """Raise `StoreError`: only the other side knows."""
        raise StoreError(f"the size of what {key!r} leads to is not known")

    def write(self, key: str, source: BinaryIO) -> NoReturn:
        """Raise `StoreError`: see `keep`."""
        raise StoreError("this store keeps URLs, not bytes")


def fetched(opened: Callable[[], Response], what: str) -> BinaryIO:
    """Give the body of a response as a file; raises `FileMissing` or `StoreError`."""
    file = SpooledTemporaryFile(max_size=2**20)  # noqa: SIM115 - given away open
    try:
        with closing(opened()) as response:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
        file.seek(0)
    except BaseException as error:
        file.close()
        if not isinstance(error, OSError):
            raise
        # of the line (what requests raises), or of our disk
        answer = getattr(error, "response", None)
        gone = getattr(answer, "status_code", None) in (404, 410)
        kind = FileMissing if gone else StoreError
        raise kind(f"{what}: {error}") from error
    return cast(BinaryIO, file)


def checked_url(content: bytes) -> str:
    """Give the URL that ``content`` is, or raise `StoreError`."""
    try:
        url = content.decode().strip()
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # no UTF-8, no host, no port
        good, url = False, ""
    if not good or len(content) > MAX_URL or NOT_IN_URLS.search(url):
        raise StoreError("this store keeps one URL (http or https), not other content")
    return url
