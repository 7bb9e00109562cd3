"""`run` makes .venv from the lock, once, and says in one line what hinders it.

A stand-in for Python notes what it is asked to install; the rest is the real Python.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COPIED = (
    *("run", "pyproject.toml", "requirements.txt"),
    *("requirements-dev.txt", "requirements-examples.txt"),
)
TOOLS = (
    "sh",
    "cat",
    "cksum",
    "cp",
    "cut",
    "df",
    "dirname",
    "mkdir",
    "mv",
    "rm",
    "sed",
    "tail",
)
STAND_IN = f"""#!/bin/sh
case "$*" in
    *"-m venv"*) echo venv >>calls; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    *"-m pip"*)
        echo "${{*#*install }}" >>calls
        [ ! -e pip-says ] || {{ cat pip-says; exit 1; }} ;;
    "-m invoke"*) echo "pid $$: $*" ;;
    *) exec {sys.executable} "$@" ;;
esac
"""
MAIN = ["--require-hashes -r requirements.txt", "--no-deps --no-build-isolation -e ."]
DEV = ["--require-hashes -r requirements-dev.txt", MAIN[1]]
EXAMPLES = ["--require-hashes -r requirements-examples.txt", MAIN[1]]


class Place:
    """A copy of the project with a PATH on which only the given Pythons lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.commands = folder / "bin"
        self.folder.mkdir()
        self.commands.mkdir()
        for name in COPIED:
            shutil.copy(ROOT / name, self.folder)
        for name in TOOLS:
            found = shutil.which(name)
            assert found
            (self.commands / name).symlink_to(found)

    def add_python(self, text: str, name: str = "python3") -> None:
        path = self.commands / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.folder / "run"), *words],
            cwd=self.commands,
            env={"PATH": str(self.commands), "HOME": "/nonexistent", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **env: str) -> tuple[int, str, str]:
        process = self.start(*words, **env)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def calls(self) -> list[str]:
        """What was made and installed since the last look."""
        path = self.folder / "calls"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def ready(place: Place) -> Place:
    place.add_python(STAND_IN)
    return place


def test_run_alone_says_what_it_does_and_needs_nothing(place: Place) -> None:
    code, out, err = place.run()
    assert (code, err) == (0, "")
    assert "./run start" in out
    assert "./run test" in out
    assert place.run("--help") == (code, out, err)


def test_the_first_run_makes_the_environment_in_two_steps(ready: Place) -> None:
    code, out, err = ready.run("start", "--port", "5007")
    assert code == 0, err
    assert ready.calls() == ["venv", *MAIN]
    assert out.endswith(": -m invoke start --port 5007\n")


def test_the_second_run_installs_nothing_and_keeps_the_process_id(ready: Place) -> None:
    ready.run("start")
    ready.calls()
    process = ready.start("start")
    out, err = process.communicate(timeout=30)
    assert (out, err) == (f"pid {process.pid}: -m invoke start\n", "")
    assert ready.calls() == []


@pytest.mark.parametrize("word", ["test", "lint", "bench", "docs"])
def test_work_on_the_project_needs_the_development_requirements(
    ready: Place, word: str
) -> None:
    ready.run(word)
    assert ready.calls() == ["venv", *DEV]


def test_the_development_requirements_serve_every_task(ready: Place) -> None:
    ready.run("start")
    ready.run("test")
    assert ready.calls() == ["venv", *MAIN, *DEV]
    ready.run("start")
    ready.run("test")
    assert ready.calls() == []


def test_the_examples_are_installed_when_asked_for_and_stay(ready: Place) -> None:
    ready.run("start")
    assert ready.calls() == ["venv", *MAIN]
    _code, out, _err = ready.run("start", "--examples")
    assert ready.calls() == EXAMPLES
    assert out.endswith(": -m invoke start --examples\n")
    ready.run("start")
    assert ready.calls() == []
    ready.run("test")
    ready.run("start", "--examples")
    assert ready.calls() == DEV


