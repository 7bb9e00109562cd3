"""Notices changed sources by looking at their times; needs nothing of the system."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from app_runner.babel import gettext as _
from app_runner.launch.supervisor import Supervisor

EVERY = 1.0  # seconds between two looks
#: What is read once: Python, templates, and compiled translations.
SUFFIXES = (".py", ".html", ".jinja2", ".mo")
SKIPPED = {"__pycache__", ".git", ".venv", "node_modules"}


class SourceWatch:
    """Remembers the sources below some folders and tells when they differ."""

    def __init__(self, folders: Iterable[Path], every: float = EVERY) -> None:
        """``every``: seconds between two looks; folders may come into being later.

        A single file is watched too.
        """
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
        return sorted({path for path, _at in before.items() ^ self._seen.items()})

    def _look(self) -> dict[Path, tuple[int, int]]:
        found = {}
        for top in self._folders:
            if top.is_file():
                found.update(_state(top))
            for folder, names, files in os.walk(top):
                names[:] = [name for name in names if name not in SKIPPED]
                for name in files:
                    if name.endswith(SUFFIXES):
                        found.update(_state(Path(folder) / name))
        return found


def restart_on_change(
    supervisor: Supervisor,
    names: Sequence[str],
    folders: Iterable[Path],
    every: float = EVERY,
) -> Callable[[], None]:
    """Give what `Supervisor.watch` calls: it restarts services after a change."""
    sources = SourceWatch(folders, every)

    def look() -> None:
        if changed := sources.changed():
            text = _(
                "%(file)s has changed; restarted: %(names)s.",
                file=changed[0].name,
                names=", ".join(names),
            )
            supervisor.console.say(text)
            for name in names:
                supervisor.restart(name)

    return look


def _state(path: Path) -> dict[Path, tuple[int, int]]:
    try:
        status = path.stat()
    except OSError:  # removed between listing and looking
        return {}
    return {path: (status.st_mtime_ns, status.st_size)}
