"""What the first bytes of a file tell of its type, and whether that is what was said."""

from __future__ import annotations

import puremagic

#: Bytes that are looked at.
HEAD = 8192
UNKNOWN = "application/octet-stream"
#: Types whose files begin with a signature, without exception.
SIGNED = (
    *("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"),
    *("application/pdf", "application/zip", "application/gzip"),
)
TEXT_TYPES = ("application/json", "application/xml", "application/x-ndjson")
#: Marks of UTF-16 and UTF-32, in which text has zero bytes.
WIDE_TEXT = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


def types_of(head: bytes, name: str = "") -> list[str]:
    """Give the media types that the first bytes fit, likeliest first."""
    try:
        found = puremagic.magic_string(head[:HEAD], name or None)
    except (puremagic.PureError, ValueError):
        return []
    return [match.mime_type for match in found if match.mime_type]


def sniffed(head: bytes, name: str) -> str:
    """Give the likeliest type of a file whose type nobody has said."""
    known = [kind for kind in types_of(head, name) if kind in SIGNED]
    if known:
        return known[0]
    return "text/plain" if head and is_text(head) else UNKNOWN


def contradicts(declared: str, head: bytes) -> bool:
    """Tell whether a file that begins with ``head`` cannot be what was said.

    Only what is certain counts: a signature that must be there and is not, or bytes that
    are in no text.
    """
    plain = declared.partition(";")[0].strip().lower()
    if not head:
        return False
    if plain in SIGNED:
        return plain not in types_of(head)
    textual = plain.startswith("text/") or plain in TEXT_TYPES
    return textual and not is_text(head)


def is_text(head: bytes) -> bool:
    """Tell whether the bytes can begin a text."""
    return head.startswith(WIDE_TEXT) or b"\0" not in head
