"""The folds that recipes race on: many for what is exact, few for what must be trained for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handful.core.rng import stream
from handful.data.splits import choose_n_folds, repeated_folds
from handful.evaluate.arrays import Ints

MOST_FOLDS = 20  # models of 95 % of the examples are nearly as good as the one that ships; small blocks are quick, too
PREDICTIONS_WANTED = 1000  # out of fold, all repeats together: small sets are repeated more often
MOST_REPEATS, LEAST_REPEATS = 10, 2
FEW = 5  # folds for what is trained step by step


@dataclass(frozen=True)
class Folds:
    """Fold numbers of each example.

    Args:
        many: Shape (n_repeats, n).
        few: Shape (1, n): each is several of the first repeat's, so that what is bound together stays together.
    """

    many: Ints
    few: Ints

    @property
    def n_folds(self) -> int:
        """Of one repeat."""
        return len(np.unique(self.many[0]))

    def of(self, is_trained: bool) -> Ints:
        """Those that a recipe is tried on."""
        return self.few if is_trained else self.many


def folds_of(targets: Ints, units: Ints, seed: int, few: int = FEW) -> Folds | None:
    """Stratified folds that never split a unit; None when a class has too few units to leave one out.

    Args:
        targets: Class indices, shape (n,).
        units: What is never split, shape (n,).
        few: At most so many folds for what is trained.
    """
    n_folds = choose_n_folds(targets, units, MOST_FOLDS)
    if not n_folds:
        return None
    n_repeats = int(np.clip(round(PREDICTIONS_WANTED / len(targets)), LEAST_REPEATS, MOST_REPEATS))
    many = repeated_folds(targets, units, n_folds, n_repeats, stream(seed, "folds"))
    return Folds(many, many[:1] % few)
