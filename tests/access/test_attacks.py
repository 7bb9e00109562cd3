"""Attacks on the doors: each is kept out, and gets in when its lock is taken away."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest

from app_runner.api import csrf, gate
from app_runner.api.credentials import COOKIE
from app_runner.application import RunnerFlask
from app_runner.db import tokens
from app_runner.ui import headers, login_pages
from tests.access.conftest import PROCESS, Site

CANCEL = {"command": "cancel"}
EVIL = "https://evil.example"


def forged_without_algorithm() -> str:
    parts = (b'{"alg":"none","typ":"JWT"}', b'{"sub":"root","scope":"admin"}')
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def with_cookie(site: Site, user: str, **headers: str) -> dict[str, Any]:
    """Log in as a browser does, and give the options of its next request."""
    with site.app.app_context():
        text = tokens.create("Session", user, kind="session")
    site.client.set_cookie(COOKIE, text)
    return {"headers": headers}


def cancel_of_stranger(site: Site) -> bool:
    return bool(site.ask("bob", "POST", site.task("ann"), json=CANCEL).status_code == 200)


def task_of_stranger(site: Site) -> bool:
    return bool(site.ask("bob", "GET", site.task("ann")).status_code == 200)


def file_of_stranger(site: Site) -> bool:
    return bool(site.ask("bob", "GET", site.file(site.task("ann"))).status_code == 200)


def task_by_guessing(site: Site) -> bool:
    path = site.task("ann").split("/")[2]
    number, _, mac = path.partition("-")
    other = f"{number}-{'a' * len(mac)}"
    return bool(site.ask("bob", "GET", f"/tasks/{other}/").status_code == 200)


def start_without_login(site: Site) -> bool:
    return bool(site.ask(None, "POST", PROCESS, data={"text": "x"}).status_code == 303)


def bearer(site: Site, token: str) -> bool:
    header = {"Authorization": f"Bearer {token}"}
    return bool(site.ask(None, "GET", "/tasks/", headers=header).status_code == 200)


def token_without_algorithm(site: Site) -> bool:
    return bearer(site, forged_without_algorithm())


def token_of_foreign_key(site: Site) -> bool:
    return bearer(site, jwt.encode({"sub": "root"}, "f" * 40, "HS256"))


def token_that_ended(site: Site) -> bool:
    secret = site.app.config["SECRET_KEY"]
    return bearer(site, jwt.encode({"sub": "ann", "exp": 1}, secret, "HS256"))


def foreign_page_posts(site: Site) -> bool:
    sent = with_cookie(site, "ann", **{"Sec-Fetch-Site": "cross-site", "Origin": EVIL})
    return bool(
        site.ask(None, "POST", PROCESS, data={"text": "x"}, **sent).status_code == 303
    )


def old_browser_posts(site: Site) -> bool:
    sent = with_cookie(site, "ann", Origin=EVIL)
    return bool(
        site.ask(None, "POST", PROCESS, data={"text": "x"}, **sent).status_code == 303
    )


def foreign_page_logs_in(site: Site) -> bool:
    form = {"token": site.tokens["bob"], "csrf_token": "x"}
    return COOKIE in site.ask(None, "POST", "/login/", data=form).headers.get(
        "Set-Cookie", ""
    )


def foreign_page_frames_a_form(site: Site) -> bool:
    answer = site.ask(None, "GET", "/plugins/echo@1-0-0/ui/")
    return "frame-ancestors 'self'" not in answer.headers["Content-Security-Policy"]


def foreign_page_frames_the_console(site: Site) -> bool:
    answer = site.ask(None, "GET", "/", headers={"Accept": "text/html"})
    return "frame-ancestors 'self'" not in answer.headers["Content-Security-Policy"]


def forged_host(site: Site) -> bool:
    headers = {"Host": "evil.example"}
    answer = site.ask(None, "GET", "/plugins/", headers=headers)
    return answer.status_code == 200 and "evil.example" in answer.text


def login_leads_away(site: Site) -> bool:
    for place in ("//evil.example/", "https://evil.example/", "/\\evil.example/"):
        page = site.ask(None, "GET", "/login/", query_string={"next": place})
        token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
        form = {"token": site.tokens["ann"], "csrf_token": token, "next": place}
        answer = site.ask(None, "POST", "/login/", data=form)
        assert answer.status_code == 303
        site.client.delete_cookie(COOKIE)
        if "evil.example" in answer.headers["Location"]:
            return True
    return False


def many_fields(site: Site) -> bool:
    body = "&".join(f"f{n}=1" for n in range(2000)) + "&text=x"
    kind = "application/x-www-form-urlencoded"
    answer = site.ask("ann", "POST", PROCESS, data=body, content_type=kind)
    return bool(answer.status_code == 303)


def many_parts(site: Site) -> bool:
    fields = {f"f{n}": "1" for n in range(2000)} | {"text": "x"}
    kind = "multipart/form-data"
    answer = site.ask("ann", "POST", PROCESS, data=fields, content_type=kind)
    return bool(answer.status_code == 303)


def deep_json(site: Site) -> bool:
    deep = "[" * 400 + "]" * 400
    body = f'{{"text": "x", "more": {deep}}}'
    answer = site.ask("ann", "POST", PROCESS, data=body, content_type="application/json")
    return bool(answer.status_code == 303)


def large_body(site: Site) -> bool:
    body = json.dumps({"text": "x", "more": "y" * 20_000_000})
    answer = site.ask("ann", "POST", PROCESS, data=body, content_type="application/json")
    return bool(answer.status_code == 303)


@dataclass
class Attack:
    """What is tried, on which runner, and what keeps it out."""

    succeeds: Callable[[Site], bool]
    #: Takes the lock away.
    unlock: Callable[[pytest.MonkeyPatch], None] = lambda patch: None
    #: Settings that the lock needs, and those that open it.
    settings: tuple[tuple[str, Any], ...] = ()
    opened: tuple[tuple[str, Any], ...] = ()


def no_owner_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gate.Gate, "_check_owner", lambda *_: None)
    patch.setattr("app_runner.api.tasks.require_owner", lambda *_: None)


def no_key_check(patch: pytest.MonkeyPatch) -> None:
    def believe(token: str, *_: Any, **__: Any) -> Any:
        return jwt.decode(token, options={"verify_signature": False})

    patch.setattr("app_runner.api.credentials.checked_claims", believe)


def no_end_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("jwt.api_jwt.PyJWT._validate_exp", lambda *_, **__: None)


def no_site_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(csrf, "comes_from_us", lambda: True)


def no_form_token(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(csrf, "is_own", lambda cookie: True)


def any_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(login_pages, "_place", lambda wanted: wanted)


def any_host(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RunnerFlask, "_check_host", lambda *_: None)


def any_signature(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("app_runner.ids.hmac.compare_digest", lambda a, b: True)


def frames_of_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(headers, "plugin_page_policy", lambda frames: "default-src 'self'")
    patch.setattr("app_runner.ui.pages.own_page_policy", lambda: "default-src 'self'")


OWNERS_READ = (("READING", "login"),)
ATTACKS = [
    Attack(cancel_of_stranger, no_owner_check),
    Attack(task_of_stranger, no_owner_check, OWNERS_READ),
    Attack(file_of_stranger, no_owner_check, OWNERS_READ),
    Attack(task_by_guessing, any_signature),
    Attack(start_without_login, opened=(("LOGIN_REQUIRED", False),)),
    Attack(token_without_algorithm, no_key_check),
    Attack(token_of_foreign_key, no_key_check),
    Attack(token_that_ended, no_end_check),
    Attack(foreign_page_posts, no_site_check),
    Attack(old_browser_posts, no_site_check),
    Attack(foreign_page_logs_in, no_form_token),
    Attack(foreign_page_frames_a_form, frames_of_all),
    Attack(foreign_page_frames_the_console, frames_of_all),
    Attack(forged_host, any_host),
    Attack(login_leads_away, any_place),
    Attack(many_fields, opened=(("MAX_FORM_FIELDS", 10_000),)),
    Attack(many_parts, opened=(("MAX_FORM_FIELDS", 10_000),)),
    Attack(deep_json, opened=(("MAX_JSON_DEPTH", 500),)),
    Attack(large_body, opened=(("MAX_FORM_MEMORY_SIZE", 2**30),)),
]


def name_of(attack: Attack) -> str:
    return attack.succeeds.__name__


@pytest.mark.parametrize("attack", ATTACKS, ids=name_of)
def test_an_attack_is_kept_out(make_site: Any, attack: Attack) -> None:
    assert not attack.succeeds(make_site(**dict(attack.settings)))


@pytest.mark.parametrize("attack", ATTACKS, ids=name_of)
def test_without_its_lock_it_gets_in(
    make_site: Any, monkeypatch: pytest.MonkeyPatch, attack: Attack
) -> None:
    """Or the test above would show nothing."""
    attack.unlock(monkeypatch)
    assert attack.succeeds(make_site(**{**dict(attack.settings), **dict(attack.opened)}))
