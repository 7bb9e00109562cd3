"""`flask plugins fetch` against bare repositories of this machine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app_runner.plugins.fetching import Fetching
from app_runner.plugins.sources import parse_source
from app_runner.state import state_of
from tests.conftest import AppFactory
from tests.sources.conftest import Repository, plugin_source

Fetch = Callable[..., Result]
Served = Callable[..., list[str]]


@pytest.fixture
def app_of(make_app: AppFactory, instance: Path) -> Callable[..., Flask]:
    """Make apps on one instance folder: ``app_of(line, …, **settings)``."""

    def make(*lines: str, **settings: Any) -> Flask:
        given = {"APP_RUNNER_INSTANCE_FOLDER": str(instance), **settings}
        return make_app(tables=False, GIT_PLUGINS="\n".join(lines), **given)

    return make


@pytest.fixture
def fetch(app_of: Callable[..., Flask]) -> Fetch:
    """Run the command: ``fetch(line, …, options=["--update"], **settings)``."""

    def run(*lines: str, options: tuple[str, ...] = (), **settings: Any) -> Result:
        app = app_of(*lines, **settings)
        return app.test_cli_runner().invoke(args=["plugins", "fetch", *options])

    return run


@pytest.fixture
def served(app_of: Callable[..., Flask]) -> Served:
    """Give the ids of plugins that an app of these sources serves."""

    def ids(*lines: str, **settings: Any) -> list[str]:
        registry = state_of(app_of(*lines, **settings)).registry
        return [plugin.identifier for plugin in registry]

    return ids


def problems(app: Flask) -> list[str]:
    return [problem.message for problem in state_of(app).registry.problems]


def pins(instance: Path) -> dict[str, str]:
    content = json.loads((instance / "plugins.lock").read_text())
    return {key: entry["commit"] for key, entry in content["sources"].items()}


def checkout(instance: Path, line: str) -> Path:
    return parse_source(line).checkout(instance)


def test_a_source_is_fetched_pinned_and_served(
    fetch: Fetch, served: Served, repository: Repository, instance: Path
) -> None:
    result = fetch(repository.url)
    assert result.exit_code == 0, result.output
    commit = repository.git("rev-parse", "HEAD")
    assert f"new -> {commit[:12]}  Begin" in result.output
    assert pins(instance) == {f"file://{repository.bare}": commit}
    assert served(repository.url) == ["fetched@1-0-0"]


def test_a_source_that_was_never_fetched_is_a_problem_that_says_what_to_do(
    app_of: Callable[..., Flask], repository: Repository
) -> None:
    found = state_of(app_of(repository.url)).registry.problems
    assert [problem.source for problem in found] == [repository.url]
    assert "run `flask plugins fetch`" in found[0].message


def test_branch_tag_and_commit_are_taken(
    fetch: Fetch, served: Served, repository: Repository
) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.commit("Two", {"fetched.py": plugin_source("fetched", "2")}, push="fix/x")
    repository.git("tag", "-a", "v3", "-m", "three")
    repository.git("tag", "light")
    repository.push("refs/tags/v3")
    repository.push("refs/tags/light")
    for ref, version in {
        "main": "1-0-0",
        "fix/x": "2",
        "v3": "2",
        "light": "2",
        first: "1-0-0",
        first[:10]: "1-0-0",
        "refs/heads/fix/x": "2",
    }.items():
        line = f"{repository.url}@{ref}"
        assert fetch(line).exit_code == 0, ref
        assert served(line) == [f"fetched@{version}"], ref


def test_two_refs_of_one_repository_are_served_side_by_side(
    fetch: Fetch, served: Served, repository: Repository
) -> None:
    repository.commit("Two", {"fetched.py": plugin_source("fetched", "2")}, push="next")
    lines = (f"{repository.url}@main", f"{repository.url}@next")
    assert fetch(*lines).exit_code == 0
    assert served(*lines) == ["fetched@1-0-0", "fetched@2"]


def test_a_commit_on_no_branch_is_taken(
    fetch: Fetch, served: Served, repository: Repository
) -> None:
    lost = repository.commit("Two", {"fetched.py": plugin_source("fetched", "2")})
    repository.push(f"{lost}:refs/pull/7/head")
    repository.push("HEAD~1:refs/heads/main")
    for ref in (lost, "refs/pull/7/head"):
        assert fetch(f"{repository.url}@{ref}").exit_code == 0
        assert served(f"{repository.url}@{ref}") == ["fetched@2"]


def test_a_branch_that_is_called_like_a_commit_does_not_stand_for_it(
    fetch: Fetch, repository: Repository
) -> None:
    name = "0123456789abcdef0123456789abcdef01234567"
    repository.push(f"HEAD:refs/heads/{name}")
    result = fetch(f"{repository.url}@{name}")
    assert result.exit_code == 1
    assert "no branch, tag or commit" in result.output


def test_a_subdirectory_holds_the_plugins(
    fetch: Fetch, served: Served, repository: Repository
) -> None:
    repository.commit("More", {"deep/er/inner.py": plugin_source("inner")})
    line = f"{repository.url}#subdirectory=deep/er"
    assert fetch(line).exit_code == 0
    assert served(line) == ["inner@1-0-0"]


def test_a_subdirectory_that_is_missing_or_leads_out_is_refused(
    fetch: Fetch, served: Served, repository: Repository, tmp_path: Path
) -> None:
    repository.git("config", "core.symlinks", "true")
    (repository._work / "out").symlink_to(tmp_path)
    repository.commit("Link", {})
    for name in ("gone", "out"):
        line = f"{repository.url}#subdirectory={name}"
        result = fetch(line)
        assert result.exit_code == 1
        assert f"no folder {name} in the repository" in result.output
        assert served(line) == []


def test_a_fetch_stays_at_the_pin_until_it_is_told_to_update(
    fetch: Fetch, served: Served, repository: Repository, instance: Path
) -> None:
    fetch(repository.url)
    first = repository.git("rev-parse", "HEAD")
    repository.commit("Add a \x1b[31mcolour", {"other.py": plugin_source("other")})
    second = repository.commit("Grow", {"fetched.py": plugin_source("fetched", "2")})
    assert f"stays at {first[:12]}" in fetch(repository.url).output
    assert served(repository.url) == ["fetched@1-0-0"]
    tried = fetch(repository.url, options=("--update", "--dry-run"))
    assert f"{first[:12]} -> {second[:12]}" in tried.output
    assert set(pins(instance).values()) == {first}
    result = fetch(repository.url, options=("--update",))
    assert f"{first[:12]} -> {second[:12]}  Grow" in result.output
    assert "Add a [31mcolour" in result.output
    assert "not built on" not in result.output
    assert set(pins(instance).values()) == {second}
    assert served(repository.url) == ["fetched@2", "other@1-0-0"]


def test_a_pin_is_fetched_on_another_machine(
    fetch: Fetch, served: Served, repository: Repository, instance: Path, tmp_path: Path
) -> None:
    fetch(repository.url)
    repository.commit("Two", {"fetched.py": plugin_source("fetched", "2")})
    other = tmp_path / "other"
    other.mkdir()
    (other / "plugins.lock").write_bytes((instance / "plugins.lock").read_bytes())
    place = {"APP_RUNNER_INSTANCE_FOLDER": str(other)}
    assert fetch(repository.url, **place).exit_code == 0
    assert pins(other) == pins(instance)
    assert served(repository.url, **place) == ["fetched@1-0-0"]


def test_a_history_that_was_rewritten_is_told(
    fetch: Fetch, repository: Repository
) -> None:
    fetch(repository.url)
    repository.git("commit", "--quiet", "--amend", "-m", "Begin otherwise")
    repository.push("HEAD:refs/heads/main")
    assert "not built on" in fetch(repository.url, options=("--update",)).output


def test_a_failed_fetch_leaves_the_checkout_and_its_pin(
    fetch: Fetch, served: Served, repository: Repository, instance: Path
) -> None:
    fetch(repository.url)
    before = (instance / "plugins.lock").read_bytes()
    hidden = repository.bare.rename(repository.bare.with_name("away.git"))
    result = fetch(repository.url, options=("--update",))
    assert result.exit_code == 1
    assert "does not exist" in result.output or "not appear" in result.output
    assert (instance / "plugins.lock").read_bytes() == before
    assert served(repository.url) == ["fetched@1-0-0"]
    assert [p.name for p in (instance / "git_plugins").glob(".*.stage")] == []
    hidden.rename(repository.bare)


@pytest.mark.parametrize("stuck", ["plugins.lock", "checkout"])
def test_a_checkout_that_cannot_be_replaced_stays_with_its_pin(
    fetch: Fetch, served: Served, repository: Repository, instance: Path, stuck: str
) -> None:
    """A folder in the place of a file, or of what is put aside, stops the rename."""
    fetch(repository.url)
    first = repository.git("rev-parse", "HEAD")
    repository.commit("Two", {"fetched.py": plugin_source("fetched", "2")})
    place, lock = checkout(instance, repository.url), instance / "plugins.lock"
    app_lock = lock.read_bytes()
    if stuck == "checkout":
        (place.with_name(f".{place.name}.old") / "x").mkdir(parents=True)
        (instance / "git_plugins" / place.name).rename(instance / "kept")
        place.symlink_to(instance / "kept")
    fetching = Fetching(instance)
    if stuck == "plugins.lock":
        lock.unlink()
        (lock / "x").mkdir(parents=True)
    with pytest.raises(OSError):
        fetching.fetch(parse_source(repository.url), update=True)
    if stuck == "plugins.lock":
        shutil.rmtree(lock)
        lock.write_bytes(app_lock)
    assert set(pins(instance).values()) == {first}
    assert served(repository.url) == ["fetched@1-0-0"]


def test_a_bad_ref_is_told_and_the_other_sources_are_fetched(
    fetch: Fetch, served: Served, repository: Repository
) -> None:
    lines = (f"{repository.url}@gone", repository.url)
    result = fetch(*lines)
    assert result.exit_code == 1
    assert "no branch, tag or commit “gone”" in result.output
    assert served(*lines) == ["fetched@1-0-0"]


def test_an_unreachable_host_is_told(fetch: Fetch) -> None:
    result = fetch("git+http://127.0.0.1:1/b.git")
    assert result.exit_code == 1
    assert "http://127.0.0.1:1/b.git" in result.output


def test_a_refused_host_is_not_asked(
    fetch: Fetch, served: Served, repository: Repository, instance: Path
) -> None:
    fetch(repository.url)
    result = fetch(repository.url, GIT_ALLOWED_HOSTS="git.example.org")
    assert result.exit_code == 1
    assert "the host localhost is not in GIT_ALLOWED_HOSTS" in result.output
    assert served(repository.url, GIT_ALLOWED_HOSTS="git.example.org") == []
    assert served(repository.url, GIT_ALLOWED_HOSTS="localhost") == ["fetched@1-0-0"]


def test_nothing_of_a_repository_is_run_while_it_is_fetched(
    fetch: Fetch,
    repository: Repository,
    instance: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hooks of templates and filters of the operator's own git are not run either."""
    ran, home = tmp_path / "ran", tmp_path / "home"
    script = home / "script"
    hooks = home / "template" / "hooks"
    hooks.mkdir(parents=True)
    for path in [
        script,
        *(hooks / n for n in ("post-checkout", "reference-transaction")),
    ]:
        path.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
        path.chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[init]\ntemplateDir = {home}/template\n[core]\nhooksPath = {hooks}\n"
        f'[filter "evil"]\nsmudge = {script}\nprocess = {script}\nrequired = true\n'
    )
    monkeypatch.setenv("HOME", str(home))
    sub = f'[submodule "s"]\npath = s\nurl = file://{repository.bare}\n'
    effect = f"open({str(ran)!r}, 'w')\n" + plugin_source("fetched")
    repository.commit(
        "Evil",
        {
            ".gitattributes": "* filter=evil\n",
            ".gitmodules": sub,
            "fetched.py": effect,
            "setup.py": effect,
        },
    )
    assert fetch(repository.url).exit_code == 0
    assert (checkout(instance, repository.url) / "fetched.py").read_text() == effect
    assert not (checkout(instance, repository.url) / ".git" / "hooks").exists()
    assert not ran.exists()


