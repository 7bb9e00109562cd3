"""A server that others can reach does not start when nobody could log in to it."""

from __future__ import annotations

import logging

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
