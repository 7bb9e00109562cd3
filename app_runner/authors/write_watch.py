"""Notices what a plugin writes, starts or connects to while it is loaded."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Self

from app_runner.authors.findings import Finding, Source
from app_runner.babel import gettext as _

#: Events of auditing (PEP 578) that leave something behind; the first argument is a path.
CHANGES = {
    *("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink"),
    *(
        "os.truncate",
        "shutil.copyfile",
        "shutil.move",
        "shutil.rmtree",
        "sqlite3.connect",
    ),
}
OTHERS = {"subprocess.Popen", "os.system", "socket.connect"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
STANDARD = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
#: What a refused plugin is told; its import then usually fails.
REFUSED = "a plugin must not do this when it is imported"
PACKAGES = ("site-packages", "dist-packages")


class WriteWatch:
    """A context; what a package that the plugin imports does is not counted.

    Writing below the current folder is allowed to go on, so that the rest can be checked
    as well. Elsewhere it is refused, because a check must leave nothing.
    """

    def __init__(self, source: Source) -> None:
        """Take the plugin."""
        self._source = source
        self._seen: list[tuple[str, str]] = []
        self._active = False

    def __enter__(self) -> Self:
        """Begin to look; a hook of auditing cannot be taken away again."""
        self._active = True
        sys.addaudithook(self._hook)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop looking."""
        self._active = False

    def findings(self) -> Iterator[Finding]:
        """Give what was seen."""
        for place, what in self._seen:
            text = _(
                "It does more than declare when it is imported: %(what)s. Do it in the "
                "job, or in init_app.",
                what=what,
            )
            yield Finding(place, text)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._active or not _leaves_something(event, arguments):
            return
        frame = _who(sys._getframe(1))
        if frame is None or not self._source.holds(frame.f_code.co_filename):
            return
        place = self._source.at(frame.f_code.co_filename, frame.f_lineno)
        target = arguments[0] if event in CHANGES or event == "open" else arguments
        self._seen.append((place, f"{event} {_shown(target)}"))
        if not _is_inside(target):
            raise PermissionError(f"{REFUSED}: {event}")


def _leaves_something(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        path, mode, flags = arguments
        if not isinstance(path, str | bytes | os.PathLike) or _is_no_file(_shown(path)):
            return False
        return bool(set(mode or "") & set("wax+") or (flags or 0) & WRITING)
    return event in CHANGES or event in OTHERS


def _is_no_file(path: str) -> bool:
    """Tell what is written without being kept: devices, and what Python compiles."""
    return path.startswith("/dev/") or "__pycache__" in path


def _who(frame: FrameType | None) -> FrameType | None:
    """Give the innermost frame that is not of the standard library."""
    while frame is not None:
        file = frame.f_code.co_filename
        is_standard = file.startswith(STANDARD) and not any(p in file for p in PACKAGES)
        if not is_standard and not file.startswith("<frozen"):
            return frame
        frame = frame.f_back
    return None


def _shown(target: Any) -> str:
    if isinstance(target, str | bytes | os.PathLike):
        return os.fsdecode(target)
    return " ".join(str(part) for part in target if isinstance(part, str | list | tuple))


def _is_inside(target: Any) -> bool:
    if not isinstance(target, str | bytes | os.PathLike):
        return False
    here = os.getcwd()  # noqa: PTH109 - pathlib would be audited as well
    return os.path.abspath(os.fsdecode(target)).startswith(here + os.sep)  # noqa: PTH100
