"""The learning curve of a recipe: refitted on subsamples of the features that are already there."""

from __future__ import annotations

import numpy as np

from handful.core.errors import DataError
from handful.evaluate.arrays import Floats, Ints
from handful.evaluate.calibration import Temperature, fit_temperature
from handful.evaluate.learning_curve import LearningCurve, fit_curve, summarised
from handful.evaluate.metric import Metric
from handful.nn.linear import blocks_of
from handful.recipe.folds import Folds
from handful.recipe.trial import Trial
from handful.transfer.probe import DEFAULT_PENALTY, ProbeRows
from handful.transfer.technique import Problem

N_SUBSETS = 6  # a size
SHARES = (0.15, 0.25, 0.4, 0.6)  # of the labels


def learning_points(
    problem: Problem, trial: Trial, rows: ProbeRows, folds: Folds, metric: Metric, rng: np.random.Generator
) -> tuple[Ints, list[Floats]]:
    """Errors of a probe at several sizes, one minus the score.

    Each subset keeps a share of every class's units and is tested on what is left; the last point is the
    cross-validation that has been done anyway.

    Args:
        problem: All examples.
        trial: The probe, tried.
        rows: Its rows, decomposed.
        folds: What it was tried on.
        metric: One between 0 and 1, of which more is better.

    Returns:
        Mean labels per class of each point, shape (p,); for each point the errors of its subsets.
    """
    sizes, errors = [], []
    temperature = fit_temperature(trial.scores[0], problem.targets, metric.with_bias) if metric.graded else None
    for share in SHARES:
        drawn = [_subset(problem, share, rng) for _ in range(N_SUBSETS)]
        found = [_error(problem, rows, temperature, kept, metric) for kept in drawn if _usable(problem, kept)]
        size = round(float(np.mean([len(kept) for kept in drawn])) / problem.n_classes)
        if len(found) >= 2 and size not in sizes:
            sizes.append(size)
            errors.append(np.array(found))
    sizes.append(round(len(problem.targets) * (1 - 1 / folds.n_folds) / problem.n_classes))
    errors.append(1 - trial.contributions(metric, problem.targets).mean(axis=1))
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


def _error(problem: Problem, rows: ProbeRows, temperature: Temperature | None, kept: Ints, metric: Metric) -> float:
    """Error on everything outside a subset, with the recipe's own penalty, and its temperature if that matters."""
    rest = _rest(problem, kept)
    scores = rows.refitted(kept, rest, rows.probe.penalty or DEFAULT_PENALTY)
    read = temperature.apply(scores) if temperature else scores
    return 1 - float(metric.contributions(problem.targets[rest], read).mean())
