"""The Flask class of the runner: links without a request, hosts it answers to, secret.

Knows Flask and the settings, nothing of plugins or tasks.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable
from functools import wraps
from inspect import CO_COROUTINE
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from flask import (
    Flask,
    Request,
    Response,
    current_app,
    has_request_context,
    request,
)
from flask.json.provider import DefaultJSONProvider
from flask.sansio.app import App
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.exceptions import SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import MapAdapter

from app_runner.babel import gettext
from app_runner.bodies import RunnerRequest
from app_runner.config import Settings
from app_runner.errors import SettingError
from app_runner.ids import PublicIds
from app_runner.rules import LazyRule
from app_runner.state import BASE_URL, EXTENSION, RunnerState, state_of

#: A host name or address, and a port (RFC 9110, section 7.2).
HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
#: A prefix of all paths that a proxy tells. It begins links and redirects, so that one
#: like ``//evil.example`` would lead elsewhere.
PREFIX = re.compile(r"(/[\w.~!$&'()*+,;=:@%-]+)*/?", re.ASCII)
#: Links that are kept at a time; proxies may pass on prefixes that clients choose.
MOST_LINKS = 1000
#: What `flask.url_for` hands on when it is called with an endpoint only.
NO_VALUES = dict.fromkeys(("_anchor", "_method", "_scheme", "_external"))
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
#: Templates that are no markup; all others are escaped, whatever they are called.
PLAIN_TEMPLATE = re.compile(r".*\.(txt|md|css|js|json|csv|sql|py)(\.(j2|jinja2?))?")


class SessionsOnDemand(SecureCookieSessionInterface):
    """Flask's sessions, without reading a cookie that is not there."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Give the session of the request; empty when it brings no cookie."""
        if self.get_cookie_name(app) not in request.environ.get("HTTP_COOKIE", ""):
            return self.session_class()
        return super().open_session(app, request)