def test_credentials_are_neither_printed_nor_kept(
    fetch: Fetch, instance: Path, repository: Repository
) -> None:
    line = "git+http://someone:se-cret-token@127.0.0.1:1/b.git"
    result = fetch(line, repository.url)
    assert result.exit_code == 1
    assert "se-cret-token" not in result.output
    kept = [path for path in instance.rglob("*") if path.is_file()]
    assert kept
    assert not any(b"se-cret-token" in path.read_bytes() for path in kept)


def test_the_setting_is_masked_where_settings_are_shown(
    app_of: Callable[..., Flask],
) -> None:
    app = app_of("git+https://u:se-cret@h.org/b", "nonsense//u:se-cret@h")
    shown = [str(value) for _row, value in state_of(app).settings.shown()]
    assert not any("se-cret" in value for value in shown)
    assert len(problems(app)) == 2
    assert "se-cret" not in app.test_client().get("/problems/").text


def test_a_checkout_that_is_not_what_the_lock_pins_is_not_served(
    fetch: Fetch,
    served: Served,
    app_of: Callable[..., Flask],
    repository: Repository,
    instance: Path,
) -> None:
    fetch(repository.url)
    lock = instance / "plugins.lock"
    lock.write_text(
        lock.read_text().replace(repository.git("rev-parse", "HEAD"), "0" * 40)
    )
    assert served(repository.url) == []
    assert "not what plugins.lock pins" in problems(app_of(repository.url))[0]
    result = fetch(repository.url)
    assert result.exit_code == 1
    assert "no longer the pinned commit" in result.output
    assert fetch(repository.url, options=("--update",)).exit_code == 0
    assert served(repository.url) == ["fetched@1-0-0"]


@pytest.mark.parametrize("content", ["", "[]", '{"version": 2}', '{"version": 1}'])
def test_a_lock_that_cannot_be_read_is_told(
    fetch: Fetch,
    app_of: Callable[..., Flask],
    repository: Repository,
    instance: Path,
    content: str,
) -> None:
    (instance / "plugins.lock").write_text(content)
    result = fetch(repository.url)
    assert result.exit_code == 1
    assert "plugins.lock cannot be read" in result.output
    assert "plugins.lock cannot be read" in problems(app_of(repository.url))[0]


def test_what_a_killed_fetch_left_is_cleared_or_put_back(
    fetch: Fetch, served: Served, repository: Repository, instance: Path
) -> None:
    fetch(repository.url)
    place = checkout(instance, repository.url)
    place.rename(place.with_name(f".{place.name}.old"))
    (place.parent / ".x.stage").mkdir()
    assert fetch(repository.url).exit_code == 0
    assert served(repository.url) == ["fetched@1-0-0"]
    left = {p.name for p in place.parent.iterdir()}
    assert left == {place.name, ".lock"}


def test_a_second_fetch_at_the_same_time_is_refused(
    fetch: Fetch, repository: Repository, instance: Path
) -> None:
    import fcntl

    (instance / "git_plugins").mkdir()
    descriptor = os.open(instance / "git_plugins" / ".lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    result = fetch(repository.url)
    os.close(descriptor)
    assert (result.exit_code, "Another fetch" in result.output) == (1, True)


def test_sources_that_are_no_longer_named_are_told(
    fetch: Fetch, repository: Repository
) -> None:
    fetch(f"{repository.url}@main")
    assert f"{repository.bare}@main is pinned" in fetch(repository.url).output
    assert fetch().output == "GIT_PLUGINS names no source.\n"
