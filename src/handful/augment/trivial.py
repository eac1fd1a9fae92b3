"""TrivialAugment: one operation, drawn evenly, of a strength drawn evenly. Nothing to tune."""

from __future__ import annotations

import numpy as np

from handful.augment.draw import Draw
from handful.augment.operation import operation
from handful.augment.operations import KINDS

CHOICES = tuple(kind for kind in KINDS if not kind.mirrors and (kind.widest or kind.usual is None))


@operation("trivial", recolours=True)
def trivial(so_far: Draw, _: float, rng: np.random.Generator) -> Draw:
    """One operation at random, or none, each as likely, with an amount from its widest range.

    Source: Müller and Hutter 2021, arXiv:2103.10158, the "wide" space. Differs: drawn over all operations that have a
    widest range or no amount; flips are left to the policy, since whether they are safe depends on the labels.
    """
    at = rng.integers(len(CHOICES) + 1)
    if at == len(CHOICES):
        return so_far
    low, high = CHOICES[at].widest or (0.0, 0.0)
    return CHOICES[at].draw(so_far, rng.uniform(low, high), rng)
