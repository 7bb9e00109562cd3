"""What may be fetched, as plain values; knows nothing of how it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FetchPolicy:
    """The limits of one app; the defaults are those of a runner that anyone can reach."""

    #: Loopback, private and link-local addresses may be fetched (exposure `local`).
    allow_private: bool = False
    #: Names, addresses and networks that may be fetched though they are not public.
    allowed_hosts: tuple[str, ...] = ()
    #: `file:` URLs may be read below these folders.
    file_roots: tuple[Path, ...] = ()
    #: (regular expression, replacement): applied in this order to every URL.
    url_map: tuple[tuple[str, str], ...] = ()
    #: Seconds to connect, all addresses of the host together.
    timeout: float = 20.0
    #: Seconds without a byte after which a connection is given up.
    read_timeout: float = 60.0
    #: Bytes of a body, as sent and after unpacking.
    max_bytes: int = 2**30
    #: Seconds spent waiting for the other side in one fetch, redirects included.
    max_seconds: float = 600.0
    max_redirects: int = 5
    schemes: tuple[str, ...] = ("http", "https", "data", "file")
    #: How often a failed request, or a broken download, is tried again.
    retries: int = 2
    #: (origin, value of the header Authorization) for hosts that are trusted with it.
    credentials: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    #: A file of further certificates (PEM) to trust beside the usual ones.
    ca_bundle: Path | None = None

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> FetchPolicy:
        """Make the policy from the settings by their names (see `config.py`)."""
        return cls(
            allow_private=settings["EXPOSURE"] == "local",
            allowed_hosts=tuple(settings["FETCH_ALLOWED_HOSTS"]),
            file_roots=tuple(Path(root) for root in settings["FETCH_FILE_ROOTS"]),
            url_map=tuple(settings["URL_MAP"]),
            max_bytes=settings["FETCH_MAX_BYTES"],
            retries=settings["FETCH_RETRIES"],
            credentials=tuple(settings["FETCH_CREDENTIALS"]),
        )
