"""Rates, secrets, templates, and the refusal to start open."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from flask import render_template

from app_runner.api.start_check import refuse_unsafe_start
from app_runner.errors import SettingError
from app_runner.logs import RunnerHandler
from app_runner.state import state_of
from app_runner.tasks.processing import explain
from tests.access.conftest import PROCESS, Site
from tests.conftest import AppFactory, PluginFolder

GOOD = "0123456789abcdef" * 4


def test_too_many_changes_are_refused_for_a_while(make_site: Any) -> None:
    site = make_site(RATE_LIMIT="3/hour")
    answers = [site.ask("ann", "POST", PROCESS, data={"text": "x"}) for _ in range(4)]
    assert [a.status_code for a in answers] == [303, 303, 303, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 3600
    assert site.ask("bob", "POST", PROCESS, data={"text": "x"}).status_code == 303
    assert site.ask("ann", "GET", "/tasks/").status_code == 200


def test_wrong_tokens_are_counted_by_address(make_site: Any) -> None:
    site = make_site(RATE_LIMIT_LOGIN="2/hour")
    wrong = {"Authorization": "Bearer apr_" + "x" * 43}
    answers = [site.ask(None, "GET", "/tasks/", headers=wrong) for _ in range(3)]
    assert [a.status_code for a in answers] == [401, 401, 429]
    assert site.ask("ann", "GET", "/tasks/").status_code == 200


def test_servers_count_together_in_redis(
    make_site: Any, embedded_broker_url: str
) -> None:
    settings = {"RATE_LIMIT": "2/hour", "RATE_LIMIT_STORAGE": ""}
    sites = [make_site(**settings, BROKER_URL=embedded_broker_url) for _ in range(2)]
    codes = [
        site.ask("ann", "POST", PROCESS, data={"text": "x"}).status_code
        for site in (*sites, sites[0])
    ]
    assert codes == [303, 303, 429]


def test_requests_go_on_while_rates_cannot_be_counted(make_site: Any) -> None:
    site = make_site(RATE_LIMIT="1/hour", RATE_LIMIT_STORAGE="redis://127.0.0.1:1/0")
    for _ in range(2):
        answer = site.ask("ann", "POST", PROCESS, data={"text": "x"})
        assert answer.status_code == 303


@pytest.mark.parametrize("exposure", ["private", "public"])
def test_a_server_without_a_way_to_log_in_does_not_start(
    make_app: AppFactory, exposure: str
) -> None:
    with pytest.raises(SettingError) as caught:
        refuse_unsafe_start(make_app(EXPOSURE=exposure))
    text = str(caught.value)
    assert "LOGIN_REQUIRED=false" in text
    assert "flask token create" in text
    assert "\n" not in text
    refuse_unsafe_start(make_app(EXPOSURE=exposure, LOGIN_REQUIRED=False))
    refuse_unsafe_start(make_app(EXPOSURE=exposure, JWT_SECRET_KEY=GOOD))


def test_nor_does_one_without_tables(make_app: AppFactory) -> None:
    with pytest.raises(SettingError, match="LOGIN_REQUIRED"):
        refuse_unsafe_start(make_app(EXPOSURE="public", tables=False))


def test_a_token_is_a_way_to_log_in_until_it_is_revoked(site: Site) -> None:
    refuse_unsafe_start(site.app)
    names = ("ann's", "bob's", "root's")
    site.app.test_cli_runner().invoke(args=["token", "revoke", *names])
    with pytest.raises(SettingError, match="LOGIN_REQUIRED"):
        refuse_unsafe_start(site.app)


@pytest.mark.parametrize(
    "secret",
    ["short", "change-me-change-me-change-me", "your-secret-key-your-secret-key"],
)
@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET_KEY"])
def test_secrets_that_everybody_knows_are_refused(
    make_app: AppFactory, name: str, secret: str
) -> None:
    settings = {"SECRET_KEY": GOOD, "JWT_SECRET_KEY": GOOD, name: secret}
    with pytest.raises(SettingError, match=name) as caught:
        refuse_unsafe_start(make_app(EXPOSURE="public", **settings))
    assert secret not in str(caught.value)
    refuse_unsafe_start(make_app(EXPOSURE="local", **settings))


def test_secrets_stand_in_no_log_line_and_no_reason(make_app: AppFactory) -> None:
    url = "redis://user:p%40ssw0rd@127.0.0.1:1/0"
    app = make_app(SECRET_KEY=GOOD, BROKER_URL=url, EXPOSURE="public")
    error = ValueError(f"{GOOD} and {url} and p@ssw0rd")
    with app.app_context():
        reason = explain(error, None)
    handler = next(
        h for h in logging.getLogger().handlers if isinstance(h, RunnerHandler)
    )
    record = logging.LogRecord("x", logging.INFO, "", 1, "%s", (str(error),), None)
    record.request_id = "-"
    for text in (reason, handler.format(record)):
        assert "***" in text
        assert GOOD not in text
        assert "ssw0rd" not in text


@pytest.mark.parametrize(
    "name", ["page.html", "page.htm", "page", "page.jinja", "x.html.j2"]
)
def test_templates_of_plugins_are_escaped_whatever_they_are_called(
    make_app: AppFactory, tmp_path: Path, name: str
) -> None:
    app = make_app()
    (tmp_path / name).write_text("{{ text }}")
    app.jinja_loader.searchpath.append(str(tmp_path))  # type: ignore[union-attr]
    with app.app_context():
        assert render_template(name, text="<script>") == "&lt;script&gt;"


def test_plugins_ask_for_scopes(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add(
        "lab.py",
        """
        from app_runner.plugin_api import Plugin, Task

        plugin = Plugin("lab", "1.0.0", scopes=["lab"])

        @plugin.processor()
        def measure(task: Task, text: str) -> str:
            "Measures."
            return text
        """,
    )
    settings = {"PLUGIN_FOLDERS": [str(plugin_folder)], "BROKER_URL": "memory://"}
    path, form = "/plugins/lab@1-0-0/process/", {"text": "x"}
    site = Site(make_app(EXPOSURE="public", **settings))
    runner = site.app.test_cli_runner()
    made = runner.invoke(args=["token", "create", "eve", "--scope", "lab"])
    site.tokens["eve"] = made.output.strip()
    users = (None, "ann", "eve", "root")
    codes = [site.ask(user, "POST", path, data=form).status_code for user in users]
    assert codes == [401, 403, 303, 303]
    document = site.ask(None, "GET", "/api-spec.json").json
    assert "403" in document["paths"][path]["post"]["responses"]
    local = Site(make_app(EXPOSURE="local", **settings))
    assert local.ask(None, "POST", path, data=form).status_code == 303


def test_the_document_says_who_may_do_what(make_site: Any) -> None:
    def security(site: Site, path: str, method: str) -> list[list[str]]:
        document = site.ask("ann", "GET", "/api-spec.json").json
        assert set(document["components"]["securitySchemes"]) == {
            *("jwt", "apiKey", "session")
        }
        return [sorted(one) for one in document["paths"][path][method]["security"]]

    ways = [["jwt"], ["apiKey"], ["session"]]
    task = "/tasks/{task_id}/"
    nobody: list[str] = []
    assert security(make_site(), PROCESS, "post") == ways
    assert security(make_site(), task, "get") == [*ways, nobody]
    assert security(make_site(READING="login"), task, "get") == ways
    opened = make_site(LOGIN_REQUIRED=False)
    assert security(opened, PROCESS, "post") == [*ways, nobody]
    assert state_of(opened.app).settings["LOGIN_REQUIRED"] is False
