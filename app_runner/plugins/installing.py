"""Installs what plugins require, with pip: all of it together, or nothing.

First pip resolves the requirements of all plugins together with the runner's own pins
and writes a report; only then exactly what the report names is installed.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app_runner.babel import gettext as _
from app_runner.config import PROJECT
from app_runner.errors import RequirementError
from app_runner.plugins.requirements import parse, shown

RUNNER = "App Runner"
PACKAGE = "app-runner"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
#: Where pip begins to tell, among its progress, why requirements conflict.
CONFLICT = "The conflict is caused by:"
#: How lines begin that say what went wrong.
ERROR = re.compile(r"ERROR: (?!ResolutionImpossible)| *error|  ×")
#: A place in our list of requirements, which is gone when somebody reads of it.
LISTED = re.compile(r"-r \S+wanted\.txt \(line [0-9]+\)(, | and )?")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Ask:
    """Who asks for what."""

    owner: str
    requirement: Requirement

    @property
    def name(self) -> str:
        """Give the package's name in its one spelling (PEP 503)."""
        return canonicalize_name(self.requirement.name)

    def is_for(self, name: str) -> bool:
        """Tell whether this asks for the package of that name."""
        return self.name == canonicalize_name(name)

    def __str__(self) -> str:
        """Say it."""
        return _(
            "%(owner)s asks for %(requirement)s",
            owner=self.owner,
            requirement=shown(self.requirement),
        )


@dataclass(frozen=True)
class Package:
    """One package that would be installed, as pip's report describes it."""

    name: str
    version: str
    url: str = ""  # only when it was asked for by its URL
    digest: str = ""  # "sha256:…" of the archive

    @property
    def line(self) -> str:
        """Give it as a requirement of exactly this."""
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"


def asks_of(asked: Mapping[str, str]) -> list[Ask]:
    """Read what plugins say, by owner; raises `RequirementError` naming the owner."""
    found = []
    for owner, text in asked.items():
        try:
            found += [Ask(owner, requirement) for requirement in parse(text)]
        except RequirementError as error:
            raise RequirementError(f"{owner}: {error}") from None
    return found


def runner_asks(project: Path = PROJECT) -> list[Ask]:
    """Give the runner's own pins.

    From the locked requirements; where the package stands alone, the installed versions
    of what it needs.
    """
    locked = project / "requirements.txt"
    if locked.is_file():
        text = re.sub(r"\\\n\s*--hash=\S+", "", locked.read_text())
        return [Ask(RUNNER, requirement) for requirement in parse(text)]
    needed = parse("\n".join(metadata.requires(PACKAGE) or ()))
    pins = (f"{each.name}=={metadata.version(each.name)}" for each in needed)
    return [Ask(RUNNER, Requirement(pin)) for pin in pins]


def check_pins(asks: Iterable[Ask], pins: Iterable[Ask]) -> None:
    """Raise `RequirementError` when a plugin cannot take what the runner is pinned to."""
    pinned = {pin.name: pin for pin in pins}
    wrong = [
        ask for ask in asks if ask.name in pinned and not _take(ask, pinned[ask.name])
    ]
    if wrong:
        names = sorted({ask.name for ask in wrong})
        said = [str(ask) for ask in [*wrong, *(pinned[name] for name in names)]]
        raise RequirementError("\n".join([_("Requirements conflict:"), *said]))


def _take(ask: Ask, pin: Ask) -> bool:
    versions = [each.version for each in pin.requirement.specifier]
    return all(
        ask.requirement.specifier.contains(each, prereleases=True) for each in versions
    )


def resolve(asks: list[Ask], pins: list[Ask], with_runner: bool = True) -> list[Package]:
    """Give what has to be installed, so that all get what they ask for.

    The runner's pins always bind; ``with_runner`` also brings what of it is not there.
    Raises `RequirementError` that says who asks for what when that cannot be.
    """
    check_pins(asks, pins)
    with TemporaryDirectory(prefix="app-runner-") as place:
        folder = Path(place)
        wanted, bounds = folder / "wanted.txt", folder / "bounds.txt"
        wanted.write_text(_lines([*asks, *(pins if with_runner else ())]))
        bounds.write_text(_lines(pins))
        report = folder / "report.json"
        options = ("install", "--dry-run", "--report", str(report))
        done = _pip(*options, "--requirement", str(wanted), "--constraint", str(bounds))
        if done.returncode:
            raise RequirementError(_explained(done, [*asks, *pins]))
        return list(_packages(json.loads(report.read_text())))


def _lines(asks: Iterable[Ask]) -> str:
    return "".join(f"{ask.requirement}\n" for ask in asks)


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PIP, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _packages(report: Mapping[str, Any]) -> Iterator[Package]:
    for entry in report["install"]:
        told, origin = entry["metadata"], entry["download_info"]
        hashes = origin.get("archive_info", {}).get("hashes", {})
        digest = f"sha256:{hashes['sha256']}" if "sha256" in hashes else ""
        if not entry["is_direct"]:
            yield Package(told["name"], told["version"], "", digest)
            continue
        vcs = origin.get("vcs_info", {})
        url = f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}" if vcs else origin["url"]
        yield Package(told["name"], told["version"], url, digest)


def _explained(done: subprocess.CompletedProcess[str], asks: Iterable[Ask]) -> str:
    """Give pip's reason, and who asks for the packages that it names."""
    _progress, begin, conflict = done.stdout.partition(CONFLICT)
    conflict = conflict.partition("\n\n")[0]
    errors = [line for line in done.stderr.splitlines() if ERROR.match(line)]
    reason = [line for line in f"{begin}{conflict}".splitlines() if line.strip()] + errors
    reason = [LISTED.sub("", line) for line in reason if "(constraint)" not in line]
    named = {canonicalize_name(word) for line in reason for word in WORD.findall(line)}
    asking = sorted({str(ask) for ask in asks if ask.name in named})
    return "\n".join([_("The requirements cannot be resolved."), *asking, "", *reason])


def install(packages: Iterable[Package]) -> None:
    """Install exactly these; raises `RequirementError` when pip cannot.

    pip builds all of them before it puts the first into place; what it had put there
    before it failed is taken back.
    """
    packages = list(packages)
    before = {package: _installed(package.name) for package in packages}
    all_known = all(package.digest for package in packages)
    done = _install("".join(_line(package, all_known) for package in packages))
    if done.returncode:
        _take_back(before)
        raise RequirementError(_explained(done, ()))


def _install(lines: str) -> subprocess.CompletedProcess[str]:
    with TemporaryDirectory(prefix="app-runner-") as place:
        chosen = Path(place) / "chosen.txt"
        chosen.write_text(lines)
        return _pip("install", "--no-deps", "--requirement", str(chosen))


def _line(package: Package, with_hash: bool) -> str:
    return (
        f"{package.line} --hash={package.digest}\n" if with_hash else f"{package.line}\n"
    )


def _installed(name: str) -> str | None:
    # A new finder: pip has changed the folders since this process looked into them.
    importlib.invalidate_caches()
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _take_back(before: Mapping[Package, str | None]) -> None:
    changed = {p.name: old for p, old in before.items() if _installed(p.name) != old}
    new = [name for name, old in changed.items() if old is None]
    if new:
        _pip("uninstall", "--yes", *new)
    if old_ones := [f"{name}=={old}\n" for name, old in changed.items() if old]:
        _install("".join(old_ones))
