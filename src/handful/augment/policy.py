"""A policy: what may happen to an image, in words that print, save and come back equal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from handful.augment.draw import Draw
from handful.augment.matrices import scaling
from handful.augment.operation import Operation, parsed
from handful.augment.operations import KINDS
from handful.augment.trivial import trivial
from handful.augment.warp import Border
from handful.core.errors import DataError, UsageError

OPERATIONS = {kind.name: kind for kind in (*KINDS, trivial)}
NAMED = {
    "none": "",
    "flips": "flip_h=0.5",
    "light": "flip_h=0.5,scale=0.1,translate_x=0.05,translate_y=0.05,brightness=0.1,contrast=0.1",
    "standard": "flip_h=0.5,resized_crop=0.6,rotate=15,brightness=0.2,contrast=0.2,saturation=0.2",
    "strong": "flip_h=0.5,resized_crop=0.3,rotate=30,shear_x=10,perspective=0.2@0.5,brightness=0.4,contrast=0.4,"
    "saturation=0.4,hue=20,grey=0.1,blur=2@0.2,noise=0.05@0.2,erase=0.2@0.3",
    "document": "rotate=3,scale=0.05,shear_x=2,perspective=0.05,brightness=0.2,contrast=0.2,gamma=0.2,noise=0.03@0.5,"
    "jpeg=50@0.3",
    "scan": "rotate=8,scale=0.1,translate_x=0.05,translate_y=0.05,brightness=0.1,contrast=0.2,gamma=0.1",
    "trivial": "flip_h=0.5,trivial",
}
BORDERS = get_args(Border)
EXAMPLE = "operations such as rotate=15,flip_h=0.5"


@dataclass(frozen=True, repr=False)
class Policy:
    """What may happen to an image; `draw` decides what does.

    As text it is `rotate=15,flip_h=0.5,contrast=0.2@0.8`: an operation, its amount (a number, or `-10..25`), and after
    `@` how often. `str` writes it, `Policy.parse` reads it back equal.

    Args:
        operations: In their order; geometry is done first all the same, then colour, then effects.
        border: What lies beyond the edge of the image.
    Example:
        >>> policy = Policy.parse("rotate=15, flip_h=0.5")
        >>> print(policy)
        rotate=15,flip_h=0.5
        >>> image = np.zeros((40, 60, 3), np.uint8)
        >>> policy(image, np.random.default_rng(0)).shape
        (40, 60, 3)
    """

    operations: tuple[Operation[Draw], ...] = ()
    border: Border = "reflect"

    def __post_init__(self) -> None:
        if self.border not in BORDERS:
            raise UsageError(f"border={self.border} is not known", "policy", f"use one of {', '.join(BORDERS)}")

    def __call__(self, pixels: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
        """One augmented copy of an image, shape (height, width) or (height, width, channels)."""
        if not isinstance(pixels, np.ndarray) or pixels.ndim < 2:
            got = f"an array of shape {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            expected = "expected an array (height, width) or (height, width, channels)"
            raise DataError(f"an image is {got}, {expected}", "policy", "give np.asarray(image), say")
        height, width = pixels.shape[:2]
        return self.draw(rng, width, height).image(pixels)

    def draw(self, rng: np.random.Generator, width: int, height: int, out: tuple[int, int] | None = None) -> Draw:
        """Decide what happens to one image of this size.

        Args:
            rng: Where the decisions come from.
            width, height: Of the image.
            out: Width and height of what comes out; what the operations make of it when None.
        """
        if not isinstance(rng, np.random.Generator):
            raise UsageError(f"rng is {rng!r}, expected a generator", "policy", "give np.random.default_rng(0), say")
        if width < 1 or height < 1:
            raise UsageError(f"an image of {width} x {height} pixels is empty", "policy", "leave it out")
        drawn = Draw.nothing(width, height, self.border)
        for operation in self.operations:
            drawn = operation(drawn, rng)
        return drawn if out is None else drawn.moved(scaling(out[0] / drawn.width, out[1] / drawn.height), out)

    def without(self, *names: str) -> Policy:
        """The same policy without some operations."""
        return replace(self, operations=tuple(each for each in self.operations if each.kind.name not in names))

    @property
    def name(self) -> str:
        """Its short name if it is a named one, else its text."""
        for name in NAMED:
            named = Policy.parse(name)
            if self == named:
                return name
            if self.operations and self == named.without("flip_h"):
                return f"{name} without flips"
        return str(self)

    def __repr__(self) -> str:
        return f"Policy.parse({str(self)!r})"

    def __str__(self) -> str:
        border = () if self.border == "reflect" else (f"border={self.border}",)
        return ",".join([*map(str, self.operations), *border]) or "none"

    @staticmethod
    def parse(text: str) -> Policy:
        """A named policy, or operations as text.

        Raises:
            UsageError: when something in it is not known or out of range; names the nearest that is known.
        """
        text = text.strip()
        if not text.strip(" ,"):
            raise UsageError("the policy is empty", "policy", "write none if nothing is to happen")
        is_one_word = text.isidentifier() and text not in (*NAMED, *OPERATIONS, "border")
        if is_one_word and not get_close_matches(text, NAMED, n=1):
            raise UsageError(f"no policy is called {text!r}", "policy", f"use {', '.join(NAMED)}, or {EXAMPLE}")
        parts = [each for part in NAMED.get(text, text).split(",") for each in _meant(part.strip()).split(",") if each]
        borders = [part.partition("=")[2].strip() for part in parts if part.partition("=")[0].strip() == "border"]
        done = [part for part in parts if part.partition("=")[0].strip() != "border"]
        operations = tuple(parsed(part, OPERATIONS, (*NAMED, "border")) for part in done)
        if len(set(borders)) > 1:
            raise UsageError(f"there are two borders, {' and '.join(borders[:2])}", "policy", "leave one out")
        return Policy(operations, borders[-1] if borders else "reflect")  # type: ignore[arg-type]


def _meant(part: str) -> str:
    """A named policy is its operations; among others, an operation of the same name comes first."""
    return part if part in OPERATIONS else NAMED.get(part, part)
