"""Linear colour operations: each multiplies one 4 x 4 matrix on (red, green, blue, 1) to a draw."""

from __future__ import annotations

import numpy as np

from handful.augment.draw import Draw
from handful.augment.matrices import Matrix
from handful.augment.operation import both_ways, from_nothing, operation
from handful.augment.recolour import LUMA

MIDDLE = 0.5  # what contrast leaves as it is: mid-grey
# Luma, and two planes of chroma at right angles to it in which a hue is an angle: YIQ of the NTSC, 1953.
TO_CHROMA = np.array([LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
FROM_CHROMA = np.linalg.inv(TO_CHROMA)


def linear(mix: Matrix, offset: float = 0.0) -> Matrix:
    """A 3 x 3 mix of the channels and an offset to all, as a (4, 4) matrix."""
    matrix = np.eye(4)
    matrix[:3, :3] = mix
    matrix[:3, 3] = offset
    return matrix


@operation("brightness", usual=0.2, reach=both_ways, limits=(-1, 9), widest=(-0.9, 0.9))
def brightness(so_far: Draw, more: float, rng: np.random.Generator) -> Draw:
    """Times 1 + `more`."""
    return so_far.recoloured(linear((1 + more) * np.eye(3)))


@operation("contrast", usual=0.2, reach=both_ways, limits=(-1, 9), widest=(-0.9, 0.9))
def contrast(so_far: Draw, more: float, rng: np.random.Generator) -> Draw:
    """Away from mid-grey by 1 + `more`."""
    return so_far.recoloured(linear((1 + more) * np.eye(3), -more * MIDDLE))


@operation("saturation", usual=0.3, reach=both_ways, limits=(-1, 9), widest=(-0.9, 0.9), recolours=True)
def saturation(so_far: Draw, more: float, rng: np.random.Generator) -> Draw:
    """Away from grey by 1 + `more`, at the same luma; -1 is grey."""
    return so_far.recoloured(linear((1 + more) * np.eye(3) - more * np.outer(np.ones(3), LUMA)))


@operation("hue", usual=15, reach=both_ways, limits=(-180, 180), unit=" degrees", widest=(-90, 90), recolours=True)
def hue(so_far: Draw, degrees: float, rng: np.random.Generator) -> Draw:
    """Turn the colours about the grey axis, at the same luma: a rotation in the chroma plane of YIQ."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turned = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return so_far.recoloured(linear(FROM_CHROMA @ turned @ TO_CHROMA))


@operation("grey", recolours=True)
def grey(so_far: Draw, _: float, rng: np.random.Generator) -> Draw:
    """All colours to their luma."""
    return so_far.recoloured(linear(np.outer(np.ones(3), LUMA)))


@operation("channel_mix", usual=0.1, reach=from_nothing, limits=(0, 1), widest=(0, 0.5), recolours=True)
def channel_mix(so_far: Draw, strength: float, rng: np.random.Generator) -> Draw:
    """Mix the channels at random; grey stays grey."""
    mix = rng.uniform(-strength, strength, (3, 3))
    return so_far.recoloured(linear(np.eye(3) + mix - mix.mean(axis=1, keepdims=True)))


@operation("temperature", usual=0.1, reach=both_ways, limits=(-0.9, 0.9), widest=(-0.3, 0.3), recolours=True)
def temperature(so_far: Draw, warmer: float, rng: np.random.Generator) -> Draw:
    """Warmer light, or colder: red times 1 + `warmer`, blue times 1 - `warmer`."""
    return so_far.recoloured(linear(np.diag([1 + warmer, 1.0, 1 - warmer])))


@operation("invert", recolours=True)
def invert(so_far: Draw, _: float, rng: np.random.Generator) -> Draw:
    """The negative: linear as well."""
    return so_far.recoloured(linear(-np.eye(3), 1.0))
