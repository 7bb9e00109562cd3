"""Objects and functions under the shapes that published plugins call them with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, cast

from requests import Response

from app_runner import fetch
from app_runner.api import opening
from app_runner.api.task_document import file_url
from app_runner.compat.stores import AdaptedStore, PublishedStore
from app_runner.data.archives import get_files_from_zip
from app_runner.data.entities import ensure_dict, load_entities
from app_runner.data.text import binary_stream
from app_runner.db.models import TaskFile
from app_runner.db.models.files import SCRATCH
from app_runner.fetch import get_mimetype
from app_runner.fetch.described import file_name_of
from app_runner.state import current_runner
from app_runner.tasks import results
from app_runner.tasks.results import Saveable

__all__ = [
    "STORE",
    "get_files_from_zip_url",
    "get_mimetype",
    "open_url",
    "open_url_as_file_like",
    "open_url_as_file_like_simple",
    "parse_execution_options",
    "redact_log_data",
    "retrieve_attribute_metadata_url",
    "retrieve_data_type",
    "retrieve_filename",
]


class StoreFacade:
    """The stores of the current runner under their old methods, or one of them."""

    def __init__(self, name: str | None = None) -> None:
        """Take the store that files go to unless a call names one."""
        self._name = name

    def persist_task_result(
        self,
        task_db_id: int,
        file_: Saveable,
        file_name: str,
        file_type: str,
        mimetype: str,
        commit: bool = True,
        storage_provider: str | None = None,
    ) -> TaskFile:
        """Keep a result file of a task."""
        return results.save_file(
            task_db_id,
            file_,
            file_name,
            file_type,
            mimetype,
            store=storage_provider or self._name,
            commit=commit,
        )

    def persist_task_temp_file(
        self,
        task_db_id: int,
        file_: Saveable,
        file_name: str,
        mimetype: str | None = None,
        commit: bool = True,
        storage_provider: str | None = None,
    ) -> TaskFile:
        """Keep a file that only later jobs of the task read."""
        return results.save_file(
            task_db_id,
            file_,
            file_name,
            SCRATCH,
            mimetype,
            store=storage_provider or self._name,
            commit=commit,
        )

    def open(self, file_info: TaskFile) -> BinaryIO:
        """Open the bytes of a file."""
        return results.open_file(file_info)

    def get_task_file_url(self, file_info: TaskFile, external: bool = True) -> str:
        """Give the URL of a file's bytes."""
        return file_url(file_info)

    get_file_url = get_task_file_url

    def __getitem__(self, name: str | None) -> StoreFacade | PublishedStore:
        """Give a store by name: one that a published plugin brings, as it is."""
        store = current_runner.stores[name]
        return store.published if isinstance(store, AdaptedStore) else type(self)(name)


STORE = StoreFacade()


#: Parameters that nobody wants to see in a log.
PRIVATE_FIELDS = ("ibmq_token", "ibmqToken", "db_password")
#: Bytes of an archive that stay in memory while it is read.
ARCHIVE_IN_MEMORY = 2**22


def open_url(
    url: str, raise_on_error_status: bool = True, stream: bool = False, **kwargs: Any
) -> Response:
    """Open a URL through the guarded door; use as a context manager.

    As `requests` does, it reads the body at once unless ``stream`` is set, so that
    the response can still be used when it has been closed.
    """
    return opening.open_url(url, raise_on_error_status, stream=stream, **kwargs)


@contextmanager
def open_url_as_file_like(
    url: str, raise_on_error_status: bool = True, stream: bool = True, **kwargs: Any
) -> Iterator[tuple[str, BinaryIO, str | None]]:
    """Give file name, body (a file to read in) and media type of what is at a URL."""
    with open_url(url, raise_on_error_status, stream=stream, **kwargs) as response:
        name, kind = file_name_of(response), get_mimetype(response)
        yield name, binary_stream(response), kind


@contextmanager
def open_url_as_file_like_simple(
    url: str, raise_on_error_status: bool = True, stream: bool = True, **kwargs: Any
) -> Iterator[BinaryIO]:
    """Give the body of what is at a URL, as a file to read in."""
    with open_url_as_file_like(url, raise_on_error_status, stream, **kwargs) as opened:
        yield opened[1]


def get_files_from_zip_url(url: str, mode: str = "t") -> Iterator[tuple[IO[Any], str]]:
    """Give each file (text, or binary with mode "b") of a ZIP archive with its name."""
    with SpooledTemporaryFile(max_size=ARCHIVE_IN_MEMORY) as archive:
        with open_url_as_file_like_simple(url) as body:
            copyfileobj(body, archive)
        yield from get_files_from_zip(cast(BinaryIO, archive), mode)


def parse_execution_options(url: str) -> dict[str, Any]:
    """Give the first entity at a URL, which holds options; empty when there is none."""
    with open_url(url) as response:
        kind = get_mimetype(response)
        if kind is None:
            raise ValueError(f"the media type of the options at {url} is not known")
        return next(ensure_dict(load_entities(response, kind)), {})


def redact_log_data(
    data: dict[str, Any], private_fields: tuple[str, ...] = PRIVATE_FIELDS
) -> dict[str, Any]:
    """Give a copy of parameters in which the private ones cannot be read."""
    return {k: "****" if k in private_fields else v for k, v in data.items()}


def retrieve_filename(url_or_response: str | Response) -> str:
    """Give the file name (without ending) that a URL or response tells."""
    return fetch.retrieve_filename(url_or_response, opening.fetcher())


def retrieve_data_type(url_or_response: str | Response) -> str | None:
    """Give the data type that a URL or response tells."""
    return fetch.retrieve_data_type(url_or_response, opening.fetcher())


def retrieve_attribute_metadata_url(url_or_response: str | Response) -> str | None:
    """Give the URL of the attribute metadata that a URL or response tells."""
    return fetch.retrieve_attribute_metadata_url(url_or_response, opening.fetcher())
