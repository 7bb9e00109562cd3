"""Cutouts and thumbnails have the pixels that they should have."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from tests.bundled.live import Live

SCALE = 2.0  # arcseconds per pixel


def gradient() -> Image.Image:
    """Give a picture whose colours tell the place of each pixel."""
    row, column = numpy.mgrid[0:120, 0:200]
    channels = (column, row, numpy.full_like(row, 7))
    return Image.fromarray(numpy.stack(channels, axis=2).astype(numpy.uint8))


def written(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def sky(shape: tuple[int, ...] = (100, 150), **cards: Any) -> bytes:
    """Give a FITS image of the sky around (150, 2), with pixels that tell their place."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [150.0, 2.0], [75.5, 50.5]
    wcs.wcs.cdelt = [-SCALE / 3600, SCALE / 3600]
    header = wcs.to_header()
    header.update(cards)
    data = numpy.arange(numpy.prod(shape), dtype=numpy.float32).reshape(shape)
    file = io.BytesIO()
    fits.PrimaryHDU(data, header).writeto(file)
    return file.getvalue()


def image(content: bytes, name: str = "a") -> dict[str, Any]:
    return {"own": (name, content, "application/octet-stream")}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_cutout_has_the_pixels_of_its_place(site: Live, kind: str) -> None:
    found = site.run(
        "image-cutout", image(written(gradient(), kind)), x=30, y=40, width=50, height=20
    )
    assert found["log"] == "50 × 20 pixels".encode()
    cut = Image.open(io.BytesIO(found["cutout.png"]))
    assert cut.size == (50, 20)
    assert cut.getpixel((0, 0)) == (30, 40, 7)
    assert cut.getpixel((49, 19)) == (79, 59, 7)


def test_a_photograph_is_turned_before_it_is_cut(site: Live) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    upright = gradient().rotate(-90, expand=True)
    photograph = image(written(gradient(), "JPEG", exif=exif, quality=95))
    cut = Image.open(
        io.BytesIO(
            site.run("image-cutout", photograph, x=0, y=0, width=999, height=999)[
                "cutout.png"
            ]
        )
    )
    assert cut.size == upright.size == (120, 200)
    difference = numpy.abs(numpy.asarray(cut, int) - numpy.asarray(upright, int))
    assert difference.mean() < 3


def test_a_cutout_of_the_sky_keeps_its_coordinates(site: Live) -> None:
    found = site.run("image-cutout", image(sky()), ra=150, dec=2, width=40, height=20)
    (part,) = fits.open(io.BytesIO(found["cutout.fits"]))
    whole = numpy.arange(100 * 150, dtype=numpy.float32).reshape(100, 150)
    assert numpy.array_equal(part.data, whole[45:55, 65:85])
    centre = WCS(part.header).pixel_to_world(9.5, 4.5)
    assert (centre.ra.deg, centre.dec.deg) == pytest.approx((150, 2))
    assert Image.open(io.BytesIO(found["cutout.png"])).size == (20, 10)


def test_a_cutout_of_fits_in_pixels_counts_from_the_bottom(site: Live) -> None:
    scaled = sky(BZERO=100.0, BSCALE=2.0)
    found = site.run("image-cutout", image(scaled), x=10, y=90, width=5, height=50)
    (part,) = fits.open(io.BytesIO(found["cutout.fits"]))
    whole = numpy.arange(100 * 150, dtype=numpy.float32).reshape(100, 150)
    assert part.data.shape == (10, 5)
    assert numpy.allclose(part.data, whole[90:, 10:15])
    grey = numpy.asarray(Image.open(io.BytesIO(found["cutout.png"])))
    assert grey[0].mean() > grey[-1].mean()  # the last row is on top


@pytest.mark.parametrize(
    ("content", "kind", "size"),
    [(written(gradient(), "JPEG"), "jpg", (100, 60)), (sky(), "png", (100, 67))],
)
def test_a_thumbnail_is_small_and_shows_the_whole(
    site: Live, content: bytes, kind: str, size: tuple[int, int]
) -> None:
    found = site.run("image-thumbnail", image(content), size=100, kind=kind)
    small = Image.open(io.BytesIO(found[f"thumbnail.{kind}"]))
    assert (small.size, small.format) == (size, "JPEG" if kind == "jpg" else "PNG")
    pixels = numpy.asarray(small.convert("RGB"), int)[:, :, 0 if kind == "jpg" else 1]
    if kind == "jpg":  # red grows to the right
        assert list(pixels[30, ::33]) == pytest.approx([0, 66, 132, 198], abs=8)
    else:  # the first rows of FITS are at the bottom
        assert pixels[0].mean() > pixels[33].mean() > pixels[-1].mean()


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """Give a small PNG that says it has very many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    chunks = (chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


HUGE = fits.Header.fromstring(
    f"{'SIMPLE  =                    T':80}{'BITPIX  =                    8':80}"
    f"{'NAXIS   =                    2':80}{'NAXIS1  =               900000':80}"
    f"{'NAXIS2  =               900000':80}{'END':80}"
).tostring()


@pytest.mark.parametrize("plugin", ["image-cutout", "image-thumbnail"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no picture", "This is no JPEG, PNG, TIFF or FITS image."),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "This is no JPEG"),
        (written(gradient(), "JPEG")[:900], "not all of it is there"),
        (bomb(), "more than 100,000,000 pixels"),
        (bomb(11_000, 11_000), "more than 100,000,000 pixels"),
        (HUGE.encode(), "FITS file cannot be read|more than 800,000,000 pixels"),
        (sky((3, 10, 10)), "more than two dimensions: 10 × 10 × 3"),
    ],
    ids=["text", "svg", "cut", "bomb", "large", "fits", "cube"],
)
def test_a_bad_image_is_told(
    site: Live, plugin: str, content: bytes, reason: str
) -> None:
    log = site.failure(plugin, image(content))
    assert any(part in log for part in reason.split("|")), log


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        (sky(), {"ra": 10, "dec": 2}, "lies outside of the image"),
        (sky(), {"x": 200}, "lies outside of the image, which has 150 × 100 pixels"),
        (sky(), {"ra": 10}, "right ascension and declination together"),
        (sky(), {"ra": 1, "dec": 2, "x": 1}, "not both"),
        (written(gradient(), "PNG"), {"ra": 1, "dec": 2}, "Only FITS images"),
        (sky(CTYPE1="X", CTYPE2="Y"), {"ra": 1, "dec": 2}, "no coordinates on the sky"),
        (written(gradient(), "PNG"), {"y": 120}, "which has 200 × 120 pixels"),
    ],
)
def test_a_place_that_is_none_is_told(
    site: Live, content: bytes, place: dict[str, Any], reason: str
) -> None:
    assert reason in site.failure("image-cutout", image(content), **place)


def test_wrong_numbers_are_refused(site: Live) -> None:
    assert site.refusal("image-cutout", ra=361, dec=91, width=0) == ["dec", "ra", "width"]
    assert site.refusal("image-thumbnail", size=4, kind="gif") == ["kind", "size"]
