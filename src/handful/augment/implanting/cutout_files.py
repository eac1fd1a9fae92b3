"""Cut-outs from PNG files with alpha; the folder that a file is in names its class."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL.PngImagePlugin import PngImageFile

from handful.augment.implanting.coverage import bounds
from handful.augment.implanting.cutouts import OPAQUE, Cutout
from handful.core.errors import DataError, ImageError
from handful.data.folders import files_below
from handful.data.outlines import traced
from handful.data.pixels import MAX_PIXELS

MAGIC = b"\x89PNG\r\n\x1a\n"
DAMAGE = (ArithmeticError, EOFError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error, zlib.error)


def read_cutouts(folder: Path, classes: Sequence[str] = ()) -> list[Cutout]:
    """All cut-outs of a folder, in natural order.

    Files in `folder/CLASS/` are of that class; files in the folder itself have no label, and only cover others. The
    transparent rim of a picture is trimmed, and its outline is that of the pixels at least half opaque.

    Args:
        folder: Of PNG files with alpha, and of folders of such.
        classes: Names of the classes; labels count them from 0.
    Raises:
        DataError: when there is no file, a folder is no class, or a file is no PNG with transparent pixels.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder", str(folder), "check the path")
    read = [_read(file, _label(file.relative_to(folder), classes, folder)) for file in files_below(folder)]
    if not read:
        raise DataError("the folder has no cut-outs", str(folder), "put PNG files with alpha into CLASS/ in it")
    return read


def _label(file: Path, classes: Sequence[str], folder: Path) -> int | None:
    if len(file.parts) == 1:
        return None
    name = file.parts[0]
    if name in classes:
        return list(classes).index(name)
    near = get_close_matches(name, classes, n=1)
    known = f"did you mean {near[0]}?" if near else f"known are {', '.join(classes)}" if classes else "name the classes"
    raise DataError(f"the folder {name!r} is no class", str(folder), known)


def _read(file: Path, label: int | None) -> Cutout:
    rgba = _rgba(file)
    alpha = rgba[..., 3]
    if alpha.min() == 255:
        raise DataError("the cut-out has no transparent pixel", str(file), "remove its background, or the file")
    if alpha.max() < OPAQUE:
        raise DataError("the cut-out is transparent everywhere", str(file), "remove the file")
    left, top, right, bottom = np.asarray(bounds(alpha > 0), int)
    rgba = rgba[top:bottom, left:right].copy()
    return Cutout(rgba, label, traced(rgba[..., 3] >= OPAQUE), "file")


def _rgba(file: Path) -> npt.NDArray[np.uint8]:
    """As `handful.data.pixels` reads images: the header is judged before memory is taken. But alpha stays."""
    where = str(file)
    try:
        with file.open("rb") as opened:
            return np.asarray(_judged(opened, where).convert("RGBA"))
    except ImageError:
        raise
    except PermissionError as failure:
        raise ImageError("no permission to read the file", where, "change its permissions") from failure
    except DAMAGE as failure:
        raise ImageError(f"the image is damaged or truncated ({failure})", where, "replace or remove it") from failure


def _judged(opened: BinaryIO, where: str) -> PngImageFile:
    if opened.read(len(MAGIC)) != MAGIC:
        raise ImageError("a cut-out is a PNG file with alpha, and this is none", where, "convert or remove it")
    opened.seek(0)
    image = PngImageFile(opened, where)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width} x {height} pixels; at most {MAX_PIXELS:,} are read", where, "shrink it")
    if not image.has_transparency_data:
        raise ImageError("the cut-out has no alpha", where, "save it as PNG with transparency, or remove it")
    return image
