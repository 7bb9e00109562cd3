"""What a server that others can reach must have before it starts."""

from __future__ import annotations

import logging
import re

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app_runner.db import DB, tokens
from app_runner.errors import SettingError
from app_runner.state import state_of

LOG = logging.getLogger(__name__)
#: Settings that bring a way to log in.
WAYS = ("JWT_SECRET_KEY", "JWT_KEYS", "OIDC_ISSUERS")
ALLOWED = (
    "nobody could log in. Make a token with `flask token create NAME`, or set one of "
    f"{', '.join(WAYS)}; LOGIN_REQUIRED=false opens the runner to everybody"
)
#: Values that stand in examples and tutorials, and those that were meant to be replaced.
EXAMPLES = re.compile(
    r".*(change.?(me|this|it)|example|placeholder|your.?(secret|key)|insert|<.*>).*"
    r"|\W*(secret|password|debug|dev|test|admin|default).*(key|secret|password)\W*",
    re.IGNORECASE | re.DOTALL,
)
SHORTEST = 16  # characters


def refuse_unsafe_start(app: Flask) -> None:
    """Raise `SettingError` unless secrets are secret and somebody can log in."""
    settings = state_of(app).settings
    if settings["EXPOSURE"] == "local":
        return
    for name in ("SECRET_KEY", "JWT_SECRET_KEY"):
        given = settings[name] or ()
        for secret in (given,) if isinstance(given, str) else given:
            _refuse_guessable(name, secret)
    refuse_without_login(app)


def _refuse_guessable(name: str, secret: str) -> None:
    if len(secret) < SHORTEST:
        why = f"it has fewer than {SHORTEST} characters, and can be guessed"
    elif EXAMPLES.fullmatch(secret):
        why = "it is like the secrets of examples, which everybody knows"
    else:
        return
    more = "take `python -c 'import secrets; print(secrets.token_hex(32))'`"
    raise SettingError(name, "all settings", f"{why}; {more}", "***")


def refuse_without_login(app: Flask) -> None:
    """Raise `SettingError` unless there is a way to log in, or no need to.

    A database that does not answer now is no reason: until it does, nobody gets in.
    """
    settings = state_of(app).settings
    if settings["EXPOSURE"] == "local" or not settings["LOGIN_REQUIRED"]:
        return
    if any(settings[way] for way in WAYS) or _has_tokens(app):
        return
    raise SettingError("EXPOSURE", "all settings", ALLOWED, settings["EXPOSURE"])


def _has_tokens(app: Flask) -> bool:
    with app.app_context():
        try:
            DB.session.connection()
        except SQLAlchemyError as error:
            LOG.warning("Whether anybody can log in is not known: %s", error)
            return True
        try:
            return tokens.exist()
        except SQLAlchemyError:  # there are no tables yet, so no tokens either
            return False
        finally:
            DB.session.remove()
