"""Attacks on the doors: each is kept out, and gets in when its lock is taken away."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from kombu.exceptions import ContentDisallowed

from app_runner.api import csrf, gate
from app_runner.api.credentials import COOKIE
from app_runner.application import RunnerFlask
from app_runner.db import tokens
from app_runner.db.types import now
from app_runner.fetch import FetchRefused
from app_runner.state import state_of
from app_runner.tasks import queue, webhooks
from app_runner.tasks.celery_settings import celery_settings
from app_runner.ui import headers, login_pages
from tests.access.conftest import PROCESS, Site
from tests.fetch.servers import Exchange, serving

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


def events_of_stranger(site: Site) -> bool:
    ended: dict[str, Any] = {"finished_at": now(), "state": "succeeded"}
    path = site.task("ann", task_status="SUCCESS", **ended)
    return bool(site.ask("bob", "GET", f"{path}events").status_code == 200)


def log_of_stranger(site: Site) -> bool:
    return bool(site.ask("bob", "GET", f"{site.task('ann')}log").status_code == 200)


def deliveries_of_stranger(site: Site) -> bool:
    path = f"{site.task('ann')}deliveries"
    return bool(site.ask("bob", "GET", path).status_code == 200)


def preview_of_stranger(site: Site) -> bool:
    path = site.file(site.task("ann")).replace("/?", "/preview/?")
    return bool(site.ask("bob", "GET", path).status_code == 200)


def link_to_file_of_stranger(site: Site) -> bool:
    path = site.file(site.task("ann")).replace("/?", "/link/?")
    return bool(site.ask("bob", "GET", path).status_code == 200)


def upload_of_stranger(site: Site) -> bool:
    made = site.ask("ann", "POST", "/files/", data=b"hello").headers["Location"]
    path = made.removeprefix("http://localhost")
    return bool(site.ask("bob", "GET", path).status_code == 200)


def end_of_a_stranger_s_upload(site: Site) -> bool:
    made = site.ask("ann", "POST", "/files/", data=b"hello").headers["Location"]
    path = made.removeprefix("http://localhost")
    tus = {"Tus-Resumable": "1.0.0"}
    return bool(site.ask("bob", "DELETE", path, headers=tus).status_code == 204)


def hook_to_this_machine(site: Site) -> bool:
    """Let a webhook lead to a port of loopback, and see whether that is connected to."""
    with serving(lambda exchange: exchange.reply(b"")) as inside:
        message: Any = SimpleNamespace(
            message_id="msg_1",
            body="{}",
            event_type="status",
            task_href="http://localhost/tasks/1/",
            webhook_href=inside.url(path="/hook"),
        )
        with site.app.app_context():
            webhooks.post(site.app, message)
        return inside.connections > 0


def redirect_to_this_machine(site: Site) -> bool:
    """Let a server that may be fetched lead to one that may not."""
    with serving(lambda exchange: exchange.reply(b"")) as inside:

        def lead_on(exchange: Exchange) -> None:
            exchange.redirect(inside.url())

        with serving(lead_on, "127.0.0.2") as outside, site.app.app_context():
            with suppress(FetchRefused):
                state_of(site.app).fetcher.open(outside.url()).close()
            assert outside.connections == 1
        return inside.connections > 0


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


def token_for_another_audience(site: Site) -> bool:
    claims = {"sub": "ann", "aud": "another runner"}
    return bearer(site, jwt.encode(claims, site.app.config["SECRET_KEY"], "HS256"))


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


def large_form(site: Site) -> bool:
    fields = {"text": "x", "more": (BytesIO(bytes(100_000)), "more")}
    kind = "multipart/form-data"
    answer = site.ask("ann", "POST", PROCESS, data=fields, content_type=kind)
    return bool(answer.status_code == 303)


def many_starts(site: Site) -> bool:
    answers = [site.ask("ann", "POST", PROCESS, data={"text": "x"}) for _ in range(4)]
    return all(answer.status_code == 303 for answer in answers)


def many_guesses(site: Site) -> bool:
    tokens_ = [f"apr_{number:043}" for number in range(4)]
    headers_ = [{"Authorization": f"Bearer {token}"} for token in tokens_]
    answers = [site.ask(None, "GET", "/tasks/", headers=each) for each in headers_]
    return all(answer.status_code == 401 for answer in answers)


def large_body(site: Site) -> bool:
    body = json.dumps({"text": "x", "more": "y" * 20_000_000})
    answer = site.ask("ann", "POST", PROCESS, data=body, content_type="application/json")
    return bool(answer.status_code == 303)


def next_user_of_a_shared_cache(site: Site) -> bool:
    """Ask through a cache that keeps what nobody says is private (RFC 9111)."""
    sent = with_cookie(site, "ann")
    kept = site.ask(None, "GET", "/tasks/", **sent)
    console = site.ask(None, "GET", "/", headers={"Accept": "text/html"})
    told = [answer.headers.get("Cache-Control", "") for answer in (kept, console)]
    return not all({"private", "no-store"} & set(text.split(", ")) for text in told)


def pickled_message(site: Site) -> bool:
    """Put a message into the queue whose content is code as soon as it is read."""
    celery: Any = state_of(site.app).celery
    read: list[Any] = []
    with celery.connection_for_read() as connection, connection.channel() as channel:
        queue = celery.amqp.queues[celery.conf.task_default_queue]
        consumer = celery.amqp.TaskConsumer(channel, queues=[queue])
        consumer.register_callback(lambda body, message: read.append(body))
        queue(channel).purge()  # other tests of this process share the broker in memory
        producer = celery.amqp.Producer(channel)
        content = {"queue": queue, "routing_key": queue.routing_key, "declare": [queue]}
        with consumer:
            producer.publish([["x"], {}], serializer="pickle", **content)
            with suppress(ContentDisallowed):
                connection.drain_events(timeout=5)
    return bool(read)


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
    for module in ("tasks", "uploads", "deliveries"):
        patch.setattr(f"app_runner.api.{module}.require_owner", lambda *_: None)


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
    patch.setattr(headers, "plugin_page_policy", lambda *_given: "default-src 'self'")
    patch.setattr("app_runner.ui.pages.own_page_policy", lambda: "default-src 'self'")


def no_privacy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(headers.PageHeaders, "_keep_private", lambda *_: None)


def any_content(patch: pytest.MonkeyPatch) -> None:
    def open_to_all(settings: Any) -> dict[str, Any]:
        return {**celery_settings(settings), "accept_content": ["json", "pickle"]}

    patch.setattr(queue, "celery_settings", open_to_all)


OWNERS_READ = (("READING", "login"),)
ATTACKS = [
    Attack(cancel_of_stranger, no_owner_check),
    Attack(task_of_stranger, no_owner_check, OWNERS_READ),
    Attack(file_of_stranger, no_owner_check, OWNERS_READ),
    Attack(events_of_stranger, no_owner_check, OWNERS_READ),
    Attack(log_of_stranger, no_owner_check, OWNERS_READ),
    Attack(deliveries_of_stranger, no_owner_check),
    Attack(preview_of_stranger, no_owner_check, OWNERS_READ),
    Attack(link_to_file_of_stranger, no_owner_check, OWNERS_READ),
    Attack(upload_of_stranger, no_owner_check, OWNERS_READ),
    Attack(end_of_a_stranger_s_upload, no_owner_check),
    Attack(hook_to_this_machine, opened=(("FETCH_ALLOWED_HOSTS", ["127.0.0.1"]),)),
    Attack(
        redirect_to_this_machine,
        settings=(("FETCH_ALLOWED_HOSTS", ["127.0.0.2"]),),
        opened=(("FETCH_ALLOWED_HOSTS", ["127.0.0.0/8"]),),
    ),
    Attack(task_by_guessing, any_signature),
    Attack(start_without_login, opened=(("LOGIN_REQUIRED", False),)),
    Attack(token_without_algorithm, no_key_check),
    Attack(token_of_foreign_key, no_key_check),
    Attack(token_that_ended, no_end_check),
    Attack(
        token_for_another_audience,
        settings=(("JWT_AUDIENCE", "this runner"),),
        opened=(("JWT_AUDIENCE", ""),),
    ),
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
    Attack(next_user_of_a_shared_cache, no_privacy),
    Attack(pickled_message, any_content),
    Attack(
        large_form,
        settings=(("MAX_CONTENT_LENGTH", 50_000),),
        opened=(("MAX_CONTENT_LENGTH", 500_000),),
    ),
    Attack(
        many_starts,
        settings=(("RATE_LIMIT", "3/minute"),),
        opened=(("RATE_LIMIT", ""),),
    ),
    Attack(
        many_guesses,
        settings=(("RATE_LIMIT_LOGIN", "3/minute"),),
        opened=(("RATE_LIMIT_LOGIN", ""),),
    ),
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
