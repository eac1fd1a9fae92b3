"""Text on pictures, in any language where OpenCV brings its own fonts (from version 5 on)."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from handful.data.pixels import Pixels

Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
GREY: Colour = (110, 110, 110)
WHITE: Colour = (255, 255, 255)
REGULAR, BOLD = 400, 600


def write(
    picture: Pixels, text: str, left: int, base: int, size: int, colour: Colour = BLACK, *, bold: bool = False
) -> None:
    """Write into a picture, shape (height, width, 3), whose pixels change.

    Args:
        left, base: Where the first letter stands: its left side and its foot.
        size: Of the letters, in pixels.
    """
    if hasattr(cv2, "FontFace"):
        cv2.putText(picture, _text(text), (left, base), colour, _face(), size, BOLD if bold else REGULAR)
        return
    canvas = Image.fromarray(picture)
    ImageDraw.Draw(canvas).text((left, base), _without_accents(text), colour, _pillow_font(size), anchor="ls")
    picture[:] = np.asarray(canvas)


def width_of(text: str, size: int, *, bold: bool = False) -> int:
    """How wide a text becomes, in pixels."""
    if hasattr(cv2, "FontFace"):
        _, _, width, _ = cv2.getTextSize((0, 0), _text(text), (0, 0), _face(), size, BOLD if bold else REGULAR)
        return int(width)
    return round(float(_pillow_font(size).getlength(_without_accents(text))))


def shortened(text: str, size: int, width: int) -> str:
    """The text, or as much of its beginning as fits, and dots."""
    if width_of(text, size) <= width:
        return text
    kept = len(text)
    while kept and width_of(text[:kept] + "...", size) > width:
        kept -= 1
    return text[:kept] + "..."


def wrapped(text: str, size: int, width: int) -> list[str]:
    """The text in lines that fit, broken after commas."""
    lines = [""]
    for piece in text.replace(",", ",\0").split("\0"):
        if lines[-1] and width_of(lines[-1] + piece, size) > width:
            lines.append("")
        lines[-1] += piece
    return lines


def _text(text: str) -> str:
    """Names of files may be no text."""
    return text.encode(errors="replace").decode()


@cache
def _face() -> Any:
    return cv2.FontFace("sans")


@cache
def _pillow_font(size: int) -> Any:
    return ImageFont.load_default(size)


def _without_accents(text: str) -> str:
    """What Pillow's own font can write: plain letters, and a question mark for any other."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return plain.encode("ascii", "replace").decode()
