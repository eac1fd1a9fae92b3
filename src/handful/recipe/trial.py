"""Recipes that were tried, the one that was chosen, and what each example says of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handful.evaluate.arrays import Floats, Ints
from handful.evaluate.calibration import cross_fitted
from handful.evaluate.metric import Metric
from handful.evaluate.selection import Corrected
from handful.recipe.ensemble import Ensemble
from handful.recipe.recipe import Recipe
from handful.transfer.probe import Probe


@dataclass(frozen=True)
class Trial:
    """One recipe, tried.

    Args:
        recipe: With everything filled in that was found on the data.
        prior: The expected accuracy above the plainest recipe.
        scores: Out-of-fold scores before calibration, shape (n_repeats, n, n_classes): on many folds, or on few where
            the recipe is trained.
        read: What the metric reads: cross-fitted probabilities, or where any scores will do these, same shape.
        seconds: What trying it took.
        on_few: Scores on the few folds, shape (1, n, n_classes), where it was compared with what is trained.
        few_read: As `read`, of `on_few`.
    """

    recipe: Recipe | Ensemble
    prior: float
    scores: Floats
    read: Floats
    seconds: float
    on_few: Floats | None = None
    few_read: Floats | None = None

    @property
    def few(self) -> Floats | None:
        """Scores on the few folds, if there are any."""
        return self.scores if self.recipe.is_trained else self.on_few

    def contributions(self, metric: Metric, targets: Ints, on_few: bool = False) -> Floats:
        """What each example adds to the score in each repeat, shape (n_repeats, n); on the few folds if asked."""
        read = self.few_read if on_few and not self.recipe.is_trained else self.read
        assert read is not None  # noqa: S101 - what is compared with something trained was predicted on its folds
        return contributions_of(read, metric, targets)


@dataclass(frozen=True)
class Selection:
    """All trials, the chosen one, and its score forgiven for the choice.

    Args:
        trials: In the order in which they were tried, cheap ones first.
        chosen: Position of the winner.
        corrected: By the bootstrap, with every choice made again in each draw; it holds contributions to the metric.
        right: How often each example is named rightly, corrected likewise, shape (n,).
        n_skipped: Candidates that the budget did not reach.
        given_up: What was stopped early, in words.
        base: Position of the best probe, which everything else was made from.
    """

    trials: tuple[Trial, ...]
    chosen: int
    corrected: Corrected
    right: Floats
    n_skipped: int
    given_up: tuple[str, ...] = ()
    base: int = 0

    @property
    def winner(self) -> Trial:
        return self.trials[self.chosen]

    @property
    def best_probe(self) -> Trial:
        """The winner, or where that is more than a probe the probe that it was made from."""
        first = self.winner.recipe.members[0]
        if isinstance(first.adapt, Probe):
            return next(trial for trial in self.trials if trial.recipe == first)
        return self.trials[self.base]


def contributions_of(read: Floats, metric: Metric, targets: Ints) -> Floats:
    """What each example adds to the score, shape (n_repeats, n), from what the metric reads."""
    return np.stack([metric.contributions(targets, repeat) for repeat in read])


def readable(scores: Floats, metric: Metric, targets: Ints, folds: Ints) -> Floats:
    """Cross-fitted probabilities where the metric reads more than which class is the likeliest; else the scores."""
    if not metric.graded:
        return scores
    each = zip(scores, folds, strict=False)
    return np.stack([cross_fitted(repeat, targets, fold, metric.with_bias) for repeat, fold in each])
