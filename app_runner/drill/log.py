"""The event log of a drill: JSON lines that are only ever appended to."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class EventLog:
    """Written by the drill and by the jobs that it starts, each line in one write."""

    def __init__(self, path: Path) -> None:
        """Take the file, which is made when something happens."""
        self.path = path

    def add(self, event: str, **facts: Any) -> None:
        """Append an event with the time (seconds since 1970)."""
        text = json.dumps({"at": time.time(), "event": event, **facts}) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def read(self, *events: str) -> Iterator[dict[str, Any]]:
        """Give the events of these names (all without any), in order."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                found: dict[str, Any] = json.loads(line)
                if not events or found["event"] in events:
                    yield found
