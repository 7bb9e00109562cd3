"""Two plugins for pictures, photographs as well as FITS: a cutout and a thumbnail.

What needs Pillow and astropy is in `pictures.py` and `fits.py`, which only a running job
imports.
"""

from __future__ import annotations

from typing import Annotated, Literal

from app_runner.plugin_api import (
    FileInput,
    InputFile,
    Integer,
    Number,
    Output,
    Plugin,
    Task,
    Upload,
    UploadedFile,
    UserError,
    given_file,
)

REQUIREMENTS = "pillow>=11.0\nastropy>=7.0\nnumpy>=1.26"
cutout_plugin = Plugin(
    "image-cutout",
    "1.0.0",
    title="Image cutout",
    tags=["image", "fits"],
    requirements=REQUIREMENTS,
)
thumbnail_plugin = Plugin(
    "image-thumbnail",
    "1.0.0",
    title="Thumbnail",
    tags=["image", "fits"],
    requirements=REQUIREMENTS,
)

FITS = ["image/fits", "application/fits"]
KINDS = FileInput(content_types=["image/jpeg", "image/png", "image/tiff", *FITS])
Picture = Annotated[InputFile | None, KINDS]
Own = Annotated[UploadedFile | None, Upload(label="Or a file of your own")]


@cutout_plugin.processor(
    outputs=[
        Output("cutout.png", "custom/image", "image/png"),
        Output("cutout.fits", "custom/image", "image/fits", required=False),
    ]
)
def cut_out(
    task: Task,
    image: Picture = None,
    own: Own = None,
    x: Annotated[int | None, Integer(min=0, label="First column")] = None,
    y: Annotated[int | None, Integer(min=0, label="First row")] = None,
    ra: Annotated[
        float | None, Number(min=0, max=360, label="Right ascension (degrees)")
    ] = None,
    dec: Annotated[
        float | None, Number(min=-90, max=90, label="Declination (degrees)")
    ] = None,
    width: Annotated[float, Number(min=0.001, help="Pixels, or arcseconds.")] = 256,
    height: Annotated[float, Number(min=0.001, help="Pixels, or arcseconds.")] = 256,
) -> str:
    """Cut a rectangle out of a JPEG, PNG, TIFF or FITS image.

    Say where it begins in **pixels** (first column and row, from 0; the rows of a
    picture are counted from the top, those of a FITS image from the bottom), or give its
    centre on the **sky** (right ascension and declination, ICRS) for a FITS image with
    coordinates; width and height are then arcseconds. What lies outside is left out. A
    FITS image also gives a FITS file with its coordinates.
    """
    from . import files, fits, pictures

    place = _place(x, y, ra, dec)
    with files.local_copy(given_file(image, own)) as path:
        task.progress(30)
        if not files.is_fits(path):
            if place == "sky":
                raise UserError("Only FITS images have coordinates on the sky.")
            cut = pictures.cut_out(path, x or 0, y or 0, round(width), round(height))
        else:
            pixels, wcs = (
                fits.on_sky(path, ra, dec, width, height)
                if place == "sky"
                else fits.in_pixels(path, x or 0, y or 0, round(width), round(height))
            )
            task.save("cutout.fits", fits.as_file(pixels, wcs))
            cut = pictures.of_numbers(pixels)
    task.progress(80)
    task.save("cutout.png", pictures.as_png(cut))
    return f"{cut.width} × {cut.height} pixels"


def _place(x, y, ra, dec):
    """Tell which coordinates were given; `UserError` when it is both or half of one."""
    if (ra is None) != (dec is None):
        raise UserError("Give right ascension and declination together.")
    if ra is not None and (x is not None or y is not None):
        raise UserError("Give pixels or coordinates on the sky, not both.")
    return "pixels" if ra is None else "sky"


@thumbnail_plugin.processor(
    outputs=[
        Output("thumbnail.png", "custom/image", "image/png", required=False),
        Output("thumbnail.jpg", "custom/image", "image/jpeg", required=False),
    ]
)
def make_thumbnail(
    task: Task,
    image: Picture = None,
    own: Own = None,
    size: Annotated[int, Integer(min=8, max=2048, help="Of the longer edge.")] = 256,
    kind: Literal["png", "jpg"] = "png",
) -> str:
    """Make a small picture of a JPEG, PNG, TIFF or FITS image.

    Photographs are turned upright, FITS images stretched so that faint parts are seen.
    """
    from . import files, fits, pictures

    with files.local_copy(given_file(image, own)) as path:
        task.progress(30)
        if files.is_fits(path):
            small = pictures.of_numbers(fits.thinned(path, size))
            small.thumbnail((size, size))
        else:
            small = pictures.thumbnail(path, size)
    task.progress(80)
    write = pictures.as_png if kind == "png" else pictures.as_jpeg
    task.save(f"thumbnail.{kind}", write(small))
    return f"{small.width} × {small.height} pixels"
