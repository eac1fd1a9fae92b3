"""Sensor noise: the same in the dark and in the light, or growing with the light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.augment.draw import Draw
from handful.augment.operation import from_nothing, operation
from handful.augment.recolour import FULL

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Noise:
    """Gaussian noise, independent in every pixel and channel.

        y = x + deviation * z,   z ~ N(0, 1)

    Args:
        deviation: Its standard deviation, as a share of the full range.
        seed: The same seed gives the same noise.
    """

    deviation: float
    seed: int

    def __call__(self, pixels: Array) -> Array:
        """The noisy image, of the same type and shape; alpha stays as it is."""
        noisy, colours = copied(pixels)
        added = standard_normal(colours.shape, self.seed)
        added *= np.float32(self.deviation * FULL[pixels.dtype])
        add(colours, added)
        return noisy


@dataclass(frozen=True)
class ShotNoise:
    """The noise of counted light: its variance grows with the level, black has none.

        y = x + deviation * sqrt(x) * z,   z ~ N(0, 1),   x from 0 to 1

    That is the mean and the variance of counting a Poisson number of photons, 1 / deviation^2 of them at full range;
    each channel counts its own.

    Args:
        deviation: Standard deviation at full range, as a share of it.
        seed: The same seed gives the same noise.

    Source: Foi et al. 2008, doi:10.1109/TIP.2008.2001399, section II. Differs: levels are taken as proportional to
    the light, gamma is not undone.
    """

    deviation: float
    seed: int

    def __call__(self, pixels: Array) -> Array:
        """The noisy image, of the same type and shape; alpha stays as it is."""
        noisy, colours = copied(pixels)
        added = standard_normal(colours.shape, self.seed)
        added *= np.sqrt(colours, dtype=np.float32)
        added *= np.float32(self.deviation * np.sqrt(FULL[pixels.dtype]))
        add(colours, added)
        return noisy


def copied(pixels: Array) -> tuple[Array, Array]:
    """A copy, and a view of its colours alone, shape (height, width, 1 or 3): what is written there is in the copy."""
    copy = pixels.copy()
    return copy, copy.reshape(*pixels.shape[:2], -1)[..., :3]


def standard_normal(shape: tuple[int, ...], seed: int) -> npt.NDArray[np.float32]:
    """The noise of a seed."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def add(colours: Array, added: npt.NDArray[np.float32]) -> None:
    """Add in place, rounded and clipped to the range; overwrites `added`."""
    added += colours
    np.rint(added, out=added)
    colours[...] = np.clip(added, 0, FULL[colours.dtype], out=added)


@operation("noise", usual=0.05, reach=from_nothing, limits=(0, 1), unit=" of the full range", widest=(0, 0.15))
def noise(so_far: Draw, deviation: float, rng: np.random.Generator) -> Draw:
    """Gaussian noise of so large a standard deviation."""
    return so_far.followed_by(Noise(deviation, int(rng.integers(2**63))))


@operation("shot", usual=0.05, reach=from_nothing, limits=(0, 1), unit=" of the full range, in white", widest=(0, 0.25))
def shot(so_far: Draw, deviation: float, rng: np.random.Generator) -> Draw:
    """Noise as of little light: white has so large a standard deviation, darker levels less."""
    return so_far.followed_by(ShotNoise(deviation, int(rng.integers(2**63))))
