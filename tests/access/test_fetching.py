"""Who has not logged in has nothing fetched, also by pages that need no login."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.access.conftest import Site
from tests.conftest import PluginFolder
from tests.fetch.servers import Server, serving

PAGES = '''
    from flask import request

    from {module} import SecurityBlueprint
    from {opening} import open_url
    from {base}

    BLP = SecurityBlueprint("{name}@1", __name__)

    @BLP.route("/ui/")
    @BLP.require_jwt("jwt", optional=True)
    def show():
        """Show what is at a URL."""
        with open_url(request.args["data"]) as response:
            return response.text

    class Pages(PluginBase):
        name, version, tags, description = "{name}", "1", [], ""

        def get_api_blueprint(self):
            return BLP
'''
OURS = {
    "name": "pages",
    "module": "app_runner.plugin_api",
    "opening": "app_runner.plugin_api",
    "base": "app_runner.plugin_api import PluginBase",
}
PUBLISHED = {
    "name": "published-pages",
    "module": "qhana_plugin_runner.api.util",
    "opening": "qhana_plugin_runner.requests",
    "base": "qhana_plugin_runner.util.plugins import QHAnaPluginBase as PluginBase",
}
UIS = [f"/plugins/{each['name']}@1/ui/" for each in (OURS, PUBLISHED)]


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    with serving(lambda exchange: exchange.reply(b"from elsewhere")) as server:
        yield server


@pytest.fixture
def make(make_site: Any, plugin_folder: PluginFolder) -> Any:
    for each in (OURS, PUBLISHED):
        plugin_folder.add(f"{each['name']}.py", PAGES.format(**each))
    return lambda **settings: make_site(FETCH_ALLOWED_HOSTS=["127.0.0.1"], **settings)


def shown(site: Site, user: str | None, ui: str, url: str) -> Any:
    return site.ask(user, "GET", ui, query_string={"data": url})


@pytest.mark.parametrize("ui", UIS)
def test_strangers_have_nothing_fetched(make: Any, elsewhere: Server, ui: str) -> None:
    site = make()
    refused = shown(site, None, ui, elsewhere.url())
    assert refused.status_code == 422
    assert refused.get_json()["message"].startswith("Log in, or send a token, to have")
    assert elsewhere.connections == 0
    assert shown(site, "ann", ui, elsewhere.url()).text == "from elsewhere"


@pytest.mark.parametrize("ui", UIS)
def test_strangers_are_shown_what_needs_no_network(make: Any, ui: str) -> None:
    site = make()
    assert shown(site, None, ui, "data:text/plain,here").text == "here"
    own = f"http://localhost{site.file(site.task(None))}"
    assert shown(site, None, ui, own).text == "hello"


@pytest.mark.parametrize("ui", UIS)
def test_where_nobody_logs_in_all_may(make: Any, elsewhere: Server, ui: str) -> None:
    for settings in ({"LOGIN_REQUIRED": False}, {"EXPOSURE": "local"}):
        answer = shown(make(**settings), None, ui, elsewhere.url())
        assert answer.text == "from elsewhere"
