"""Facts about a URL or a response that plugins ask for by these names.

The names and what they give follow the QHAna plugin runner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from urllib.parse import urljoin

import requests

from app_runner.fetch.described import file_name_of
from app_runner.fetch.fetcher import Fetcher


def retrieve_filename(source: str | requests.Response, fetcher: Fetcher) -> str:
    """Give the file name without its ending, from Content-Disposition or the URL.

    A response is closed. Raises what `Fetcher.open` raises.
    """
    with _response_of(source, fetcher) as response:
        name = PurePosixPath(file_name_of(response)).stem
        response.close()
    return name


def retrieve_data_type(source: str | requests.Response, fetcher: Fetcher) -> str | None:
    """Give the data type (`entity/list`, ...) that the header X-Data-Type names."""
    with _response_of(source, fetcher) as response:
        return response.headers.get("X-Data-Type")


def retrieve_attribute_metadata_url(
    source: str | requests.Response, fetcher: Fetcher
) -> str | None:
    """Give the URL (absolute) that the header X-Attribute-Metadata names."""
    with _response_of(source, fetcher) as response:
        named = response.headers.get("X-Attribute-Metadata")
        return urljoin(response.url, named) if named else None


@contextmanager
def _response_of(
    source: str | requests.Response, fetcher: Fetcher
) -> Iterator[requests.Response]:
    """Give a response that is left open, or open one for the URL and close it again."""
    if isinstance(source, requests.Response):
        yield source
    else:
        with fetcher.open(source) as response:
            yield response
