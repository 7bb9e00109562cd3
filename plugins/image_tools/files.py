"""The image as a file on this machine: the libraries jump about in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

#: What FITS begins with (FITS standard 4.4.1.1).
MAGIC = b"SIMPLE  ="


@contextmanager
def local_copy(file) -> Iterator[Path]:
    """Give a copy of an input file that is gone afterwards."""
    with TemporaryDirectory() as folder, file.open() as source:
        path = Path(folder, "image")
        with path.open("wb") as target:
            shutil.copyfileobj(source, target)
        yield path


def is_fits(path: Path) -> bool:
    """Tell by the content, since servers seldom know the type."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC
