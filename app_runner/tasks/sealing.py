"""Seals texts (passwords, say) so that the database and the broker never hold them plain.

Encrypt-then-MAC out of HMAC-SHA-256: as a keystream in counter mode (NIST SP 800-108,
section 4.1) under one key, as a tag under another. Both keys are derived from the secret
that servers and workers share.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterator

from flask import current_app

from app_runner.babel import gettext as _
from app_runner.errors import UserError

NONCE_BYTES, TAG_BYTES = 16, 32


def seal(text: str) -> str:
    """Give ``text`` in a form that only this runner can read."""
    plain, nonce = text.encode(), secrets.token_bytes(NONCE_BYTES)
    hidden = _xor(plain, nonce)
    return base64.urlsafe_b64encode(nonce + hidden + _tag(nonce + hidden)).decode()


def unseal(token: str) -> str:
    """Give the text that was sealed; raises `UserError` when it was not sealed here."""
    try:
        content = base64.urlsafe_b64decode(token.encode())
    except (ValueError, binascii.Error):
        content = b""
    body, tag = content[:-TAG_BYTES], content[-TAG_BYTES:]
    if len(body) < NONCE_BYTES or not hmac.compare_digest(tag, _tag(body)):
        raise UserError(
            _("A password of this task can no longer be read. Start the task again.")
        )
    return _xor(body[NONCE_BYTES:], body[:NONCE_BYTES]).decode()


def _key(purpose: bytes) -> bytes:
    secret = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.digest(secret, b"app-runner sealed text\0" + purpose, "sha256")


def _tag(body: bytes) -> bytes:
    return hmac.digest(_key(b"tag"), body, "sha256")


def _xor(content: bytes, nonce: bytes) -> bytes:
    size = len(content)
    stream = b"".join(_blocks(nonce, -(-size // hashlib.sha256().digest_size)))
    mixed = int.from_bytes(content) ^ int.from_bytes(stream[:size])
    return mixed.to_bytes(size)


def _blocks(nonce: bytes, count: int) -> Iterator[bytes]:
    key = _key(b"stream")
    for number in range(count):
        yield hmac.digest(key, nonce + number.to_bytes(8), "sha256")
