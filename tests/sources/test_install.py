"""`flask plugins install`: with pip, from local wheels, into a new environment."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from app_runner.config import PROJECT
from tests.conftest import NO_BROKER, AppFactory, PluginFolder
from tests.sources.conftest import plugin_source, wheel

#: pip looks at all packages of the runner; on a busy machine that takes a while.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ENDED = subprocess.CompletedProcess[str]
Flask = Callable[..., ENDED]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Give the Python of an empty environment that sees the packages of this one."""
    venv.create(tmp_path / "venv", with_pip=False)
    (packages,) = (tmp_path / "venv").glob("lib/*/site-packages")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "below.pth").write_text("\n".join([str(PROJECT), *here]))
    return tmp_path / "venv" / "bin" / "python"


@pytest.fixture
def flask(
    python: Path, wheels: Path, plugin_folder: PluginFolder, tmp_path: Path
) -> Flask:
    """Run a command of Flask in that environment."""
    settings = {
        "APP_RUNNER_INSTANCE_FOLDER": str(tmp_path / "instance"),
        "PLUGIN_FOLDERS": str(plugin_folder),
        "BROKER_URL": NO_BROKER,
        "DEFAULT_LOG_LEVEL": "CRITICAL",
    }

    def run(*arguments: str) -> ENDED:
        command = [str(python), "-m", "flask", "--app", "app_runner", *arguments]
        environment = {**os.environ, **settings}
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return run


@pytest.fixture
def refused(
    make_app: AppFactory, wheels: Path, plugin_folder: PluginFolder
) -> Callable[..., str]:
    """Run the command here, where it gets no further than to the resolution."""

    def run(*options: str) -> str:
        app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)], DEFAULT_LOG_LEVEL="CRITICAL")
        command = ["plugins", "install", "--dry-run", *options]
        done = app.test_cli_runner().invoke(args=command)
        assert done.exit_code == 1
        assert done.output.endswith("\nNothing was installed.\n")
        return done.output

    return run


def has(python: Path, module: str) -> bool:
    done = subprocess.run([python, "-c", f"import {module}"], capture_output=True)
    return done.returncode == 0


def test_what_plugins_require_is_installed_with_all_that_it_needs(
    flask: Flask, python: Path, wheels: Path, plugin_folder: PluginFolder
) -> None:
    wheel(wheels, "ar_low", "1.0")
    wheel(wheels, "ar_low", "2.0")
    wheel(wheels, "ar_high", "1.0", requires=("ar_low<2",))
    source = plugin_source("one", requirements="ar-high>=1")
    plugin_folder.add("one.py", f"import ar_high, ar_low\n{source}")
    plugin_folder.add("two.py", plugin_source("two", requirements="ar-low"))

    tried = flask("plugins", "install", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert sorted(tried.stdout.splitlines())[0].startswith("ar_high 1.0  (")
    assert "ar_low 1.0  (two@1-0-0)" in tried.stdout
    assert not has(python, "ar_high")

    done = flask("install", "--skip-runner-requirements")
    assert done.returncode == 0, done.stderr
    assert has(python, "ar_high")
    listed = flask("plugins", "list").stdout
    assert "one@1-0-0" in listed
    assert "PROBLEM" not in listed
    again = flask("plugins", "install", "--skip-runner-dependencies")
    assert again.stdout == "All that the plugins require is installed.\n"


def test_a_conflict_says_who_asks_for_what(
    refused: Callable[..., str], wheels: Path, plugin_folder: PluginFolder
) -> None:
    wheel(wheels, "ar_fine", "1.0")
    wheel(wheels, "ar_low", "1.0")
    wheel(wheels, "ar_low", "2.0")
    wheel(wheels, "ar_high", "1.0", requires=("ar-low<2",))
    plugin_folder.add("one.py", plugin_source("one", requirements="ar-high\nar-fine"))
    plugin_folder.add("two.py", plugin_source("two", requirements="ar-low>=2"))
    output = refused()
    assert "one@1-0-0 asks for ar-high\ntwo@1-0-0 asks for ar-low>=2\n" in output
    assert "ar-high 1.0 depends on ar-low<2" in output
    assert "ar-fine" not in output


def test_a_package_that_is_nowhere_is_told_with_who_asks_for_it(
    refused: Callable[..., str], plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("one.py", plugin_source("one", requirements="ar-nowhere==3"))
    assert "one@1-0-0 asks for ar-nowhere==3" in refused()


def test_the_runner_is_not_changed_for_a_plugin(
    refused: Callable[..., str], plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("one.py", plugin_source("one", requirements="flask<3"))
    for options in ((), ("--skip-runner-requirements",)):
        output = refused(*options)
        assert "one@1-0-0 asks for flask<3\nApp Runner asks for flask==" in output


def test_a_requirement_that_cannot_be_read_names_its_plugin(
    refused: Callable[..., str], plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("one.py", plugin_source("one", requirements="--pre\nflask"))
    assert "one@1-0-0: “--pre” is no requirement" in refused()


BACKEND = """
from pathlib import Path

def prepare_metadata_for_build_wheel(folder, settings=None):
    place = Path(folder, "ar_broken-1.0.dist-info")
    place.mkdir()
    text = "Metadata-Version: 2.1\\nName: ar_broken\\nVersion: 1.0\\n"
    (place / "METADATA").write_text(text)
    return place.name

def build_wheel(*arguments, **options):
    raise SystemExit("it does not build")
"""
PROJECT_FILE = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def sdist_that_does_not_build(folder: Path) -> None:
    with tarfile.open(folder / "ar_broken-1.0.tar.gz", "w:gz") as archive:
        for name, text in {"backend.py": BACKEND, "pyproject.toml": PROJECT_FILE}.items():
            member = tarfile.TarInfo(f"ar_broken-1.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))


def wheel_that_cannot_be_unpacked(folder: Path) -> None:
    path = wheel(folder, "ar_broken", "1.0", requires=("ar-fine",))
    path.write_bytes(path.read_bytes().replace(b"VERSION = ", b"VERSION =-"))


@pytest.mark.parametrize(
    "broken", [sdist_that_does_not_build, wheel_that_cannot_be_unpacked]
)
def test_a_package_that_fails_late_leaves_all_others_out(
    flask: Flask,
    python: Path,
    wheels: Path,
    plugin_folder: PluginFolder,
    broken: Callable[[Path], None],
) -> None:
    broken(wheels)
    wheel(wheels, "ar_fine", "1.0")
    plugin_folder.add("one.py", plugin_source("one", requirements="ar-fine\nar-broken"))
    done = flask("plugins", "install", "--skip-runner-requirements")
    assert done.returncode == 1
    assert "ar_fine 1.0  (one@1-0-0)" in done.stdout
    assert "Nothing was installed." in done.stderr
    assert not has(python, "ar_fine")


def test_nothing_is_asked_of_pip_when_no_plugin_requires_anything(
    make_app: AppFactory,
) -> None:
    done = make_app().test_cli_runner().invoke(args=["install"])
    assert (done.exit_code, done.output) == (0, "No plugin requires further packages.\n")
