"""Spares requests the wait for a broker that one of them has just found to be away."""

from __future__ import annotations

import time

PAUSE = 2.0  # seconds in which nobody tries again


class Breaker:
    """Remembers that the broker took no message; then one try is made per pause."""

    def __init__(self) -> None:
        """Begin in good faith."""
        self._until = 0.0

    def allows(self) -> bool:
        """Tell whether to try; while the broker is away, the others wait for this one."""
        moment = time.monotonic()
        if moment < self._until:
            return False
        if self._until:
            self._until = moment + PAUSE
        return True

    def tell(self, taken: bool) -> None:
        """Note whether the broker took a message."""
        self._until = 0.0 if taken else time.monotonic() + PAUSE
