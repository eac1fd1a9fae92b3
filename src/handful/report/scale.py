"""From values to places on paper, and the round numbers between."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A straight or logarithmic axis.

    Args:
        low: Value at the start of the axis.
        high: Value at its end; greater than `low`.
        log: Logarithmic; then both ends are positive.
    """

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies between the ends, from 0 to 1; what lies outside is drawn at the end.

        Example:
            >>> Scale(0, 200).share(50), Scale(1, 100, log=True).share(10), Scale(0, 1).share(7)
            (0.25, 0.5, 1.0)
        """
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        if self.log:
            value = math.log(max(value, self.low))
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def across(self, value: float) -> str:
        """The place as an SVG length, a share of the drawing's width.

        Example:
            >>> Scale(0, 1).across(0.825)
            '82.5%'
        """
        return f"{100 * self.share(value):.4g}%"

    def down(self, value: float, height: float) -> float:
        """The place in pixels from the top of a drawing of this height.

        Example:
            >>> Scale(0, 1).down(0.75, height=200)
            50.0
        """
        return round(height * (1 - self.share(value)), 2)


UNIT = Scale(0.0, 1.0)
UNIT_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def ticks(scale: Scale, most: int = 5) -> list[float]:
    """Round numbers on an axis: steps of 1, 2 or 5 times a power of ten; on a log axis those numbers themselves.

    Example:
        >>> ticks(Scale(-3, 5.2)), ticks(Scale(2, 60, log=True))
        ([-2.0, 0.0, 2.0, 4.0], [2.0, 5.0, 10.0, 20.0, 50.0])
    """
    if scale.log:
        powers = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
        round_ones = [m * 10.0**p for p in powers for m in (1, 2, 5) if scale.low <= m * 10.0**p <= scale.high]
        return round_ones if len(round_ones) <= 2 * most else [tick for tick in round_ones if _is_power(tick)]
    step = _step((scale.high - scale.low) / most)
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def _step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def _is_power(value: float) -> bool:
    return math.isclose(math.log10(value) % 1, 0, abs_tol=1e-9) or math.isclose(math.log10(value) % 1, 1, abs_tol=1e-9)


def spanning(values: Iterable[float], *, margin: float = 0.06, least: float = 0.1) -> Scale:
    """An axis around some values with a little air, never narrower than `least`.

    Example:
        >>> spanning([0.5, 0.5])
        Scale(low=0.45, high=0.55, log=False)
        >>> spanning([0.0, 10.0])
        Scale(low=-0.6, high=10.6, log=False)
    """
    found = list(values) or [0.0]
    low, high = min(found), max(found)
    air = max(margin * (high - low), (least - (high - low)) / 2)
    return Scale(round(low - air, 6), round(high + air, 6))
