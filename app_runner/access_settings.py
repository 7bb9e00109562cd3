"""The settings of who may do what, and of the doors: rows as in `config.py`."""

from __future__ import annotations

from app_runner.setting_types import (
    Setting,
    boolean,
    choice,
    frame_hosts,
    integer,
    lines,
    networks,
    rate,
    text,
    trusted_names,
    urls_of,
)

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "TRUSTED_HOSTS",
        (),
        trusted_names,
        "Further host names the runner answers to, separated by commas or spaces; "
        "loopback names and SERVER_NAME always are. `.example.org` takes all below it, "
        "`*` any.",
    ),
    Setting(
        "REVERSE_PROXY_COUNT", 0, integer(0, 10), "Trusted reverse proxies in front."
    ),
    Setting(
        "MAX_CONTENT_LENGTH",
        512 * 2**20,
        integer(1024, 2**50),
        "Bytes of a request body.",
    ),
    Setting(
        "MAX_FORM_MEMORY_SIZE",
        16 * 2**20,
        integer(1024, 2**40),
        "Bytes of a body that is held in memory whole (JSON, urlencoded), and of one "
        "text field of a multipart form.",
    ),
    Setting(
        "FETCH_ALLOWED_HOSTS",
        (),
        networks,
        "Names, addresses or networks that may be fetched though they are private.",
    ),
    Setting(
        "LOGIN_REQUIRED",
        True,
        boolean,
        "With exposure `private` and `public`: only who is logged in may start tasks and "
        "change things. `false` lets everybody in.",
    ),
    Setting(
        "READING",
        "link",
        choice("link", "login"),
        "`link`: who knows the URL of a task or file can read it. `login`: only its "
        "owner and admins can, and pages and documents need a login too.",
    ),
    Setting(
        "JWT_SECRET_KEY",
        (),
        lines,
        "Secrets of bearer tokens signed with HS256, one a line; the first also signs. "
        "Empty: SECRET_KEY.",
        secret=True,
    ),
    Setting(
        "JWT_KEYS",
        "",
        text,
        "Keys of bearer tokens: a JWK Set (JSON), public keys (PEM), or the path of a "
        "file with either.",
        secret=True,
    ),
    Setting("JWT_AUDIENCE", "", text, "Audience that tokens of these keys must name."),
    Setting("JWT_ISSUER", "", text, "Issuer that tokens of these keys must name."),
    Setting(
        "OIDC_ISSUERS",
        (),
        lines,
        "OpenID Connect issuers whose access tokens are taken, one a line: "
        "`<issuer> <audience> [<URL of its keys>]`.",
    ),
    Setting(
        "SESSION_HOURS", 12, integer(1, 24 * 90), "Hours that a login in a browser holds."
    ),
    Setting(
        "FRAME_ANCESTORS",
        (),
        frame_hosts,
        "Origins whose pages may embed the forms of plugins, or `*`. Empty: any where "
        "nobody logs in, else only our own pages.",
    ),
    Setting(
        "PLUGIN_SCRIPT_HOSTS",
        (),
        frame_hosts,
        "Origins besides our own that pages of plugins may load scripts from, or `*`. "
        "Empty: any where nobody logs in, else none.",
    ),
    Setting(
        "HSTS_SECONDS",
        365 * 24 * 3600,
        integer(0, 10 * 365 * 24 * 3600),
        "Seconds that browsers shall insist on TLS; 0 tells them nothing.",
    ),
    Setting(
        "RATE_LIMIT",
        "600/minute",
        rate,
        "Requests that change something, by user or address, except with exposure "
        "`local`. Empty: no limit.",
    ),
    Setting(
        "RATE_LIMIT_LOGIN",
        "20/minute",
        rate,
        "Logins and wrong tokens by address, except with exposure `local`.",
    ),
    Setting(
        "RATE_LIMIT_STORAGE",
        "",
        urls_of("redis", "rediss", "memory"),
        "Where these are counted. Empty: the broker when it is Redis, else memory.",
        secret=True,
    ),
    Setting(
        "MAX_FORM_FIELDS",
        1000,
        integer(1, 10**6),
        "Fields and files of a form.",
    ),
    Setting(
        "MAX_JSON_DEPTH",
        100,
        integer(1, 500),
        "How deep objects and lists of a JSON body may be nested.",
    ),
    Setting(
        "CELERY_SECURITY_KEY",
        "",
        text,
        "Private key (PEM file) that signs messages; all three of these, or none.",
    ),
    Setting("CELERY_SECURITY_CERTIFICATE", "", text, "Its certificate (PEM file)."),
    Setting(
        "CELERY_SECURITY_CERT_STORE",
        "",
        text,
        "Certificates whose messages are taken, like `/etc/app-runner/certs/*.pem`.",
    ),
)
