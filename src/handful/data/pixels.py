"""One image, from bytes or an array to RGB pixels. The header is judged before memory is taken for the pixels."""

from __future__ import annotations

import importlib
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile

from handful.core.errors import ImageError

MAX_PIXELS = 2**27  # 400 MB of RGB: more than cameras make, less than hurts a laptop

Pixels: TypeAlias = npt.NDArray[np.uint8]

# Chosen by their first bytes rather than by Image.open, whose own size check warns and raises at other sizes than
# ours and can only be changed for the whole process.
_FORMATS = {  # how a file begins, and Pillow's reader of it: imported when the first such file is met
    b"\xff\xd8\xff": "Jpeg",
    b"\x89PNG\r\n\x1a\n": "Png",
    b"BM": "Bmp",
    b"II*\0": "Tiff",
    b"MM\0*": "Tiff",
    b"RIFF": "WebP",
    b"GIF8": "Gif",
}

# What Pillow raises when the bytes are not what they promised to be; its warnings too, where those are made errors.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    cv2.error,
    zlib.error,
)


def squash(pixels: Pixels, size: int) -> Pixels:
    """Make an image square, whatever its shape.

    The long sides shrink by area first, the short ones grow after that: OpenCV's area mode cannot do both at once.

    Args:
        pixels: Shape (h, w, 3).
        size: Side of the square.
    Returns:
        Shape (size, size, 3).
    """
    height, width = pixels.shape[:2]
    inner = (min(width, size), min(height, size))
    if inner != (width, height):
        pixels = np.asarray(cv2.resize(pixels, inner, interpolation=cv2.INTER_AREA), np.uint8)
    if inner != (size, size):
        pixels = np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
    return pixels


def from_file(path: Path, size: int) -> Pixels:
    """Read a file; a JPEG may come smaller than it is, but never smaller than twice `size`.

    Returns:
        RGB, shape (h, w, 3).
    Raises:
        ImageError: when the file is missing, forbidden, empty, too large, damaged or not an image.
    """
    where = str(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("a folder, not an image", where, "name the files in it")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("a device or a pipe, not an image file", where, "remove it from the data")
        if status.st_size == 0:
            raise ImageError("the file is empty", where, "replace or remove it")
        with path.open("rb") as file:
            return _read(file, where, size)
    except FileNotFoundError as failure:
        raise ImageError("there is no such file", where, "check the path") from failure
    except PermissionError as failure:
        raise ImageError("no permission to read the file", where, "change its permissions") from failure
    except OSError as failure:
        raise ImageError(f"cannot read the file: {failure.strerror}", where, "replace or remove it") from failure


def _read(file: BinaryIO, where: str, size: int) -> Pixels:
    image = _header(file, where)
    if image.format == "JPEG":
        image.draft(None, (2 * size, 2 * size))
    with _naming_damage(where):
        image.load()
    return _deep_colour(file, where) if _has_deep_colour(image) else from_pillow(image, where)


def _header(file: BinaryIO, where: str) -> ImageFile:
    magic = file.read(8)
    name = next((name for start, name in _FORMATS.items() if magic.startswith(start)), None)
    if name is None:
        raise ImageError("not a PNG, JPEG, BMP, TIFF, WebP or GIF image", where, "convert it to PNG, or remove it")
    file.seek(0)
    with _naming_damage(where):
        image = _reader(name)(file, where)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width} x {height} pixels; at most {MAX_PIXELS:,} are read", where, "shrink it")
    return image


def _reader(name: str) -> Callable[[BinaryIO, str], ImageFile]:
    """The reader of one format itself: `Image.open` tries all of them, and checks the size only process-wide."""
    reader: Callable[[BinaryIO, str], ImageFile]
    reader = getattr(importlib.import_module(f"PIL.{name}ImagePlugin"), f"{name}ImageFile")
    return reader


@contextmanager
def _naming_damage(where: str) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as failure:  # WebP takes its memory in the header, so Pillow checks there
        raise ImageError(f"too many pixels; at most {MAX_PIXELS:,} are read", where, "shrink it") from failure
    except _DAMAGE as failure:
        raise ImageError(f"the image is damaged or truncated ({failure})", where, "replace or remove it") from failure


def _has_deep_colour(image: ImageFile) -> bool:
    """Whether this is a TIFF of 16 bits per colour, of which Pillow keeps the upper 8."""
    if image.format != "TIFF" or image.mode != "RGB":
        return False
    from PIL.TiffImagePlugin import BITSPERSAMPLE

    return bool(max(image.tag_v2.get(BITSPERSAMPLE, (8,))) == 16)  # type: ignore[attr-defined]


def _deep_colour(file: BinaryIO, where: str) -> Pixels:
    file.seek(0)
    with _naming_damage(where):
        bgr = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        return from_array(np.asarray(bgr)[..., ::-1], where)


def from_pillow(image: Image.Image, where: str) -> Pixels:
    """Any mode of Pillow as RGB, upright as its EXIF orientation says, with alpha over white.

    Returns:
        Shape (h, w, 3).
    Raises:
        ImageError: when it cannot be loaded, or there is no way from its mode to RGB.
    """
    with _naming_damage(where):
        image = ImageOps.exif_transpose(image)
        if image.mode == "F" or image.mode.startswith("I"):
            return from_array(_grey_levels(image), where)
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        return np.asarray(image.convert("RGB"))


def _grey_levels(image: Image.Image) -> npt.NDArray[Any]:
    levels = np.asarray(image)
    fits = image.mode == "I" and levels.min() >= 0 and levels.max() < 2**16
    return levels.astype(np.uint16) if fits else levels


def from_array(array: npt.NDArray[Any], where: str) -> Pixels:
    """An array of grey, RGB or RGBA levels as RGB, with alpha over white.

    Args:
        array: Shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4); uint8, uint16, or floating in [0, 1].
        where: What to call it in an error.
    Returns:
        Shape (h, w, 3).
    Raises:
        ImageError: for any other shape, type or range.
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ImageError(f"expected shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), found {array.shape}", where)
    levels = _to_bytes(array, where)
    if levels.shape[2] == 1:
        return np.repeat(levels, 3, axis=2)
    if levels.shape[2] == 4:
        alpha = levels[..., 3:] / np.float32(255)
        return _rounded(levels[..., :3] * alpha + 255 * (1 - alpha))
    return levels


def _to_bytes(array: npt.NDArray[Any], where: str) -> Pixels:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        used = 2 ** max(8, int(array.max()).bit_length()) - 1  # 12-bit cameras write 16-bit files
        return _rounded(array * np.float32(255 / used))
    if array.dtype.kind != "f":
        raise ImageError(f"expected uint8, uint16 or floating pixels, found {array.dtype}", where)
    if not np.isfinite(array).all():
        raise ImageError("some pixels are NaN or infinite", where, "replace them")
    if array.min() < 0 or array.max() > 1:
        found = f"found {array.min():g} to {array.max():g}"
        raise ImageError(f"floating pixels must lie in [0, 1], {found}", where, "scale them, or pass uint8")
    return _rounded(array * 255)


def _rounded(levels: npt.NDArray[Any]) -> Pixels:
    return np.asarray(np.rint(levels), np.uint8)
