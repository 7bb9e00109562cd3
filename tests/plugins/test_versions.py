"""Several versions of a plugin side by side, and the way to the newest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from packaging.version import Version

from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder
from tests.fixtures import VERSIONS
from tests.plugins.conftest import app_with


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with app_with([str(VERSIONS)], tmp_path_factory.mktemp("instance")) as app:
        yield app


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_all_versions_are_served_in_the_order_of_versions(client: FlaskClient) -> None:
    listed = client.get("/plugins/").get_json()["plugins"]
    assert [p["version"] for p in listed] == ["1.9.0", "1.10.0", "2.0.0rc1"]
    for one in listed:
        metadata = client.get(one["apiRoot"]).get_json()
        assert (metadata["name"], metadata["version"]) == ("adder", one["version"])


def test_the_name_leads_to_the_newest_version(client: FlaskClient) -> None:
    answer = client.get("/plugins/adder/")
    assert answer.status_code == 302
    assert answer.location == "/plugins/adder@2-0-0rc1/"


def test_each_version_has_tasks_of_its_own(app: Flask) -> None:
    tasks = {name for name in state_of(app).celery.tasks if name.startswith("adder")}
    assert tasks == {f"adder@{v}.add" for v in ("1-9-0", "1-10-0", "2-0-0rc1")}


@pytest.mark.parametrize(
    "versions", [("1", "1.0.1"), ("v1.0", "v1.0.post1"), ("2024.1", "1!0"), ("9", "10")]
)
def test_newest_is_what_pep_440_says(
    make_app: AppFactory, plugin_folder: PluginFolder, versions: tuple[str, str]
) -> None:
    for number, version in enumerate(versions):
        source = f"from app_runner.plugin_api import Plugin\np = Plugin('x', {version!r})"
        plugin_folder.add(f"x{number}.py", source)
    registry = state_of(make_app(PLUGIN_FOLDERS=[str(plugin_folder)])).registry
    newest = registry.newest("x")
    assert newest is not None
    assert newest.parsed_version == max(map(Version, versions))