def test_a_changed_lock_is_installed(ready: Place) -> None:
    ready.run("start")
    ready.calls()
    with (ready.folder / "requirements.txt").open("a") as requirements:
        requirements.write("\n")
    ready.run("start")
    assert ready.calls() == MAIN


def test_settings_of_tools_do_not_concern_the_environment(ready: Place) -> None:
    ready.run("start")
    ready.calls()
    with (ready.folder / "pyproject.toml").open("a") as project:
        project.write("\n[tool.other]\n")
    ready.run("start")
    assert ready.calls() == []


def test_what_was_interrupted_or_moved_is_made_anew(ready: Place) -> None:
    ready.run("start")
    (ready.folder / ".venv" / ".app-runner").unlink()
    ready.calls()
    ready.run("start")
    assert ready.calls() == ["venv", *MAIN]
    ready.folder = ready.folder.rename(ready.folder.with_name("elsewhere"))
    ready.run("start")
    assert ready.calls() == ["venv", *MAIN]


def test_two_runs_at_once_make_it_once(ready: Place) -> None:
    both = [ready.start("start"), ready.start("start")]
    for process in both:
        process.communicate(timeout=30)
    assert [process.returncode for process in both] == [0, 0]
    assert ready.calls() == ["venv", *MAIN]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Failed to establish a new connection", "index cannot be reached"),
        ("ERROR: ... (from versions: none)", "index cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not the one of the lock"),
        ("a compiler is missing", "installing the requirements failed"),
    ],
)
def test_a_failed_installation_says_why_and_is_tried_again(
    ready: Place, said: str, message: str
) -> None:
    says = ready.folder / "pip-says"
    says.write_text(said + "\n", encoding="utf-8")
    code, out, err = ready.run("start")
    assert (code, out) == (1, "")
    assert message in err.splitlines()[-1]
    says.unlink()
    ready.calls()
    assert ready.run("start")[0] == 0
    assert ready.calls() == ["venv", *MAIN]


def test_an_old_python_is_named(place: Place) -> None:
    place.add_python("#!/bin/sh\necho is 3.9\n")
    code, _, err = place.run("start")
    assert code == 1
    assert err.startswith("run: Python 3.11 or newer is needed, but python3 is 3.9.")
    assert err.count("\n") == 1


def test_a_newer_python_beside_an_old_one_is_taken(ready: Place) -> None:
    ready.add_python("#!/bin/sh\necho is 3.9\n")
    ready.add_python(STAND_IN, "python3.12")
    assert ready.run("start")[0] == 0


def test_a_shim_that_only_fails_is_passed_over(ready: Place) -> None:
    ready.add_python("#!/bin/sh\nexit 127\n")
    ready.add_python(STAND_IN, "python3.11")
    assert ready.run("start")[0] == 0


def test_a_missing_python_is_said(place: Place) -> None:
    code, _, err = place.run("start")
    assert code == 1
    assert err.startswith("run: no Python found. Install Python 3.11")


def test_a_missing_venv_module_is_said(place: Place) -> None:
    place.add_python("#!/bin/sh\necho cannot make virtual environments\n")
    code, _, err = place.run("start")
    assert code == 1
    assert "apt install python3-venv" in err


def test_a_python_named_by_the_user_is_taken_or_refused(ready: Place) -> None:
    code, _, err = ready.run("start", PYTHON="/nowhere/python3")
    assert code == 1
    assert "PYTHON=/nowhere/python3" in err
    assert ready.calls() == []
    ready.add_python(STAND_IN, "mine")
    (ready.commands / "python3").unlink()
    assert ready.run("start", PYTHON=str(ready.commands / "mine"))[0] == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(ready: Place) -> None:
    ready.folder.chmod(0o555)
    code, _, err = ready.run("start")
    ready.folder.chmod(0o755)
    assert code == 1
    assert "cannot write in" in err


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_the_script_is_portable(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    subprocess.run([shell, "-n", str(ROOT / "run")], check=True)
