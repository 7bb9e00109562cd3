"""The memory store keeps the contract."""

from __future__ import annotations

import pytest

from app_runner.files.memory import MemoryStore
from tests.files.contract import StoreContract


class TestMemoryStore(StoreContract):
    in_memory = True

    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
