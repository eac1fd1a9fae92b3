"""What a policy drew for one image: one warp, one recolouring, and the effects that come after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from handful.augment.matrices import IDENTITY, Matrix
from handful.augment.recolour import Curve, Recolour, full_range
from handful.augment.warp import Border, Warp

Array = npt.NDArray[Any]


class Effect(Protocol):
    """Neither a warp nor a recolouring, with everything already drawn: the same call gives the same bytes."""

    def __call__(self, pixels: Array) -> Array: ...


@dataclass(frozen=True, eq=False)
class Draw:
    """Everything that happens to one image, drawn and not yet done.

    Whatever the order of the operations in a policy, the geometry comes first, then colour, then effects.

    Args:
        warp: All geometry.
        recolour: All colour.
        effects: In their order.
    """

    warp: Warp
    recolour: Recolour = field(default_factory=Recolour)
    effects: tuple[Effect, ...] = ()

    @staticmethod
    def nothing(width: int, height: int, border: Border = "reflect") -> Draw:
        """A draw that leaves an image of this size as it is."""
        return Draw(Warp((width, height), (width, height), IDENTITY, border))

    @property
    def width(self) -> int:
        """Of the image so far."""
        return self.warp.target[0]

    @property
    def height(self) -> int:
        """Of the image so far."""
        return self.warp.target[1]

    def moved(self, matrix: Matrix, target: tuple[int, int] | None = None) -> Draw:
        """And then a geometric operation, which may change the size to `target`, (width, height)."""
        return Draw(self.warp.then(matrix, target), self.recolour, self.effects)

    def recoloured(self, stage: Matrix | Curve) -> Draw:
        """And then a linear colour operation, shape (4, 4), or a curve."""
        return Draw(self.warp, self.recolour.then(stage), self.effects)

    def followed_by(self, effect: Effect) -> Draw:
        """And then an effect."""
        return Draw(self.warp, self.recolour, (*self.effects, effect))

    def image(self, pixels: Array) -> Array:
        """The augmented image, of the same type and channels; the input is untouched.

        Args:
            pixels: uint8 or uint16, shape (height, width) or (height, width, 1, 3 or 4).
        """
        full_range(pixels)  # refuses other types before OpenCV does
        changed = self.recolour.image(self.warp.image(pixels))
        for effect in self.effects:
            changed = effect(changed)
        return changed

    def chw(self, pixels: Array, mean: Sequence[float], std: Sequence[float]) -> npt.NDArray[np.float32]:
        """The augmented image as a network takes it: (x - mean) / std, shape (3, height, width).

        Colour, normalisation and the change of layout are one product where no effect needs pixels in between.

        Args:
            pixels: RGB, uint8 or uint16, shape (height, width, 3).
            mean, std: Of each channel, in the pixels' own units (0 to 255, say).
        """
        if self.effects:
            return Recolour().chw(self.image(pixels), mean, std)
        full_range(pixels)
        return self.recolour.chw(self.warp.image(pixels), mean, std)
