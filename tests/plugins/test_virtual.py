"""Virtual plugins: listed beside the plugin that offers them, in every process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app_runner.api.documents import CACHE
from app_runner.db import DB
from app_runner.db.models import VirtualPlugin
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder
from tests.polling import wait_for

#: Offers a plugin for each word that it is given, as published ones do.
PARENT = """
    from flask import current_app, url_for
    from app_runner.plugin_api import (
        DB, VIRTUAL_PLUGIN_CREATED, VIRTUAL_PLUGIN_REMOVED, EntryPoint, PluginBase,
        PluginMetadata, PluginMetadataSchema, PluginType, SecurityBlueprint,
        VirtualPlugin,
    )

    BLUEPRINT = SecurityBlueprint("maker@1", __name__, description="Makes plugins.")

    @BLUEPRINT.route("/")
    def root():
        return {}

    @BLUEPRINT.route("/made/<word>/", methods=["GET"])
    @BLUEPRINT.response(200, PluginMetadataSchema())
    def made(word):
        entry = EntryPoint(href="./x", ui_href="./ui")
        return PluginMetadata(
            title=word, description="", name=word, version="1", tags=[],
            type=PluginType.processing, entry_point=entry,
        )

    @BLUEPRINT.route("/made/<word>/", methods=["POST"])
    def make(word):
        href = url_for("maker@1.made", word=word, _external=True)
        row = VirtualPlugin(
            parent_id=Maker.instance.identifier, name=word, version="1", href=href,
            description=f"About {word}.", tags="one\\ntwo",
        )
        DB.session.add(row)
        DB.session.commit()
        VIRTUAL_PLUGIN_CREATED.send(current_app._get_current_object(), plugin_url=href)
        return {}

    @BLUEPRINT.route("/made/<word>/", methods=["DELETE"])
    def drop(word):
        href = url_for("maker@1.made", word=word, _external=True)
        VirtualPlugin.delete_by_href(href, Maker.instance.identifier, commit=True)
        VIRTUAL_PLUGIN_REMOVED.send(current_app._get_current_object(), plugin_url=href)
        return {}

    class Maker(PluginBase):
        name, version = "maker", "1"

        def get_api_blueprint(self):
            return BLUEPRINT
"""
MADE = "/plugins/maker@1/made/words/"


@pytest.fixture
def site(make_app: AppFactory, plugin_folder: PluginFolder) -> Flask:
    plugin_folder.add("maker.py", PARENT)
    return make_app(PLUGIN_FOLDERS=[str(plugin_folder)])


def listed(client: FlaskClient) -> list[dict[str, Any]]:
    """Ask for the list as a client does that has none yet."""
    found: list[dict[str, Any]] = client.get("/plugins/").get_json()["plugins"]
    return found


def names(client: FlaskClient) -> list[str]:
    return [plugin["identifier"] for plugin in listed(client)]


def wait_for_names(client: FlaskClient, *expected: str) -> None:
    wait_for(lambda: names(client) == list(expected), what="the list changed")


def test_a_virtual_plugin_is_listed_with_its_parent(site: Flask) -> None:
    client = site.test_client()
    assert client.post(MADE).status_code == 200
    wait_for_names(client, "maker@1", "words@1")
    assert listed(client)[1] == {
        "name": "words",
        "version": "1",
        "identifier": "words@1",
        "apiRoot": f"http://localhost{MADE}",
        "description": "About words.",
        "tags": ["one", "two"],
        "parent": "maker@1",
    }
    assert "parent" not in listed(client)[0]
    assert client.get(listed(client)[1]["apiRoot"]).get_json()["name"] == "words"
    page = client.get("/", headers={"Accept": "text/html"}).text
    assert f'data-api-root="http://localhost{MADE}"' in page


def test_it_is_listed_and_gone_in_other_processes_within_a_second(
    site: Flask, make_app: AppFactory
) -> None:
    settings = state_of(site).settings
    other = make_app(
        PLUGIN_FOLDERS=list(settings["PLUGIN_FOLDERS"]),
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{settings.instance / 'app_runner.db'}",
    ).test_client()
    client = site.test_client()
    assert names(other) == ["maker@1"]
    for method, found in (("POST", ["maker@1", "words@1"]), ("DELETE", ["maker@1"])):
        client.open(MADE, method=method)
        asked = time.monotonic()
        wait_for_names(other, *found)
        assert time.monotonic() - asked < 1.5


@pytest.mark.parametrize("wanted", ["words", "words@1"])
def test_its_name_leads_to_its_own_url(site: Flask, wanted: str) -> None:
    client = site.test_client()
    assert client.get(f"/plugins/{wanted}/").status_code == 404
    client.post(MADE)
    answer = client.get(f"/plugins/{wanted}/")
    assert (answer.status_code, answer.location) == (302, f"http://localhost{MADE}")


def add(app: Flask, **columns: str) -> None:
    made = {"parent_id": "maker@1", "name": "a", "version": "1", "href": "http://x/"}
    with app.app_context():
        VirtualPlugin(description="", tags="", **made | columns).save(commit=True)


def test_what_nobody_here_answers_for_is_not_listed(site: Flask) -> None:
    add(site, parent_id="gone@1")
    assert names(site.test_client()) == ["maker@1"]


def test_any_version_and_a_relative_url_can_be_listed(site: Flask) -> None:
    for version in ("1.10", "1.9", "draft"):
        add(site, version=version, href=f"maker@1/made/{version}/")
    found = listed(site.test_client())
    assert [one["version"] for one in found] == ["draft", "1.9", "1.10", "1"]
    root = "http://localhost/plugins/maker@1/made/1.9/"
    assert found[1]["apiRoot"] == root
    newest = site.test_client().get("/plugins/a/")
    assert newest.location == "http://localhost/plugins/maker@1/made/1.10/"


def test_without_a_database_those_known_last_are_listed(
    site: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(site)
    client = site.test_client()
    assert names(client) == ["a@1", "maker@1"]
    with site.app_context():
        DB.session.execute(text("ALTER TABLE virtual_plugin RENAME TO away"))
        DB.session.commit()
    state_of(site).caches[CACHE].clear()
    time.sleep(0.6)  # longer than an answer is kept before Flask
    assert names(client) == ["a@1", "maker@1"]
    assert "cannot be read" in caplog.text
