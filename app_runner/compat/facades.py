"""Objects and functions under the shapes that published plugins call them with."""

from __future__ import annotations

from typing import Any, BinaryIO

from requests import Response

from app_runner import fetch
from app_runner.api.task_document import file_url
from app_runner.db.models import TaskFile
from app_runner.db.models.files import SCRATCH
from app_runner.fetch import get_mimetype
from app_runner.files.contract import FileStore
from app_runner.state import current_runner
from app_runner.tasks import results
from app_runner.tasks.results import Saveable

__all__ = [
    "STORE",
    "get_mimetype",
    "open_url",
    "retrieve_attribute_metadata_url",
    "retrieve_data_type",
    "retrieve_filename",
]


class StoreFacade:
    """The stores of the current runner under their old methods."""

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
            store=storage_provider,
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
            store=storage_provider,
            commit=commit,
        )

    def open(self, file_info: TaskFile) -> BinaryIO:
        """Open the bytes of a file."""
        return results.open_file(file_info)

    def get_task_file_url(self, file_info: TaskFile, external: bool = True) -> str:
        """Give the URL of a file's bytes."""
        return file_url(file_info)

    get_file_url = get_task_file_url

    def __getitem__(self, name: str | None) -> FileStore:
        """Give a store by name."""
        return current_runner.stores[name]


STORE = StoreFacade()


def open_url(url: str, raise_on_error_status: bool = True, **kwargs: Any) -> Response:
    """Open a URL through the guarded door; use as a context manager."""
    return current_runner.fetcher.open(
        url, raise_on_error_status=raise_on_error_status, **kwargs
    )


def retrieve_filename(url_or_response: str | Response) -> str:
    """Give the file name (without ending) that a URL or response tells."""
    return fetch.retrieve_filename(url_or_response, current_runner.fetcher)


def retrieve_data_type(url_or_response: str | Response) -> str | None:
    """Give the data type that a URL or response tells."""
    return fetch.retrieve_data_type(url_or_response, current_runner.fetcher)


def retrieve_attribute_metadata_url(url_or_response: str | Response) -> str | None:
    """Give the URL of the attribute metadata that a URL or response tells."""
    return fetch.retrieve_attribute_metadata_url(url_or_response, current_runner.fetcher)
