"""Signed messages: workers take only what holders of known certificates have sent.

Celery's own serializer `auth` signs the body of a message (arguments), not its headers.
It is registered in kombu's registry, so all runners of a process sign with one key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery import Celery
from celery.exceptions import SecurityError
from celery.security.certificate import Certificate, FSCertStore
from celery.security.key import PrivateKey
from celery.security.serialization import SecureSerializer
from kombu import serialization

from app_runner.config import Settings
from app_runner.errors import SettingError

NAMES = (
    "CELERY_SECURITY_KEY",
    "CELERY_SECURITY_CERTIFICATE",
    "CELERY_SECURITY_CERT_STORE",
)
SIGNED, CONTENT_TYPE = "auth", "application/data"
SETTINGS = {
    "task_serializer": SIGNED,
    "event_serializer": SIGNED,
    "accept_content": [SIGNED],
}


class SignedJson(SecureSerializer):
    """Celery's, which would take bodies of other kinds when their envelope says so."""

    def deserialize(self, data: Any) -> Any:
        """Check and read a message; raises `SecurityError`."""
        try:
            kind = self._unpack(data)["content_type"]  # type: ignore[attr-defined]
        except (ValueError, IndexError) as error:
            raise SecurityError("the message is not signed") from error
        if kind != "application/json":
            raise SecurityError(f"a message of the kind {kind!r} is not taken")
        return super().deserialize(data)


def sign_messages(celery: Celery, settings: Settings) -> None:
    """Let ``celery`` sign and check, when the settings name keys.

    Raises `SettingError` when one of them is missing or cannot be read.
    """
    missing = [name for name in NAMES if not settings[name]]
    if len(missing) == len(NAMES):
        return
    if missing:
        allowed = f"all of {', '.join(NAMES)} must be set, or none"
        raise SettingError(missing[0], "all settings", allowed)
    key, certificate, store = (str(settings[name]) for name in NAMES)
    try:
        serializer = SignedJson(
            PrivateKey(Path(key).read_text()),
            Certificate(Path(certificate).read_text()),
            FSCertStore(store),
        )
    except (OSError, SecurityError, ValueError) as error:
        raise SettingError(
            NAMES[0], "all settings", f"cannot be used: {error}"
        ) from error
    write: Any = serializer.serialize
    serialization.register(SIGNED, write, serializer.deserialize, CONTENT_TYPE, "utf-8")
    celery.conf.update(SETTINGS)
