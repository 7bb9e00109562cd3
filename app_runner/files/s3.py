"""The object store: files in a bucket of S3 or of what speaks its protocol.

Needs the extra `s3` (boto3), which is imported when the store is used first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from flask import Flask

from app_runner.errors import FileMissing, SettingError, StoreError
from app_runner.files.absence import Absence
from app_runner.files.contract import FileStore, check_key
from app_runner.files.s3_reading import ObjectReader, reader
from app_runner.state import state_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

#: Bytes of one part of an upload, and how many of them are in memory at a time. S3 takes
#: 10,000 parts, so a file has at most 80 GB.
PART, PARTS_AT_ONCE = 8 * 2**20, 2
MISSING = ("404", "NoSuchKey", "NotFound", "NoSuchUpload")
#: Seconds to connect, and seconds without a byte: a large upload takes a server long to
#: put together, while a reader has somebody waiting.
CONNECT_TIMEOUT, WRITE_TIMEOUT, READ_TIMEOUT = 5, 30, 10
WRITE_ATTEMPTS, READ_ATTEMPTS = 3, 2


@dataclass(frozen=True)
class S3Options:
    """Where the bucket is and how files lie in it."""

    bucket: str
    endpoint_url: str | None = None
    #: The address under which clients reach the bucket, when it is another one.
    public_url: str | None = None
    region: str | None = None
    key_id: str | None = None
    secret: str | None = None
    #: Begins every key, so that several runners can share a bucket.
    prefix: str = ""
    #: Server-side encryption: "", ``AES256`` or ``aws:kms``, and the key's id.
    encryption: str = ""
    kms_key: str | None = None

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> S3Options:
        """Take the settings by their names (see `config.py`)."""
        prefix = settings.get("S3_PREFIX", "").strip("/")
        return cls(
            bucket=settings["S3_BUCKET"],
            endpoint_url=settings.get("S3_ENDPOINT_URL") or None,
            public_url=settings.get("S3_PUBLIC_URL") or None,
            region=settings.get("S3_REGION") or None,
            key_id=settings.get("S3_ACCESS_KEY_ID") or None,
            secret=settings.get("S3_SECRET_ACCESS_KEY") or None,
            prefix=f"{prefix}/" if prefix else "",
            encryption=settings.get("S3_ENCRYPTION", ""),
            kms_key=settings.get("S3_KMS_KEY") or None,
        )

    @property
    def sealing(self) -> dict[str, str]:
        """Give the arguments that ask the server to encrypt what is written."""
        asked = {"ServerSideEncryption": self.encryption, "SSEKMSKeyId": self.kms_key}
        return {name: value for name, value in asked.items() if value}


def connect(
    options: S3Options,
    *,
    endpoint_url: str | None = None,
    attempts: int = WRITE_ATTEMPTS,
    read_timeout: float = WRITE_TIMEOUT,
) -> S3Client:
    """Make a client; without key and region, boto3 looks where it always does."""
    boto3: Any = import_module("boto3")
    config: Any = import_module("botocore.config").Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=read_timeout,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        # the newest checksums are known to few servers but Amazon's
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version="s3v4",
    )
    client: S3Client = boto3.client(
        "s3",
        endpoint_url=endpoint_url or options.endpoint_url,
        region_name=options.region or ("us-east-1" if options.endpoint_url else None),
        aws_access_key_id=options.key_id,
        aws_secret_access_key=options.secret,
        config=config,
    )
    return client


class S3Store(FileStore, name="s3"):
    """Keeps each key as an object below the prefix."""

    options: S3Options

    @classmethod
    def at(cls, options: S3Options) -> S3Store:
        """Make a store for these options."""
        store = cls()
        store._set(options)
        return store

    def _set(self, options: S3Options) -> None:
        self.options = options
        self._clients: dict[tuple[int, str | None, bool], S3Client] = {}
        self._absence = Absence()

    def init_app(self, app: Flask) -> None:
        """Read the settings; raises `SettingError` when boto3 is not installed."""
        if find_spec("boto3") is None:
            allowed = (
                "it needs boto3: install the extra `s3` (pip install app-runner[s3])"
            )
            raise SettingError("S3_BUCKET", "all settings", allowed)
        self._set(S3Options.of_settings(state_of(app).settings))

    def write(self, key: str, source: BinaryIO) -> int:
        """Upload in parts; the object appears when the last one is confirmed."""
        full = _FullReads(source)
        with _as_store_error(key):
            self._client().upload_fileobj(
                cast(Any, full),
                self.options.bucket,
                self._name(key),
                ExtraArgs=self.options.sealing,
                Config=_transfer_config(),
            )
        return full.given

    def open(self, key: str) -> BinaryIO:
        """Ask for the object; what breaks off while it is read is asked for again."""
        client, bucket = self._client(reads=True), self.options.bucket
        name = self._name(key)

        def fetch(start: int, etag: str | None) -> Any:
            asked: dict[str, Any] = {"Range": f"bytes={start}-"} if start else {}
            if etag is not None:
                asked["IfMatch"] = etag
            with _as_store_error(key), self._watched(key):
                return client.get_object(Bucket=bucket, Key=name, **asked)

        return reader(ObjectReader(key, fetch))

    def size(self, key: str) -> int:
        """Ask the server."""
        name = self._name(key)
        client = self._client(reads=True)
        with _as_store_error(key), self._watched(key):
            found = client.head_object(Bucket=self.options.bucket, Key=name)
        return found["ContentLength"]

    def delete(self, key: str) -> None:
        """Delete the object."""
        name = self._name(key)
        with _as_store_error(key):
            self._client().delete_object(Bucket=self.options.bucket, Key=name)

    def keys(self) -> Iterator[str]:
        """List the objects below the prefix, page by page."""
        prefix = self.options.prefix
        pages = self._client().get_paginator("list_objects_v2")
        with _as_store_error("*"):
            for page in pages.paginate(Bucket=self.options.bucket, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(prefix)

    def signed_url(self, key: str, headers: Mapping[str, str], seconds: int) -> str:
        """Give a URL that works for some seconds and answers with these headers."""
        names = {"Content-Disposition": "ResponseContentDisposition"}
        names["Content-Type"] = "ResponseContentType"
        asked = {names[name]: value for name, value in headers.items() if name in names}
        place = {"Bucket": self.options.bucket, "Key": self._name(key)}
        client = self._client(self.options.public_url)
        return client.generate_presigned_url(
            "get_object", Params={**place, **asked}, ExpiresIn=seconds
        )

    def remove_leftovers(self, older_than: float) -> int:
        """Abort uploads that were begun so many seconds ago and never ended."""
        place: dict[str, Any] = {"Bucket": self.options.bucket}
        pages = self._client().get_paginator("list_multipart_uploads")
        begun_before = datetime.now(UTC).timestamp() - older_than
        removed = 0
        with _as_store_error("*"):
            for page in pages.paginate(**place, Prefix=self.options.prefix):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"].timestamp() <= begun_before:
                        self._client().abort_multipart_upload(
                            **place, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        removed += 1
        return removed

    def _name(self, key: str) -> str:
        return f"{self.options.prefix}{check_key(key)}"

    def _client(self, endpoint_url: str | None = None, reads: bool = False) -> S3Client:
        """Give the client of this process: connections do not survive a fork."""
        place = os.getpid(), endpoint_url, reads
        if place not in self._clients:
            self._clients[place] = connect(
                self.options,
                endpoint_url=endpoint_url,
                attempts=READ_ATTEMPTS if reads else WRITE_ATTEMPTS,
                read_timeout=READ_TIMEOUT if reads else WRITE_TIMEOUT,
            )
        return self._clients[place]

    @contextmanager
    def _watched(self, key: str) -> Iterator[None]:
        """Ask only a server that others do not wait for in vain."""
        library: Any = import_module("botocore.exceptions")
        self._absence.check(key)
        answered = True
        try:
            yield
        except (library.ReadTimeoutError, library.ConnectTimeoutError):
            answered = False
            raise
        finally:
            self._absence.tell(answered)


class _FullReads:
    """A source that is only read forwards, and gives all that was asked for.

    Parts of an upload must be of one size, while a source may give less at a time.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.given = 0

    def read(self, size: int = PART) -> bytes:
        """Read ``size`` bytes; less only at the end."""
        pieces: list[bytes] = []
        missing = size if size >= 0 else PART
        while missing > 0 and (piece := self._source.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        data = b"".join(pieces) if len(pieces) != 1 else pieces[0]
        self.given += len(data)
        return data


def _transfer_config() -> Any:
    config: Any = import_module("boto3.s3.transfer").TransferConfig(
        multipart_threshold=PART,
        multipart_chunksize=PART,
        max_concurrency=PARTS_AT_ONCE,
        preferred_transfer_client="classic",
    )
    config.max_in_memory_upload_chunks = PARTS_AT_ONCE
    return config


@contextmanager
def _as_store_error(key: str) -> Iterator[None]:
    library: Any = import_module("botocore.exceptions")
    boto3_errors: Any = import_module("boto3.exceptions")
    try:
        yield
    except library.ClientError as error:
        details = error.response.get("Error", {})
        if str(details.get("Code")) in MISSING:
            raise FileMissing(f"there is no file {key!r}") from error
        reason = details.get("Message") or details.get("Code")
        raise StoreError(f"file {key!r}: the object store answers: {reason}") from error
    except (library.BotoCoreError, boto3_errors.Boto3Error) as error:
        # their texts have the address of the server
        reason = f"the object store does not answer ({type(error).__name__})"
        raise StoreError(f"file {key!r}: {reason}") from error
