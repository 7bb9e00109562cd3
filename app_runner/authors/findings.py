"""What a check finds: a text for the author, and the place it speaks of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; ``place`` is a file with a line, or a plugin's id."""

    place: str
    text: str


@dataclass(frozen=True)
class Report:
    """What was found in one file or package, and the ids of its plugins."""

    plugins: tuple[str, ...]
    findings: tuple[Finding, ...]

    def dump(self) -> str:
        """Give it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Report:
        """Read what `dump` gave."""
        found = json.loads(text)
        findings = tuple(Finding(**one) for one in found["findings"])
        return cls(tuple(found["plugins"]), findings)

    @classmethod
    def of(cls, plugins: Iterable[str], findings: Iterable[Finding]) -> Report:
        """Give a report that says each thing once, sorted by place."""
        return cls(tuple(plugins), tuple(sorted(set(findings), key=_in_order)))


def _in_order(finding: Finding) -> tuple[str, int, str]:
    file, _colon, line = finding.place.rpartition(":")
    known = line.isdecimal()
    return (file, int(line), finding.text) if known else (line, 0, finding.text)


@dataclass(frozen=True)
class Source:
    """The file or package that is checked, and how places in it are named."""

    path: Path

    def holds(self, file: str | Path) -> bool:
        """Tell whether a file belongs to the plugin."""
        return Path(file).absolute().is_relative_to(self.path.absolute())

    def at(self, file: str | Path, line: int | None = None) -> str:
        """Name a place, relative to the folder that the plugin lies in."""
        try:
            shown = Path(file).absolute().relative_to(self.path.absolute().parent)
        except ValueError:
            shown = Path(file)
        return f"{shown}:{line}" if line else str(shown)

    def files(self, *suffixes: str) -> list[Path]:
        """Give the plugin's files of these kinds, without its tests."""
        if self.path.is_file():
            return [self.path] if self.path.suffix in suffixes else []
        return sorted(
            file
            for file in self.path.rglob("*")
            if file.suffix in suffixes
            and file.is_file()
            and not {"test", "tests"} & set(file.relative_to(self.path).parts[:-1])
            and not any(
                part.startswith(".") for part in file.relative_to(self.path).parts
            )
        )
