"""The few colour operations that are not linear: each adds a table of levels to a draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.augment.draw import Draw
from handful.augment.operation import both_ways, operation, up_to
from handful.augment.recolour import Tables

Histograms = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Levels:
    """The same function of every level; a function with a name, so that draws can be sent to another process.

    Args:
        function: Of values from 0 to 1, elementwise, and of the amount.
        amount: How strongly.
    """

    function: Callable[[Tables, float], Tables]
    amount: float
    looks = False

    def tables(self, levels: int, histograms: Histograms | None) -> Tables:
        """Shape (1, levels)."""
        return np.clip(self.function(np.linspace(0, 1, levels), self.amount), 0, 1)[None]


class Equalized:
    """Every level as often as any other, in each channel, as far as there are levels between."""

    looks = True

    def tables(self, levels: int, histograms: Histograms | None) -> Tables:
        """Shape (n_channels, levels)."""
        if histograms is None:
            raise ValueError("equalize needs the histograms of the image")
        first = histograms[np.arange(len(histograms)), (histograms > 0).argmax(axis=1)][:, None]
        others = histograms.sum(axis=1, keepdims=True) - first
        as_it_was = np.linspace(0, 1, levels)
        spread = (np.cumsum(histograms, axis=1) - first) / np.maximum(others, 1)
        return np.where(others > 0, np.clip(spread, 0, 1), as_it_was)


def power(x: Tables, exponent: float) -> Tables:
    """x to the power `exponent`."""
    return np.asarray(x**exponent)


def stairs(x: Tables, n: float) -> Tables:
    """Cut the range into n equal steps, the lowest to 0, the highest to 1."""
    return np.asarray(np.minimum(np.floor(x * n), n - 1) / (n - 1))


def folded(x: Tables, threshold: float) -> Tables:
    """1 - x from a threshold on."""
    return np.where(x >= threshold, 1 - x, x)


@operation("gamma", usual=0.2, reach=both_ways, limits=(-0.9, 9), widest=(-0.5, 1))
def gamma(so_far: Draw, more: float, rng: np.random.Generator) -> Draw:
    """To the power 1 + `more`: above 0 darker in the middle, black and white stay."""
    return so_far.recoloured(Levels(power, 1 + more))


@operation("posterize", usual=4, reach=up_to(8), limits=(1, 8), unit=" bits", widest=(2, 8))
def posterize(so_far: Draw, bits: float, rng: np.random.Generator) -> Draw:
    """Keep 2 to the `bits` levels of each channel, evenly from black to white."""
    return so_far.recoloured(Levels(stairs, 2 ** round(bits)))


@operation("solarize", usual=0.5, reach=up_to(1), limits=(0, 1), widest=(0, 1), recolours=True)
def solarize(so_far: Draw, threshold: float, rng: np.random.Generator) -> Draw:
    """The negative of what is as bright as a threshold or brighter."""
    return so_far.recoloured(Levels(folded, threshold))


@operation("equalize")
def equalize(so_far: Draw, _: float, rng: np.random.Generator) -> Draw:
    """Stretch each channel so that all levels are equally frequent."""
    return so_far.recoloured(Equalized())
