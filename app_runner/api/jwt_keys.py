"""Keys that bearer tokens (JWT, RFC 7519) are checked with, and the check.

Each key knows the algorithms it may be used with, so that what a token says of itself
never decides how it is checked (RFC 8725, section 3.1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK, PyJWTError
from jwt.exceptions import InvalidKeyError, InvalidTokenError

from app_runner.errors import SettingError

Claims = dict[str, Any]
RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVES = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
PEM = re.compile(r"-----BEGIN [^-]+-----.+?-----END [^-]+-----", re.DOTALL)


@dataclass(frozen=True)
class Key:
    """A key, its name (``kid``) if it has one, and what it may be used with."""

    key: Any
    algorithms: tuple[str, ...]
    name: str | None = None

    def fits(self, header: Mapping[str, Any]) -> bool:
        """Tell whether a token with this header may have been signed with the key."""
        asked = header.get("kid")
        named = self.name is None or asked is None or asked == self.name
        return named and header.get("alg") in self.algorithms


def checked_claims(
    token: str,
    keys: Iterable[Key],
    audience: str = "",
    issuer: str = "",
    leeway: float = 0,
) -> Claims:
    """Give the claims of a token signed with one of ``keys``; raises `PyJWTError`.

    ``leeway`` are seconds that clocks may differ.
    """
    header = jwt.get_unverified_header(token)
    refused: PyJWTError = InvalidKeyError("no key fits the token")
    needed = ["sub", *(["aud"] if audience else []), *(["iss"] if issuer else [])]
    for key in keys:
        if not key.fits(header):
            continue
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=list(key.algorithms),
                audience=audience or None,
                issuer=issuer or None,
                leeway=leeway,
                options={"require": needed, "verify_aud": bool(audience)},
            )
        except PyJWTError as error:
            refused = error
    raise refused


def issuer_of(token: str) -> str:
    """Give who a token says has issued it; it may be anybody's word."""
    unchecked = {"verify_signature": False, "verify_exp": False, "verify_aud": False}
    claims = jwt.decode(token, options=unchecked)  # type: ignore[arg-type]
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else ""


def keys_of_set(content: Mapping[str, Any], symmetric: bool) -> list[Key]:
    """Read a JWK or a JWK Set (RFC 7517); keys that cannot be used here are left out."""
    found = []
    for one in content.get("keys", [content]):
        if not isinstance(one, dict) or one.get("use", "sig") != "sig":
            continue
        if one.get("kty") == "oct" and not symmetric:
            continue
        try:
            found.append(_of_jwk(one))
        except (PyJWTError, ValueError, TypeError):  # of a kind that is not known here
            continue
    return found


def _of_jwk(one: dict[str, Any]) -> Key:
    known = PyJWK.from_dict(one)
    algorithms: tuple[str, ...] = (known.algorithm_name,)
    if one.get("kty") == "RSA" and "alg" not in one:
        algorithms = RSA
    if algorithms == ("none",):
        raise InvalidTokenError("no algorithm")
    name = one.get("kid")
    return Key(known.key, algorithms, name if isinstance(name, str) else None)


def _of_pem(text: str) -> Key:
    key = load_pem_public_key(text.encode())
    if isinstance(key, rsa.RSAPublicKey):
        return Key(key, RSA)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return Key(key, CURVES[key.curve.name])
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Key(key, ("EdDSA",))
    raise ValueError(f"{type(key).__name__} signs nothing")


def read_keys(setting: str) -> list[Key]:
    """Read the setting JWT_KEYS; raises `SettingError` when there is no key in it."""
    text = setting.strip()
    try:
        if text and not text.startswith("{") and "-----BEGIN" not in text:
            text = Path(text).read_text()
        if text.lstrip().startswith("{"):
            found = keys_of_set(json.loads(text), symmetric=True)
        else:
            found = [_of_pem(block) for block in PEM.findall(text)]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _unusable(f"it cannot be read ({type(error).__name__})") from error
    if setting and not found:
        raise _unusable("there is no usable key in it")
    return found


def _unusable(why: str) -> SettingError:
    allowed = f"a JWK Set, PEM public keys, or the path of a file with them; {why}"
    return SettingError("JWT_KEYS", "all settings", allowed)
