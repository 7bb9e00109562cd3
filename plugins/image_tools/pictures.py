"""JPEG, PNG and TIFF, with Pillow; large ones are refused before they are unpacked."""

import io

import numpy as np
from PIL import Image, ImageOps

from app_runner.plugin_api import UserError

KINDS = ("JPEG", "PNG", "TIFF")
#: Pixels that are unpacked: about 400 MB in memory.
MOST_PIXELS = 100_000_000
#: What Pillow raises for files that are broken in one way or another.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, OverflowError)


def cut_out(path, x, y, width, height):
    """Give the part of a picture that begins at a pixel."""
    with opened(path) as picture:
        upright = loaded(picture)
    right, bottom = min(x + width, upright.width), min(y + height, upright.height)
    if right <= x or bottom <= y:
        raise UserError(
            f"The cutout lies outside of the image, which has {upright.width} × "
            f"{upright.height} pixels."
        )
    return upright.crop((x, y, right, bottom))


def thumbnail(path, size):
    """Give a small picture; JPEG is not even unpacked whole."""
    with opened(path) as picture:
        picture.draft("RGB", (2 * size, 2 * size))
        small = loaded(picture)
    small.thumbnail((size, size))
    return small


def opened(path):
    """Open a picture, which reads its size and not its pixels."""
    try:
        picture = Image.open(path, formats=KINDS)
    except Image.DecompressionBombError:
        raise _too_large() from None
    except BROKEN:
        raise UserError("This is no JPEG, PNG, TIFF or FITS image.") from None
    if picture.width * picture.height > MOST_PIXELS:
        picture.close()
        raise _too_large()
    return picture


def loaded(picture):
    """Unpack a picture, turned as its camera was held, in colours that PNG knows."""
    try:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode.startswith(("I", "F")):  # 16 bits and more of grey
            return of_numbers(np.asarray(upright)[::-1])
        has_alpha = "A" in upright.mode or "transparency" in upright.info
        return upright.convert("RGBA" if has_alpha else "RGB")
    except Image.DecompressionBombError:
        raise _too_large() from None
    except BROKEN:
        raise UserError("The image is broken, or not all of it is there.") from None


def _too_large():
    return UserError(f"The image has more than {MOST_PIXELS:,} pixels.")


def of_numbers(data):
    """Draw numbers in grey, the first row at the bottom, without the extreme 0.5 %."""
    values = np.asarray(data, dtype=float)
    known = values[np.isfinite(values)]
    if not known.size:
        raise UserError("The image has no pixel with a value.")
    low, high = np.percentile(known, (0.5, 99.5))
    scaled = np.clip((values - low) / ((high - low) or 1), 0, 1)
    stretched = np.arcsinh(10 * scaled) / np.arcsinh(10)
    grey = np.nan_to_num(stretched * 255).astype(np.uint8)
    return Image.fromarray(grey[::-1])


def as_png(picture):
    """Write a PNG without what the camera noted."""
    return _written(picture, "PNG")


def as_jpeg(picture):
    """Write a JPEG; what was transparent becomes white."""
    if "A" in picture.mode:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return _written(picture.convert("RGB"), "JPEG")


def _written(picture, kind):
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()
