"""What the best of many configurations is worth, once it is forgiven for having been chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from handful.core.errors import DataError
from handful.evaluate.arrays import BLOCK, Averaging, Floats, Ints, example_weights

LEFT_OUT = 5  # every example is scored by the choices of at least so many draws that were made without it

Choose = Callable[[Floats], Ints]
"""From the summed criterion of each draw and configuration, (b, m), to the chosen configurations, (b,)."""


@dataclass(frozen=True)
class Corrected:
    """What the procedure "try them all, take the best" scores on examples that had no say in the choice.

    Args:
        value: The mean of `correct`, over examples or over classes.
        correct: What each example scores (or contributes) when the choice was made without it, shape (n,).
        chosen_share: How often each configuration was chosen, shape (m,).
    """

    value: float
    correct: Floats
    chosen_share: Floats


def best(totals: Floats) -> Ints:
    """The configuration with the largest sum; the first (say, the cheapest) of equals."""
    winners: Ints = totals.argmax(axis=1)
    return winners


def bias_corrected(
    criterion: Floats,
    scored: Floats,
    targets: Ints,
    units: Ints,
    metric: Averaging,
    rng: np.random.Generator,
    n_draws: int = 500,
    choose: Choose = best,
) -> Corrected:
    """Bootstrap bias-corrected cross-validation: the score of the best configuration without its luck.

    Each draw resamples the units within their class, chooses a configuration by the examples in the bag, and scores
    it on those outside.

    Args:
        criterion: What decides, to be maximised, such as minus the log loss of each example, shape (n, m). An
            example's repeats of cross-validation are averaged into its row, so that they are drawn together.
        scored: What is reported, such as correctness, fractional over repeats, shape (n, m).
        targets: Class indices, shape (n,).
        units: Examples that are drawn together, shape (n,).
        metric: How `scored` is averaged: "accuracy", the plain mean, for the contributions of any `Metric`, which are
            both what decides and what is reported.
        choose: How sums over the bag decide; add a prior per configuration here.
    Raises:
        DataError: when all examples are one unit.
    Source: Tsamardinos, Greasidou, Borboudakis 2018, Machine Learning 107 (BBC-CV). Differs: units are drawn,
        within classes, so that no class of two units or more vanishes; and out-of-bag scores are averaged by example,
        then over examples, so that each counts as much as in the plain score.
    """
    _, owners = np.unique(units, return_inverse=True)
    draw = _stratified_draws(_strata(targets, owners), rng)
    unit_criterion = np.zeros((owners.max() + 1, criterion.shape[1]))
    np.add.at(unit_criterion, owners, criterion)
    by_configuration = np.ascontiguousarray(scored.T)

    n_drawn, chosen = 0, np.zeros(criterion.shape[1])
    sums, times = np.zeros(len(targets)), np.zeros(len(targets))
    while n_drawn < n_draws or times.min() < LEFT_OUT:
        counts = draw(max(1, min(n_draws - n_drawn, BLOCK // max(criterion.shape))))
        winners = choose(counts @ unit_criterion)
        outside = (counts == 0)[:, owners]
        sums += np.einsum("bn,bn->n", outside, by_configuration[winners])
        times += outside.sum(axis=0)
        chosen += np.bincount(winners, minlength=len(chosen))
        n_drawn += len(counts)
    correct = sums / times
    return Corrected(float(example_weights(targets, metric) @ correct), correct, chosen / n_drawn)


def _strata(targets: Ints, owners: Ints) -> Ints:
    """The stratum of each unit, shape (u,), none with a single unit: those are drawn together, or with the largest."""
    strata = np.zeros(owners.max() + 1, dtype=np.int64)
    strata[owners] = targets + 1  # a unit of several classes goes with one of them
    if len(strata) < 2:
        raise DataError("all examples belong to one group", remedy="add examples from a second group")
    counts = np.bincount(strata)
    single = counts[strata] == 1
    strata[single] = 0 if single.sum() > 1 else counts.argmax()
    return strata


def _stratified_draws(strata: Ints, rng: np.random.Generator) -> Callable[[int], Floats]:
    """A function that resamples units within strata: how often each is in the bag, shape (b, u)."""
    order = np.argsort(strata, kind="stable")
    _, starts, sizes = np.unique(strata[order], return_index=True, return_counts=True)
    start, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)  # of the stratum in each place of `order`

    def draw(n: int) -> Floats:
        places = start + (rng.random((n, len(order))) * size).astype(np.int64)
        cells = order[places] + len(order) * np.arange(n)[:, None]
        return np.bincount(cells.ravel(), minlength=n * len(order)).reshape(n, -1).astype(np.float64)

    return draw
