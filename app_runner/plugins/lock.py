"""`plugins.lock`: which commit each git source is pinned to, as readable JSON.

Keys are URLs without credentials. The file may be kept under version control and copied
to other machines; the next fetch there takes the same commits.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app_runner.babel import gettext as _
from app_runner.errors import SourceError
from app_runner.plugins.sources import COMMIT

NAME = "plugins.lock"
VERSION = 1


@dataclass(frozen=True)
class Pin:
    """The commit of one source, its subject, and when it was chosen (ISO 8601, UTC)."""

    commit: str
    subject: str = ""
    fetched: str = ""


class Lock:
    """The pins of one instance folder."""

    def __init__(self, instance: Path) -> None:
        """Read the file; one that is missing is empty. Raises `SourceError`."""
        self.path = instance / NAME
        self._pins = _read(self.path)

    def get(self, key: str) -> Pin | None:
        """Give the pin of a source."""
        return self._pins.get(key)

    def put(self, key: str, pin: Pin | None) -> None:
        """Pin a source (or no longer), and write the file whole; raises ``OSError``."""
        before = dict(self._pins)
        self._pins.pop(key, None)
        if pin is not None:
            self._pins[key] = pin
        try:
            self._write()
        except OSError:
            self._pins = before
            raise

    def others(self, keys: set[str]) -> list[str]:
        """Give the sources that are pinned and not among ``keys``."""
        return sorted(self._pins.keys() - keys)

    def _write(self) -> None:
        sources = {key: asdict(pin) for key, pin in sorted(self._pins.items())}
        content = {"version": VERSION, "sources": sources}
        draft = self.path.with_name(f".{NAME}.{secrets.token_hex(4)}")
        try:
            with draft.open("w") as file:
                json.dump(content, file, indent=2, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Pin]:
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']!r}")
        return {key: _pin(entry) for key, entry in content["sources"].items()}
    except FileNotFoundError:
        return {}
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        raise SourceError(
            _(
                "%(file)s cannot be read (%(reason)s). Mend it, or delete it "
                "to pin anew.",
                file=str(path),
                reason=f"{type(error).__name__}: {error}",
            )
        ) from error


def _pin(entry: dict[str, Any]) -> Pin:
    pin = Pin(entry["commit"], entry.get("subject", ""), entry.get("fetched", ""))
    if not COMMIT.fullmatch(pin.commit):
        raise ValueError(f"{pin.commit!r} is no commit")
    return pin
