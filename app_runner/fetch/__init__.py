"""The only way to open a URL that somebody else gave us.

Names are resolved once and every address is checked before it is connected to; redirects
are checked again; bytes and waiting time are bounded. Knows nothing of requests to us, of
tasks, or of where our own files lie.
"""

from app_runner.fetch.addresses import AddressKind, AddressRules, kind_of
from app_runner.fetch.described import (
    ContentDisposition,
    MediaType,
    get_mimetype,
    parse_content_disposition,
    parse_mimetype,
)
from app_runner.fetch.fetcher import Fetcher, Resolver
from app_runner.fetch.local import LocalContent
from app_runner.fetch.policy import FetchPolicy
from app_runner.fetch.refusals import (
    AddressRefused,
    FetchRefused,
    FetchTooLarge,
    FetchTooSlow,
    FileRefused,
    MalformedUrl,
    RedirectRefused,
    SchemeRefused,
)
from app_runner.fetch.retrieve import (
    retrieve_attribute_metadata_url,
    retrieve_data_type,
    retrieve_filename,
)

__all__ = [
    "AddressKind",
    "AddressRefused",
    "AddressRules",
    "ContentDisposition",
    "FetchPolicy",
    "FetchRefused",
    "FetchTooLarge",
    "FetchTooSlow",
    "Fetcher",
    "FileRefused",
    "LocalContent",
    "MalformedUrl",
    "MediaType",
    "RedirectRefused",
    "Resolver",
    "SchemeRefused",
    "get_mimetype",
    "kind_of",
    "parse_content_disposition",
    "parse_mimetype",
    "retrieve_attribute_metadata_url",
    "retrieve_data_type",
    "retrieve_filename",
]
