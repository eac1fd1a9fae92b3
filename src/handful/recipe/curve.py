"""The learning curve of a recipe: refitted on subsamples of the features that are already there."""

from __future__ import annotations

import numpy as np

from handful.core.errors import DataError
from handful.evaluate.arrays import Averaging, Floats, Ints, example_weights
from handful.evaluate.learning_curve import LearningCurve, fit_curve, summarised
from handful.nn.linear import blocks_of
from handful.recipe.selection import Problem, Trial
from handful.transfer.probe import ProbeRows

N_SUBSETS = 6  # a size
SHARES = (0.15, 0.25, 0.4, 0.6)  # of the labels


def learning_points(
    problem: Problem, trial: Trial, rows: ProbeRows, folds: Ints, metric: Averaging, rng: np.random.Generator
) -> tuple[Ints, list[Floats]]:
    """Errors of the chosen recipe at several sizes.

    Each subset keeps a share of every class's units and is tested on what is left; the last point is the
    cross-validation that has been done anyway.

    Args:
        problem: All examples.
        trial: The chosen recipe.
        rows: Its rows, decomposed.
        folds: Shape (n_repeats, n).

    Returns:
        Mean labels per class of each point, shape (p,); for each point the errors of its subsets.
    """
    sizes, errors = [], []
    for share in SHARES:
        drawn = [_subset(problem, share, rng) for _ in range(N_SUBSETS)]
        found = [_error(problem, rows, trial.penalty, kept, metric) for kept in drawn if _usable(problem, kept)]
        size = round(float(np.mean([len(kept) for kept in drawn])) / problem.n_classes)
        if len(found) >= 2 and size not in sizes:
            sizes.append(size)
            errors.append(np.array(found))
    n_folds = len(np.unique(folds[0]))
    sizes.append(round(len(problem.targets) * (n_folds - 1) / n_folds / problem.n_classes))
    weights = example_weights(problem.targets, metric)
    errors.append((1 - trial.correct(problem.targets)) @ weights)
    return np.array(sizes), errors


def fitted(sizes: Ints, errors: list[Floats], n: int, rng: np.random.Generator) -> LearningCurve | None:
    """The power law through the points; None when there are too few different sizes.

    Args:
        n: Examples that all points were tested on.
    """
    means, standard_errors = summarised(errors)
    last = (means[-1] * n + 0.5) / (n + 1)  # never 0: no errors among n is not no error
    try:
        return fit_curve(sizes, means, standard_errors, rng, common=float(np.sqrt((1 - last) / last / n)))
    except DataError:
        return None


def _subset(problem: Problem, share: float, rng: np.random.Generator) -> Ints:
    """Row numbers: a share of the units of every class, at least one each."""
    kept = []
    for rows in blocks_of(problem.targets):
        units = rng.permutation(np.unique(problem.units[rows]))
        chosen = units[: max(1, round(share * len(units)))]
        kept.append(rows[np.isin(problem.units[rows], chosen)])
    return np.sort(np.concatenate(kept))


def _rest(problem: Problem, kept: Ints) -> Ints:
    return np.flatnonzero(~np.isin(problem.units, problem.units[kept]))


def _usable(problem: Problem, kept: Ints) -> bool:
    left = problem.targets[_rest(problem, kept)]
    return len(np.unique(left)) == problem.n_classes


def _error(problem: Problem, rows: ProbeRows, penalty: float, kept: Ints, metric: Averaging) -> float:
    """Error on everything outside a subset, with the recipe's own penalty."""
    rest = _rest(problem, kept)
    wrong = rows.refitted(kept, rest, penalty).argmax(axis=1) != problem.targets[rest]
    return float(example_weights(problem.targets[rest], metric) @ wrong)
