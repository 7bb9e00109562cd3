"""The client finds resources of a registry, and one that is away harms nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app_runner.db.signals import VIRTUAL_PLUGIN_CREATED, VIRTUAL_PLUGIN_REMOVED
from app_runner.state import state_of
from app_runner.tasks import plugin_registry
from app_runner.tasks.plugin_registry import (
    PLUGIN_REGISTRY_CLIENT,
    PluginRegistryClient,
    tell_registry,
    with_query,
)
from tests.conftest import AppFactory
from tests.fetch.servers import Exchange, Server, serving
from tests.plugins.conftest import app_with


def link(path: str, kind: str, *rel: str) -> dict[str, Any]:
    return {"href": path, "resourceType": kind, "rel": list(rel)}


SERVICE = {
    "data": {"self": link("/services/1/", "service"), "url": "http://music.example"},
    "links": [],
}
RESOURCES: dict[str, Any] = {
    "/": {
        "data": {"self": link("/", "api", "api", "root")},
        "links": [
            link("/services/", "service", "collection"),
            link("/plugins/", "plugin", "collection"),
            link("/more/", "api", "api"),
            link("/plugins/", "plugin", "post", "create"),
        ],
    },
    "/services/": {
        "data": {
            "self": link("/services/", "service", "collection"),
            "collectionSize": 1,
            "items": [link("/services/1/", "service")],
        },
        "links": [],
        "embedded": [SERVICE],
    },
    "/services/1/": SERVICE,
    "/more/": {
        "data": {"self": link("/more/", "api", "api")},
        "links": [link("/", "api", "api"), link("/seed/", "seed")],
    },
    "/seed/": {"data": {"self": link("/seed/", "seed"), "url": "x"}, "links": []},
    "/odd/": {"data": "text"},
}


def answer(exchange: Exchange) -> None:
    path = exchange.path.partition("?")[0]
    if exchange.command == "POST":
        exchange.reply(status=204)
    elif path in RESOURCES:
        exchange.reply(json.dumps(RESOURCES[path]).encode())
    else:
        exchange.reply(b"no", 404)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with serving(answer) as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    shared_server.seen.clear()
    return shared_server


@pytest.fixture(scope="module")
def shared_app(
    shared_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    settings = {
        "PLUGIN_REGISTRY_URL": shared_server.url(),
        "EXPOSURE": "public",
        "LOGIN_REQUIRED": False,
        "BROKER_URL": "memory://",
    }
    with app_with([], tmp_path_factory.mktemp("instance"), **settings) as app:
        yield app


@pytest.fixture
def app(shared_app: Flask) -> Iterator[Flask]:
    state_of(shared_app).caches.pop(plugin_registry.CACHE, None)
    with shared_app.app_context():
        yield shared_app


def test_a_resource_is_found_by_its_relations(app: Flask, server: Server) -> None:
    query = {"service-id": "music"}
    with PLUGIN_REGISTRY_CLIENT as client:
        assert client.ready
        found = client.search_by_rel(["service", "collection"], query_params=query)
    assert found is not None
    assert found.data["collectionSize"] == 1
    assert found.embedded is not None
    assert found.embedded["/services/1/"].data["url"] == "http://music.example"
    assert [seen.path for seen in server.seen] == ["/", "/services/?service-id=music"]
    item = PLUGIN_REGISTRY_CLIENT.fetch_by_api_link(found.data["items"][0])
    assert item is not None
    assert item.data["url"] == "http://music.example"


def test_a_single_resource_is_found_behind_its_collection(app: Flask) -> None:
    found = PLUGIN_REGISTRY_CLIENT.search_by_rel(
        "service", query_params={}, allow_collection_resource=False
    )
    assert found is not None
    assert found.data["url"] == "http://music.example"


def test_the_search_goes_on_behind_other_apis(app: Flask, server: Server) -> None:
    found = PLUGIN_REGISTRY_CLIENT.search_by_rel("seed")
    assert found is not None
    assert found.data["url"] == "x"
    assert PLUGIN_REGISTRY_CLIENT.search_by_rel("none") is None
    assert len(server.seen) <= 6


def test_what_is_no_resource_is_none(app: Flask) -> None:
    for path in ("/odd/", "/none/"):
        assert PLUGIN_REGISTRY_CLIENT.fetch_by_api_link(link(path, "x")) is None
    assert PLUGIN_REGISTRY_CLIENT.search_by_rel("seed") is not None


@pytest.fixture
def alone(make_app: AppFactory) -> Iterator[Flask]:
    app = make_app()
    with app.app_context():
        yield app


def test_no_registry_is_no_error(alone: Flask) -> None:
    assert not PLUGIN_REGISTRY_CLIENT.ready
    assert PLUGIN_REGISTRY_CLIENT.search_by_rel("plugin") is None
    assert VIRTUAL_PLUGIN_CREATED.send(alone, plugin_url="http://x.example/")


def test_a_registry_that_is_down_is_asked_once(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(PLUGIN_REGISTRY_URL="http://127.0.0.1:1/")
    with app.app_context():
        began = time.monotonic()
        assert [PLUGIN_REGISTRY_CLIENT.search_by_rel("plugin") for _ in range(9)] == (
            [None] * 9
        )
        tell_registry("http://x.example/")
        assert time.monotonic() - began < 2
    assert caplog.text.count("gives no answer") == 1
    state_of(app).caches[plugin_registry.CACHE] = 0.0
    assert PluginRegistryClient(app).search_by_rel("plugin") is None
    assert caplog.text.count("gives no answer") == 2


def test_a_slow_registry_is_given_up(app: Flask) -> None:
    def drip(exchange: Exchange) -> None:
        exchange.drip(b" ")

    with serving(drip) as slow, pytest.MonkeyPatch.context() as patch:
        patch.setitem(state_of(app).settings, "PLUGIN_REGISTRY_URL", slow.url())
        began = time.monotonic()
        client = PluginRegistryClient(app, timeout=0.2)
        assert client.search_by_rel("plugin") is None
        assert time.monotonic() - began < 2


def test_the_registry_is_told_of_virtual_plugins(app: Flask, server: Server) -> None:
    tell_registry("http://x.example/?a=1")
    posts = [seen.path for seen in server.seen if seen.method == "POST"]
    assert posts == ["/plugins/?url=http%3A%2F%2Fx.example%2F%3Fa%3D1"]


def test_telling_is_the_work_of_a_job(app: Flask, server: Server) -> None:
    celery = state_of(app).celery
    for signal in (VIRTUAL_PLUGIN_CREATED, VIRTUAL_PLUGIN_REMOVED):
        signal.send(app, plugin_url="http://x.example/")
    with celery.connection_for_read() as connection:
        queue = connection.SimpleQueue(celery.conf.task_default_queue)
        names = [queue.get_nowait().headers["task"] for _ in range(queue.qsize())]
        queue.close()
    assert names.count("app-runner.tell-registry") == 2
    assert server.seen == []


def test_a_query_is_added_to_the_one_that_is_there() -> None:
    assert with_query("http://x/?a=1", {"b": [2, 3]}) == "http://x/?a=1&b=2&b=3"
    assert with_query("http://x/", None) == "http://x/"
