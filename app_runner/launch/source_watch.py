"""Notices changed Python files by looking at their times; needs nothing of the system."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

EVERY = 1.0  # seconds between two looks
SKIPPED = {"__pycache__", ".git", ".venv", "node_modules"}


class SourceWatch:
    """Remembers the Python files below some folders and tells when they differ."""

    def __init__(self, folders: Iterable[Path], every: float = EVERY) -> None:
        """``every``: seconds between two looks; folders may come into being later."""
        self._folders = sorted({folder.resolve() for folder in folders})
        self._every = every
        self._seen = self._look()
        self._next = time.monotonic() + every

    def changed(self) -> list[Path]:
        """Give the files that were added, changed or removed since the last look."""
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + self._every
        before, self._seen = self._seen, self._look()
        return sorted(path for path, _state in before.items() ^ self._seen.items())

    def _look(self) -> dict[Path, tuple[int, int]]:
        found = {}
        for top in self._folders:
            for folder, names, files in os.walk(top):
                names[:] = [name for name in names if name not in SKIPPED]
                for name in files:
                    if name.endswith(".py"):
                        found.update(_state(Path(folder) / name))
        return found


def _state(path: Path) -> dict[Path, tuple[int, int]]:
    try:
        status = path.stat()
    except OSError:  # removed between listing and looking
        return {}
    return {path: (status.st_mtime_ns, status.st_size)}
