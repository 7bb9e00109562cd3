"""Plugins that were fetched from git, or installed as a package, do real work."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app_runner.plugins.fetching import Fetching
from app_runner.plugins.sources import parse_source
from tests.integration.conftest import Runner, running
from tests.sources.conftest import Repository, plugin_source, wheel

pytestmark = pytest.mark.integration
ENTRIES = "[app_runner.plugins]\npackaged = ar_worked\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a package with a plugin, here and for processes that are started."""
    source = {"ar_worked.py": plugin_source("packaged")}
    made = wheel(tmp_path, "ar_worked", "1.0", files=source, entry_points=ENTRIES)
    zipfile.ZipFile(made).extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{known}")
    yield tmp_path / "site"
    sys.modules.pop("ar_worked", None)


@pytest.fixture
def runner(tmp_path: Path, site: Path, own_broker: Callable[[], str]) -> Iterator[Runner]:
    """Give a runner with one plugin of each kind."""
    repository = Repository(tmp_path / "repository")
    repository.commit("Begin", {"deep/fetched.py": plugin_source("fetched")})
    line, place = f"{repository.url}#subdirectory=deep", tmp_path / "runner"
    fetching = Fetching(place)
    with fetching.alone():
        fetching.fetch(parse_source(line))
    settings = {"GIT_PLUGINS": [line], "BROKER_URL": own_broker()}
    with running(place, [], pool="threads", **settings) as found:
        yield found


def test_they_run_on_a_worker(runner: Runner) -> None:
    for name in ("fetched", "packaged"):
        document = runner.run(f"{name}@1-0-0/process/", word="done by a worker")
        assert document["status"] == "SUCCESS", document
        assert "done by a worker" in document["log"]
