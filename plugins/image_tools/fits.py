"""FITS images, with astropy; only the part that is asked for is read."""

import io
import warnings
from contextlib import contextmanager

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS

from app_runner.plugin_api import UserError

#: Pixels of a cutout; of an image that is made small, an eighth.
MOST_PIXELS = 100_000_000
#: What astropy raises for files that are broken in one way or another.
BROKEN = (OSError, ValueError, TypeError, KeyError, IndexError, fits.VerifyError)


@contextmanager
def _image(path):
    """Open the first image with two dimensions; pixels are read when asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        try:
            with fits.open(path, memmap=True) as file:
                yield _first(file)
        except (MemoryError, *BROKEN) as error:
            raise UserError(f"The FITS file cannot be read: {error}") from error


def _first(file):
    for part in file:
        if part.is_image and len(part.shape) >= 2:
            if len(part.shape) > 2 and max(part.shape[:-2]) > 1:
                dimensions = " × ".join(map(str, reversed(part.shape)))
                raise UserError(f"The image has more than two dimensions: {dimensions}.")
            return part
    raise UserError("The FITS file has no image.")


def _read(part, rows, columns):
    """Read a part of the pixels from the file, and no more."""
    return np.array(part.section[(0,) * (len(part.shape) - 2) + (rows, columns)])


def in_pixels(path, x, y, width, height):
    """Give pixels and coordinates of a cutout, by its first column and row, from 0."""
    with _image(path) as part:
        rows, columns = part.shape[-2:]
        width, height = min(width, columns - x), min(height, rows - y)
        if width < 1 or height < 1:
            raise _outside(part)
        centre = (x + (width - 1) / 2, y + (height - 1) / 2)
        return _cut(part, centre, (height, width), WCS(part.header, naxis=2))


def on_sky(path, ra, dec, width, height):
    """Give them by the centre in degrees; width and height are in arcseconds."""
    with _image(path) as part:
        wcs = WCS(part.header, naxis=2)
        if not wcs.has_celestial:
            raise UserError("The image has no coordinates on the sky (WCS).")
        centre = SkyCoord(ra, dec, unit="deg", frame="icrs")
        return _cut(part, centre, (height * units.arcsec, width * units.arcsec), wcs)


def _cut(part, centre, size, wcs):
    # which pixels they are is found with an image that needs no memory
    empty = np.broadcast_to(np.uint8(0), part.shape[-2:])
    try:
        cut = Cutout2D(empty, centre, size, wcs=wcs, mode="trim")
    except ValueError:  # no overlap, or the other side of the sky
        raise _outside(part) from None
    if cut.data.size > MOST_PIXELS:
        raise UserError(f"The cutout has more than {MOST_PIXELS:,} pixels.")
    return _read(part, *cut.slices_original), cut.wcs


def _outside(part):
    rows, columns = part.shape[-2:]
    return UserError(
        f"The cutout lies outside of the image, which has {columns} × {rows} pixels."
    )


def as_file(pixels, wcs):
    """Write a cutout as FITS, with the coordinates that belong to it."""
    file = io.BytesIO()
    fits.PrimaryHDU(pixels, wcs.to_header(relax=True)).writeto(file)
    return file.getvalue()


def thinned(path, size):
    """Give the pixels, of a large image only every so many."""
    with _image(path) as part:
        if part.size > MOST_PIXELS * 8:
            raise UserError(f"The image has more than {MOST_PIXELS * 8:,} pixels.")
        height, width = part.shape[-2:]
        every = max(1, max(height, width) // (4 * size))
        columns = slice(0, width)
        rows = range(0, height, every)
        return np.stack([_read(part, row, columns)[::every] for row in rows])
