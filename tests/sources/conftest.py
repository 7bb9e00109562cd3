"""Bare repositories of this machine, wheels made on the fly, and apps that name them."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

PLUGIN = """
    from app_runner.plugin_api import Plugin, Task

    plugin = Plugin({name!r}, {version!r}, requirements={requirements!r})

    @plugin.processor()
    def work(task: Task, word: str) -> str:
        return word
"""


def plugin_source(name: str, version: str = "1.0.0", requirements: str = "") -> str:
    """Give the source of a plugin with a processor."""
    given = {"name": name, "version": version, "requirements": requirements}
    return dedent(PLUGIN).format(**given)


class Repository:
    """A bare repository, and a place to commit to it from."""

    def __init__(self, folder: Path) -> None:
        self.bare, self._work = folder / "plugins.git", folder / "work"
        folder.mkdir()
        git(folder, "init", "--quiet", "--bare", "-b", "main", str(self.bare))
        git(folder, "init", "--quiet", "-b", "main", str(self._work))

    @property
    def url(self) -> str:
        return f"git+file://{self.bare}"

    def git(self, *arguments: str) -> str:
        return git(self._work, *arguments)

    def commit(self, message: str, files: Mapping[str, str], push: str = "main") -> str:
        """Commit files, push them as the branch ``push``, and give the commit."""
        for name, content in files.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        self.push(f"HEAD:refs/heads/{push}")
        return self.git("rev-parse", "HEAD")

    def push(self, refspec: str) -> None:
        self.git("push", "--quiet", "--force", str(self.bare), refspec)


def git(folder: Path, *arguments: str) -> str:
    """Run git without the configuration of this machine."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    command = ["git", "-C", str(folder), *who, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Give a repository with a plugin ``fetched@1.0.0`` on its branch ``main``."""
    made = Repository(tmp_path / "repository")
    made.commit("Begin", {"fetched.py": plugin_source("fetched")})
    return made


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """Give an instance folder."""
    folder = tmp_path / "instance"
    folder.mkdir()
    return folder


def wheel(
    folder: Path,
    name: str,
    version: str,
    requires: tuple[str, ...] = (),
    files: Mapping[str, str] | None = None,
    entry_points: str = "",
) -> Path:
    """Write a wheel, with a module of its own name unless ``files`` are given."""
    folder.mkdir(parents=True, exist_ok=True)
    information = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    content = {
        **(files or {f"{name}.py": f"VERSION = {version!r}\n"}),
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\n"
        f"Version: {version}\n{needs}",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entry_points:
        content[f"{information}/entry_points.txt"] = dedent(entry_points)
    record = "".join(_record(each, text) for each, text in content.items())
    content[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in content.items():
            archive.writestr(each, text)
    return path


def _record(name: str, text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"{name},sha256={digest.decode().rstrip('=')},{len(text.encode())}\n"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the only place that pip finds packages in."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder
