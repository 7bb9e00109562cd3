"""Where plugins lie and what they are called: any place works, or says why not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from flask import Flask

from app_runner.hosting import AppHost
from app_runner.plugins.loading import Loader
from app_runner.plugins.modules import candidates
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder
from tests.plugins.conftest import GOOD

NOBODY = 65534
Write = Callable[..., PluginFolder]


def plugin(name: str, version: str = "1.0.0", more: str = "") -> str:
    declared = f"p = Plugin({name!r}, {version!r})"
    return f"from app_runner.plugin_api import Plugin\n{more}\n{declared}"


def served(app: Flask) -> list[str]:
    return [plugin.identifier for plugin in state_of(app).registry]


def problems(app: Flask) -> dict[str, str]:
    return {p.source: p.message for p in state_of(app).registry.problems}


def test_files_named_like_modules_shadow_nothing(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    import celery

    names = ("celery", "json", "flask", "app_runner", "conf-ig", "1st")
    for name in names:
        check = "import json, celery; assert json.dumps and celery.Celery"
        plugin_folder.add(f"{name}.py", plugin(name, more=check))
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
    assert problems(app) == {}
    assert served(app) == sorted(f"{name}@1-0-0" for name in names)
    assert sys.modules["celery"] is celery
    assert str(plugin_folder) not in sys.path


def test_plugins_may_have_files_of_the_same_names_inside(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    for name in ("one", "two"):
        plugin_folder.add(f"{name}/routes.py", f"NAME = {name!r}")
        inside = (
            "from .routes import NAME\nfrom . import routes\nassert routes.NAME == NAME"
        )
        source = plugin("x", more=inside).replace("'x'", "NAME")
        plugin_folder.add(f"{name}/__init__.py", source)
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
    assert problems(app) == {}
    assert served(app) == ["one@1-0-0", "two@1-0-0"]


def test_two_folders_may_have_files_of_the_same_name(
    make_app: AppFactory, tmp_path: Path
) -> None:
    folders = [PluginFolder(tmp_path / "first"), PluginFolder(tmp_path / "second")]
    for folder in folders:
        folder.add("same.py", plugin(folder.path.name))
    app = make_app(PLUGIN_FOLDERS=[str(folder) for folder in folders])
    assert problems(app) == {}
    assert served(app) == ["first@1-0-0", "second@1-0-0"]


def test_a_package_can_be_the_plugin_folder_itself(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("__init__.py", plugin("whole", more="from .inner import VALUE"))
    plugin_folder.add("inner.py", "VALUE = 1")
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
    assert (problems(app), served(app)) == ({}, ["whole@1-0-0"])


def test_an_inner_folder_named_like_a_library_leaves_the_library_alone(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("p/quantum/requests/__init__.py", "import requests as REAL")
    source = plugin("p", more="from .quantum.requests import REAL\nREAL.Session")
    plugin_folder.add("p/quantum/__init__.py", "")
    plugin_folder.add("p/__init__.py", source)
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)])
    assert (problems(app), served(app)) == ({}, ["p@1-0-0"])


def test_files_beside_plugins_are_no_plugins(plugin_folder: PluginFolder) -> None:
    names = (
        "_private.py",
        ".hidden.py",
        "setup.py",
        "conftest.py",
        "test_x.py",
        "x_test.py",
    )
    for name in (*names, "notes.md", "data.tar.py", "no_package/x.py", "real.py"):
        plugin_folder.add(name, "")
    (plugin_folder.path / "gone.py").symlink_to("nowhere")
    (plugin_folder.path / "loop.py").symlink_to("loop.py")
    found = [candidate.stem for candidate in candidates(plugin_folder.path)]
    assert found == ["real"]


def test_folders_that_cannot_be_used_are_problems(
    make_app: AppFactory, write: Write, tmp_path: Path
) -> None:
    missing, file = tmp_path / "missing", tmp_path / "file.py"
    file.write_text("")
    app = make_app(PLUGIN_FOLDERS=[str(missing), str(file), str(write(good=GOOD))])
    assert served(app) == ["good@1-0-0"]
    assert set(problems(app)) == {str(missing), str(file)}
    assert "No such file" in problems(app)[str(missing)]


@contextmanager
def without_rights() -> Iterator[None]:
    """Be a user who owns nothing (root may read everything)."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def unreadable() -> Iterator[PluginFolder]:
    """Give a folder with a good plugin, and a file and a package nobody may read."""
    with TemporaryDirectory() as place:  # not pytest's, which others cannot enter
        Path(place).chmod(0o755)
        folder = PluginFolder(Path(place) / "mixed")
        folder.add("good.py", GOOD)
        folder.add("secret.py", GOOD).chmod(0)
        folder.add("closed/__init__.py", GOOD).parent.chmod(0)
        yield folder
        (folder.path / "closed").chmod(0o755)


def test_what_cannot_be_read_is_a_problem_of_its_own(
    app: Flask, unreadable: PluginFolder
) -> None:
    with without_rights():
        loader = Loader(app, state_of(app).registry, AppHost(app))
        loader.load_folders((str(unreadable),))
    assert served(app) == ["good@1-0-0"]
    found = {Path(source).name: text for source, text in problems(app).items()}
    assert set(found) == {"secret.py", "closed"}
    assert all("PermissionError" in text for text in found.values())


def test_a_file_name_of_any_bytes_is_a_problem_that_can_be_shown(
    make_app: AppFactory, write: Write
) -> None:
    folder = write(good=GOOD)
    path = os.fsencode(folder.path) + b"/bad\xff.py"
    Path(os.fsdecode(path)).write_text("raise ValueError")
    app = make_app(PLUGIN_FOLDERS=[str(folder)])
    assert served(app) == ["good@1-0-0"]
    assert app.test_client().get("/problems/").get_json()["problems"]
    assert app.test_cli_runner().invoke(args=["plugins", "list"]).exit_code == 0


def test_names_of_tasks_do_not_depend_on_the_place(
    make_app: AppFactory, tmp_path: Path
) -> None:
    source = plugin("x", more="from app_runner.plugin_api import CELERY") + (
        "\n@CELERY.task()\ndef job(): ..."
    )
    names = []
    for place in ("here", "there/deeper"):
        folder = PluginFolder(tmp_path / place)
        folder.add("x.py", source)
        app = make_app(PLUGIN_FOLDERS=[str(folder)])
        names.append({n for n in state_of(app).celery.tasks if n.endswith(".job")})
    assert names == [{"x.job"}, {"x.job"}]
