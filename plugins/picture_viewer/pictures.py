"""Makes pictures of others into ones that every browser shows, not too large."""

import io

from PIL import Image, ImageOps

from app_runner.plugin_api import UserError

KINDS = ("JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP")
#: Pixels that are unpacked.
MOST_PIXELS = 100_000_000
BROKEN = (OSError, SyntaxError, ValueError, EOFError, OverflowError)
SVG = "image/svg+xml"


def shown(content, content_type, edge):
    """Give the bytes of a picture, and their type; raises `UserError`."""
    if content_type.partition(";")[0].strip().lower() == SVG:
        return content, SVG  # an img element runs no scripts
    try:
        with Image.open(io.BytesIO(content), formats=KINDS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_large()
            picture.draft("RGB", (edge, edge))
            picture.thumbnail((edge, edge))
            return _written(ImageOps.exif_transpose(picture))
    except Image.DecompressionBombError:
        raise _too_large() from None
    except BROKEN:
        raise UserError("This is no picture, or not all of it is there.") from None


def _too_large():
    return UserError(f"The picture has more than {MOST_PIXELS:,} pixels.")


def _written(picture):
    file = io.BytesIO()
    if picture.mode in ("L", "RGB", "CMYK", "YCbCr") and picture.format == "JPEG":
        picture.convert("RGB").save(file, "JPEG", quality=90)
        return file.getvalue(), "image/jpeg"
    if picture.mode.startswith(("I", "F")):  # grey of 16 bits and more
        low, high = picture.getextrema()
        scale = 255 / ((high - low) or 1)
        picture = picture.convert("F").point(lambda v: v * scale - low * scale)
        picture = picture.convert("L")
    elif picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        picture = picture.convert("RGB")
    picture.save(file, "PNG", compress_level=3)
    return file.getvalue(), "image/png"
