"""Geometric operations: each multiplies one matrix to a draw."""

from __future__ import annotations

from math import sqrt

import numpy as np

from handful.augment.draw import Draw
from handful.augment.matrices import about, perspective_between, scaling, shearing, shifting, turning
from handful.augment.operation import both_ways, exactly, from_nothing, operation, up_to
from handful.core.errors import UsageError

MOST_STRETCHED = 4 / 3  # the sides of a resized crop against those of the image


@operation("flip_h", mirrors=True)
def flip_h(so_far: Draw, _: float, rng: np.random.Generator) -> Draw:
    """Left becomes right."""
    return so_far.moved(shifting(so_far.width, 0) @ scaling(-1, 1))


@operation("flip_v", mirrors=True, overturns=True)
def flip_v(so_far: Draw, _: float, rng: np.random.Generator) -> Draw:
    """Up becomes down."""
    return so_far.moved(shifting(0, so_far.height) @ scaling(1, -1))


@operation("rotate", usual=15, reach=both_ways, limits=(-180, 180), unit=" degrees", widest=(-135, 135))
def rotate(so_far: Draw, degrees: float, rng: np.random.Generator) -> Draw:
    """Turn about the centre, clockwise as seen; the size stays."""
    return so_far.moved(about(so_far.width / 2, so_far.height / 2, turning(degrees)))


@operation("scale", usual=0.2, reach=both_ways, limits=(-0.9, 9), unit=" (0.1 is a tenth larger)", widest=(-0.5, 1))
def scale(so_far: Draw, more: float, rng: np.random.Generator) -> Draw:
    """Enlarge about the centre by so much: 0.2 to 1.2 times, -0.2 to 0.8 times; the size of the picture stays."""
    return so_far.moved(about(so_far.width / 2, so_far.height / 2, scaling(1 + more, 1 + more)))


@operation("translate_x", usual=0.1, reach=both_ways, limits=(-1, 1), unit=" of the width", widest=(-0.3, 0.3))
def translate_x(so_far: Draw, share: float, rng: np.random.Generator) -> Draw:
    """Shift to the right by a share of the width."""
    return so_far.moved(shifting(share * so_far.width, 0))


@operation("translate_y", usual=0.1, reach=both_ways, limits=(-1, 1), unit=" of the height", widest=(-0.3, 0.3))
def translate_y(so_far: Draw, share: float, rng: np.random.Generator) -> Draw:
    """Shift down by a share of the height."""
    return so_far.moved(shifting(0, share * so_far.height))


@operation("shear_x", usual=10, reach=both_ways, limits=(-80, 80), unit=" degrees", widest=(-45, 45))
def shear_x(so_far: Draw, degrees: float, rng: np.random.Generator) -> Draw:
    """Slide rows sideways, about the centre."""
    return so_far.moved(about(so_far.width / 2, so_far.height / 2, shearing(np.tan(np.deg2rad(degrees)), 0)))


@operation("shear_y", usual=10, reach=both_ways, limits=(-80, 80), unit=" degrees", widest=(-45, 45))
def shear_y(so_far: Draw, degrees: float, rng: np.random.Generator) -> Draw:
    """Slide columns up and down, about the centre."""
    return so_far.moved(about(so_far.width / 2, so_far.height / 2, shearing(0, np.tan(np.deg2rad(degrees)))))


@operation("perspective", usual=0.2, reach=from_nothing, limits=(0, 0.6), unit=" of half a side", widest=(0, 0.5))
def perspective(so_far: Draw, strength: float, rng: np.random.Generator) -> Draw:
    """See it from an angle: each corner moves inwards by up to `strength` times half a side.

    From 2/3 on the corners could form an arrowhead, and a part of the image would lie beyond the horizon.
    """
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    inwards = rng.uniform(0, strength / 2, (4, 2)) * (1 - 2 * corners)
    size = (so_far.width, so_far.height)
    return so_far.moved(perspective_between(corners * size, (corners + inwards) * size))


@operation(
    "crop", usual=0.8, reach=exactly, limits=(0.01, 32_766), unit=" (up to 1: a share of each side; above: pixels)"
)
def crop(so_far: Draw, side: float, rng: np.random.Generator) -> Draw:
    """Cut out a part at a random place: a share of each side up to 1, or a square of so many pixels above 1."""
    wanted = (side * so_far.width, side * so_far.height) if side <= 1 else (side, side)
    width, height = (max(1, round(each)) for each in wanted)
    if width > so_far.width or height > so_far.height:
        size = f"{so_far.width} x {so_far.height}"
        raise UsageError(
            f"crop={side:g} asks for {width} x {height} pixels of an image of {size}", "crop", "crop less, or a share"
        )
    left, top = int(rng.integers(so_far.width - width + 1)), int(rng.integers(so_far.height - height + 1))
    return so_far.moved(shifting(-left, -top), (width, height))


@operation("resized_crop", usual=0.5, reach=up_to(1), limits=(0.01, 1), unit=" of the area", widest=(0.25, 1))
def resized_crop(so_far: Draw, area: float, rng: np.random.Generator) -> Draw:
    """Enlarge a part at a random place to the whole picture; its sides are stretched by up to 4/3 against each other.

    Source: Szegedy et al. 2015, arXiv:1409.4842, section 6.
    Differs: a crop that does not fit is stretched less, not drawn again.
    """
    side = sqrt(area)
    stretched = min(max(MOST_STRETCHED ** (rng.uniform(-1, 1) / 2), side), 1 / side)
    width, height = min(1.0, side * stretched), min(1.0, side / stretched)
    left, top = rng.uniform(0, 1 - width) * so_far.width, rng.uniform(0, 1 - height) * so_far.height
    return so_far.moved(scaling(1 / width, 1 / height) @ shifting(-left, -top))
