"""Fixed views of an image, drawn from a policy once and for all.

Frozen features are computed once per view. So what a policy draws for an image depends on nothing but the policy, the
number of the view and the image itself: every fold and every run sees the same views, leave-one-out stays exact and
cached features valid.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.augment.geometry import flip_h
from handful.augment.policy import Policy
from handful.core.rng import stream

Pixels = npt.NDArray[np.uint8]

MOST_VIEWS = 6  # of an image under one policy; more cost more than they give


@dataclass(frozen=True)
class View:
    """One view of each image: what a policy draws for it.

    Args:
        policy: As text.
        number: Tells the draws of one policy apart.
    """

    policy: str = "none"
    number: int = 0

    @property
    def name(self) -> str:
        """Names the view in messages."""
        return f"{self.policy}, draw {self.number}"

    def __call__(self, image: Pixels) -> Pixels:
        """The view of one image, shape (height, width, 3), at the same size; the input is untouched."""
        height, width = image.shape[:2]
        rng = stream(0, "view", self.policy, self.number, zlib.crc32(image.tobytes()))
        return np.asarray(Policy.parse(self.policy).draw(rng, width, height, out=(width, height)).image(image))


ORIGINAL = View()
MIRRORED = View(str(flip_h(1.0)))  # what the shipped graph averages over, and the same to the byte


def views_of(policy: Policy, most: int = MOST_VIEWS) -> tuple[View, ...]:
    """The views of a policy in the order in which they are worth computing.

    The image itself is the first, its mirror image the second if the policy flips, and draws of the policy follow.

    Example:
        >>> [view.name for view in views_of(Policy.parse("flips"))]
        ['none, draw 0', 'flip_h=1.0, draw 0']
    """
    flips = any(operation.kind is flip_h for operation in policy.operations)
    first = (ORIGINAL, MIRRORED) if flips else (ORIGINAL,)
    if not policy.without(flip_h.name).operations:
        return first[:most]
    return (*first, *(View(str(policy), number) for number in range(len(first), most)))[:most]
