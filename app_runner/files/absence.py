"""Spares readers the wait for a store that one of them has just found not to answer."""

from __future__ import annotations

import threading
import time

from app_runner.errors import StoreError

PAUSE = 5.0  # seconds in which nobody tries again


class Absence:
    """Remembers that a store took too long; then one at a time tries again.

    A frozen server would else hold every thread that asks for one of its files.
    """

    def __init__(self) -> None:
        """Begin in good faith."""
        self._until = 0.0
        self._lock = threading.Lock()

    def check(self, key: str) -> None:
        """Raise `StoreError` while others try, or have just tried in vain."""
        with self._lock:
            moment = time.monotonic()
            if moment < self._until:
                reason = "the object store did not answer a moment ago"
                raise StoreError(f"file {key!r}: {reason}")
            if self._until:
                self._until = moment + 20 * PAUSE  # until the one who tries tells

    def tell(self, answered: bool) -> None:
        """Note whether the store answered."""
        if answered and not self._until:
            return
        with self._lock:
            self._until = 0.0 if answered else time.monotonic() + PAUSE
