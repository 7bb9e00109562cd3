"""The lock, the requirements files and the other files of the repository fit together."""

import re
import shutil
import subprocess
import tomllib
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
GROUPS = {
    "requirements.txt": {"main"},
    "requirements-examples.txt": {"main"},
    "requirements-dev.txt": {"main", "dev"},
}
PLATFORMS = [
    {"python_version": python, "python_full_version": f"{python}.9", **system}
    for python, system in product(
        ("3.11", "3.12", "3.13", "3.14", "3.15"),
        (
            {"sys_platform": "linux", "platform_system": "Linux"},
            {"sys_platform": "darwin", "platform_system": "Darwin"},
        ),
    )
]


class Pin(NamedTuple):
    """One version of a package, and the test platforms (by index) that get it."""

    name: str
    version: str
    hashes: frozenset[str]
    platforms: tuple[int, ...]


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


LOCK = read_toml("poetry.lock")
PROJECT = read_toml("pyproject.toml")


def platforms_of(marker: str, extras: list[str]) -> tuple[int, ...]:
    """Where a marker holds when all extras are asked for."""
    return tuple(
        number
        for number, platform in enumerate(PLATFORMS)
        if not marker
        or any(Marker(marker).evaluate({**platform, "extra": extra}) for extra in extras)
    )


def locked_marker(package: dict[str, Any], groups: set[str]) -> str:
    """The marker of a package for these groups; the lock may hold one for each."""
    markers = package.get("markers", "")
    if isinstance(markers, str):
        return markers
    wanted = [markers.get(group, "") for group in package["groups"] if group in groups]
    return "" if "" in wanted else " or ".join(f"({marker})" for marker in wanted)


def locked_pins(name: str) -> set[Pin]:
    """What a requirements file has to hold; the plain one lacks what examples need."""
    groups = GROUPS[name]
    extras = [*LOCK["extras"]]
    if name == "requirements.txt":
        extras.remove("examples")
    return {
        Pin(
            canonicalize_name(package["name"]),
            package["version"],
            frozenset(file["hash"] for file in package["files"]),
            platforms_of(locked_marker(package, groups), extras),
        )
        for package in LOCK["package"]
        if groups & set(package["groups"])
        and platforms_of(locked_marker(package, groups), extras)
    }


def required_pins(name: str) -> set[Pin]:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    pins = {pin_of(line) for line in text.splitlines() if line.strip()}
    return {pin for pin in pins if pin.platforms}


def pin_of(line: str) -> Pin:
    requirement = Requirement(line.split("--hash=")[0].strip())
    (version,) = requirement.specifier
    return Pin(
        canonicalize_name(requirement.name),
        version.version,
        frozenset(re.findall(r"--hash=(\S+)", line)),
        platforms_of(str(requirement.marker or ""), [""]),
    )


@pytest.mark.parametrize("name", GROUPS)
def test_the_requirements_are_what_the_lock_says(name: str) -> None:
    assert required_pins(name) == locked_pins(name)


@pytest.mark.parametrize("name", GROUPS)
def test_every_requirement_is_a_pin_with_hashes_and_names_no_host(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"[a-z0-9]| +--hash=sha256:[0-9a-f]{64}", line) for line in lines)
    assert not any("://" in line for line in lines)


def test_the_lock_records_no_host() -> None:
    assert not [package["name"] for package in LOCK["package"] if "source" in package]
    files = [file for package in LOCK["package"] for file in package["files"]]
    assert all(
        set(file) == {"file", "hash"} and "/" not in file["file"] for file in files
    )


def declared_dependencies() -> list[str]:
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    dev = PROJECT["tool"]["poetry"]["group"]["dev"]["dependencies"]
    return [
        *project["dependencies"],
        *(line for lines in extras for line in lines),
        *(f"{name}{bound.removeprefix('*')}" for name, bound in dev.items()),
    ]


@pytest.mark.parametrize("line", declared_dependencies())
def test_the_lock_has_what_the_project_asks_for(line: str) -> None:
    wanted = Requirement(line)
    versions = [
        package["version"]
        for package in LOCK["package"]
        if canonicalize_name(package["name"]) == canonicalize_name(wanted.name)
    ]
    assert versions
    assert all(version in wanted.specifier for version in versions)


def test_packaging_is_not_capped() -> None:
    (wanted,) = (
        Requirement(line)
        for line in PROJECT["project"]["dependencies"]
        if line.startswith("packaging")
    )
    assert all(bound.operator == ">=" for bound in wanted.specifier)


@pytest.mark.parametrize(
    "name",
    [
        ".ci/run",
        ".editorconfig",
        ".flake8",
        ".flaskenv",
        ".pre-commit-config.yaml",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "default.nix",
        "docs/adr",
        "run",
        "shell.nix",
        "tasks.py",
    ],
)
def test_the_top_level_is_complete(name: str) -> None:
    assert (ROOT / name).exists()


def test_nix_builds_the_version_of_the_project() -> None:
    text = (ROOT / "default.nix").read_text(encoding="utf-8")
    assert f'version = "{PROJECT["project"]["version"]}";' in text


@pytest.mark.skipif(not shutil.which("nix-instantiate"), reason="needs nix-instantiate")
@pytest.mark.parametrize("name", ["default.nix", "shell.nix"])
def test_the_nix_files_parse(name: str) -> None:
    command = ["nix-instantiate", "--parse", str(ROOT / name)]
    parsed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert parsed.returncode == 0, parsed.stderr
