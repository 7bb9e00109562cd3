"""Signs webhooks as Standard Webhooks asks, so that a receiver knows who sent them.

HMAC-SHA-256 over ``id.timestamp.body``, see https://www.standardwebhooks.com.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping, Sequence

from flask import Flask

from app_runner.application import kept_secret
from app_runner.config import Settings
from app_runner.setting_types import WEBHOOK_SECRET_PREFIX
from app_runner.state import state_of

SECRET_BYTES = 32


class Signer:
    """Signs with each of the secrets: the first is the newest, others are on their way
    out.
    """

    def __init__(self, given: Sequence[str]) -> None:
        """Take texts like ``whsec_<base64>``."""
        self.secrets = tuple(given)
        self._keys = [
            base64.b64decode(one.removeprefix(WEBHOOK_SECRET_PREFIX)) for one in given
        ]

    def headers(self, message_id: str, timestamp: int, body: str) -> Mapping[str, str]:
        """Give the headers of a try; ``timestamp`` is now, in seconds since 1970."""
        signed = f"{message_id}.{timestamp}.{body}".encode()
        marks = [hmac.digest(key, signed, "sha256") for key in self._keys]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(
                f"v1,{base64.b64encode(mark).decode()}" for mark in marks
            ),
        }


def new_secret() -> str:
    """Make a secret."""
    random = secrets.token_bytes(SECRET_BYTES)
    return WEBHOOK_SECRET_PREFIX + base64.b64encode(random).decode()


def _secrets(settings: Settings) -> tuple[str, ...]:
    given: tuple[str, ...] = settings["WEBHOOK_SECRET"]
    return given or (kept_secret(settings, "webhook.key", new_secret, "WEBHOOK_SECRET"),)


def init_app(app: Flask) -> None:
    """Read the secrets, or make one on first start."""
    state = state_of(app)
    state.signer = Signer(_secrets(state.settings))