class JsonEncodedOnce(DefaultJSONProvider):
    """Flask's JSON, in the order that is given, by an encoder that is made once."""

    sort_keys = False

    def __init__(self, app: App) -> None:
        """Make the encoder."""
        super().__init__(app)
        encoder = json.JSONEncoder(default=self.default, separators=(",", ":"))
        self._encode = encoder.encode

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Answer with a value; indented in debug mode."""
        if self._app.debug:
            return cast(Response, super().response(*args, **kwargs))
        text = self._encode(self._prepare_response_obj(args, kwargs))
        return Response(f"{text}\n", content_type=self.mimetype)


class RunnerFlask(Flask):
    """A Flask whose absolute links work in jobs too."""

    #: Host names that are answered (lower case, no port); None answers any.
    trusted_names: frozenset[str] | None = frozenset()
    session_interface = SessionsOnDemand()
    request_class = RunnerRequest
    url_rule_class = LazyRule
    json_provider_class = JsonEncodedOnce

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what Flask takes."""
        super().__init__(*args, **kwargs)
        self._plain_urls: dict[tuple[str, str | None], str] = {}

    def url_for(
        self,
        endpoint: str,
        *,
        _anchor: str | None = None,
        _method: str | None = None,
        _scheme: str | None = None,
        _external: bool | None = None,
        **values: Any,
    ) -> str:
        """Build a URL; one without any value is built once."""
        special = values or _anchor or _method or _scheme or _external is not None
        if (
            special
            or endpoint[0] == "."
            or self.url_default_functions
            or not has_request_context()
        ):
            return super().url_for(
                endpoint,
                _anchor=_anchor,
                _method=_method,
                _scheme=_scheme,
                _external=_external,
                **values,
            )
        key = endpoint, request.environ.get("SCRIPT_NAME")
        if (known := self._plain_urls.get(key)) is None:
            if len(self._plain_urls) >= MOST_LINKS:
                self._plain_urls.clear()
            known = self._plain_urls[key] = super().url_for(endpoint)
        return known

    def select_jinja_autoescape(self, filename: str | None) -> bool:
        """Escape what templates show; Flask does it only for some endings."""
        return filename is None or PLAIN_TEMPLATE.fullmatch(filename) is None

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Refuse foreign hosts; outside a request, bind to the job's base URL."""
        if request is not None:
            self._check_host(request)
            if request.environ.get("SCRIPT_NAME"):
                self._check_prefix(request)
            return self._adapter_of(request)
        base = BASE_URL.get() if request is None else None
        if base is None:
            return super().create_url_adapter(request)
        parts = urlsplit(base)
        return self.url_map.bind(
            parts.netloc, script_name=parts.path or "/", url_scheme=parts.scheme
        )

    def _adapter_of(self, request: Request) -> MapAdapter:
        """Bind to the request as Flask does, without encoding the checked host anew."""
        environ = request.environ
        return MapAdapter(
            self.url_map,
            request.host,
            f"{request.root_path}/",
            "",
            request.scheme,
            request.path,
            environ["REQUEST_METHOD"],
            environ.get("QUERY_STRING", ""),
        )

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Give ``func``, or a blocking form of a coroutine function.

        Flask asks for all that it calls in a request; reading the flag is ten times as
        fast as asking `inspect`, which Flask does.
        """
        return func if _blocks(func) else super().ensure_sync(func)

    @staticmethod
    def _check_prefix(request: Request) -> None:
        if PREFIX.fullmatch(request.environ["SCRIPT_NAME"]) is None:
            raise SecurityError(gettext("The prefix before the path is no path."))

    def _check_host(self, request: Request) -> None:
        # Flask's own TRUSTED_HOSTS knows no IPv6 and encodes every name anew each time.
        host = request.environ.get("HTTP_HOST")
        if host is None:  # HTTP/1.0; links then name the address that we serve on
            return
        match, trusted = HOST.fullmatch(host.lower()), self.trusted_names
        if match is None:
            raise SecurityError(gettext("The Host header is not a host name."))
        name = match[1]
        if trusted is None or name in trusted:
            return
        if not any(known[0] == "." and name.endswith(known) for known in trusted):
            raise SecurityError(
                gettext(
                    "Host %(name)s is not trusted. TRUSTED_HOSTS opens it.", name=name
                )
            )


def _blocks(func: Callable[..., Any]) -> bool:
    """Tell that ``func`` is surely no coroutine function."""
    code = getattr(func, "__code__", None) or getattr(
        type(func).__call__, "__code__", None
    )
    return code is not None and not code.co_flags & CO_COROUTINE


def blocking(view: Callable[..., Any]) -> Callable[..., Any]:
    """Give ``view``, or for a coroutine function what lets the app wait for it."""
    if _blocks(view):
        return view

    @wraps(view)
    def wait(*args: Any, **kwargs: Any) -> Any:
        return current_app.ensure_sync(view)(*args, **kwargs)

    return wait


def base_url(app: Flask) -> str | None:
    """Give scheme, host and prefix of absolute links, or None when nothing tells it."""
    if has_request_context():
        environ = request.environ
        root = environ.get("SCRIPT_NAME", "").rstrip("/")
        return f"{environ['wsgi.url_scheme']}://{request.host}{root}/"
    if (known := BASE_URL.get()) is not None:
        return known
    if app.config["SERVER_NAME"]:
        root = str(app.config["APPLICATION_ROOT"]).rstrip("/")
        return (
            f"{app.config['PREFERRED_URL_SCHEME']}://{app.config['SERVER_NAME']}{root}/"
        )
    return None


def build(settings: Settings, package_folder: Path) -> RunnerFlask:
    """Make the bare app from its settings; extensions come after."""
    app = RunnerFlask(
        "app_runner",
        instance_path=str(settings.instance),
        root_path=str(package_folder),
        static_folder="ui/static",
        template_folder="ui/templates",
    )
    app.config.from_mapping(settings)
    app.config["SECRET_KEY"] = secret = _secret(settings)
    app.config["TRUSTED_HOSTS"] = None  # checked by the class above
    app.config["MAX_FORM_PARTS"] = settings["MAX_FORM_FIELDS"]
    app.trusted_names = _trusted(settings)
    app.debug = settings["DEBUG"]
    state = app.extensions[EXTENSION] = RunnerState(app, settings)
    state.ids = PublicIds(secret)
    return app


def _trusted(settings: Settings) -> frozenset[str] | None:
    if "*" in settings["TRUSTED_HOSTS"]:
        return None
    own = urlsplit(f"//{settings['SERVER_NAME'] or ''}").hostname or LOOPBACK_NAMES[0]
    return frozenset(map(str.lower, (*LOOPBACK_NAMES, own, *settings["TRUSTED_HOSTS"])))


def _secret(settings: Settings) -> str:
    """Read the secret, or make it on first start so that all processes share it."""
    given = str(settings["SECRET_KEY"])
    return given or kept_secret(
        settings, "secret.key", lambda: secrets.token_hex(32), "SECRET_KEY"
    )


def kept_secret(
    settings: Settings, name: str, make: Callable[[], str], setting: str
) -> str:
    """Read a secret of the instance folder; whoever needs it first makes it.

    Raises `SettingError` when the folder cannot be written; ``setting`` would do instead.
    """
    path = settings.instance / name
    try:
        settings.instance.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _publish_once(path, make())
        return path.read_text().strip()
    except OSError as error:
        allowed = f"the folder must be writable, or {setting} must be set ({error})"
        raise SettingError(
            "APP_RUNNER_INSTANCE_FOLDER", "all settings", allowed
        ) from error


def _publish_once(path: Path, content: str) -> None:
    """Create ``path`` whole and readable by its owner only; the first process wins."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first; its secret is the one to use
    finally:
        draft.unlink()


def init_app(app: Flask) -> None:
    """Trust as many reverse proxies as the setting says, and no more."""
    count = state_of(app).settings["REVERSE_PROXY_COUNT"]
    if count:
        proxied: Any = ProxyFix(
            app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_prefix=count
        )
        app.wsgi_app = proxied  # type: ignore[method-assign]
