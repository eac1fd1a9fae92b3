"""Trying recipes on the user's own data: the same folds for all, the best expected score, and what that is worth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from handful.augment.views import ORIGINAL, View, views_of
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.evaluate.arrays import Averaging, Floats, Ints, example_weights
from handful.evaluate.selection import Corrected, bias_corrected
from handful.nn.backbone import Backbone, FeatureMatrix
from handful.recipe.budget import Budget
from handful.recipe.candidates import Candidate
from handful.recipe.recipe import Recipe
from handful.transfer.probe import ProbeRows

WITH_REFIT = 3  # times what a recipe takes to try: what it takes if it wins, with refit, learning curve and report
PRIOR_EXAMPLES = 100  # how many examples of its own a data set must bring to weigh as much as the prior


@dataclass(frozen=True)
class Problem:
    """What recipes are tried on.

    Args:
        features: Of all views, shape (n, n_views, dim).
        targets: Class indices, shape (n,).
        n_classes: Number of classes.
        units: What is never split across folds, shape (n,).
        backbone: What the features came from.
        views: What they are of; the image itself is the first, its mirror image the second if there is one.
    """

    features: FeatureMatrix
    targets: Ints
    n_classes: int
    units: Ints
    backbone: Backbone
    views: tuple[View, ...] = (ORIGINAL,)

    def rows(self, recipe: Recipe) -> ProbeRows:
        """The decomposed rows of one recipe."""
        its_views = views_of(recipe.augment)[: max(recipe.adapt.views) + 1]
        features = self.features[:, [self.views.index(view) for view in its_views]]
        return ProbeRows(recipe.adapt, features, self.backbone, self.targets, self.n_classes, self.units)

    def take(self, rows: Ints) -> Problem:
        """The same problem on some of the examples."""
        return replace(self, features=self.features[rows], targets=self.targets[rows], units=self.units[rows])


@dataclass(frozen=True)
class Trial:
    """One recipe, tried.

    Args:
        recipe: With its penalty filled in.
        penalty: Chosen by exact leave-one-out.
        prior: The expected score above the plainest recipe.
        scores: Out-of-fold scores before calibration, shape (n_repeats, n, n_classes).
        seconds: What trying it took.
    """

    recipe: Recipe
    penalty: float
    prior: float
    scores: Floats
    seconds: float

    def correct(self, targets: Ints) -> Floats:
        """Whether each example is named rightly, in each repeat, shape (n_repeats, n)."""
        return np.asarray(self.scores.argmax(axis=2) == targets, dtype=np.float64)


@dataclass(frozen=True)
class Selection:
    """All trials, the chosen one, and its score forgiven for the choice.

    Args:
        trials: In the order of their cost.
        chosen: Position of the winner.
        corrected: By the bootstrap, with every choice made again in each draw.
        n_skipped: Candidates that the budget did not reach.
    """

    trials: tuple[Trial, ...]
    chosen: int
    corrected: Corrected
    n_skipped: int

    @property
    def winner(self) -> Trial:
        return self.trials[self.chosen]


def select(
    problem: Problem,
    candidates: Sequence[Candidate],
    folds: Ints,
    metric: Averaging,
    budget: Budget,
    seed: int,
    progress: Progress = SILENT,
) -> Selection:
    """Try the candidates on the same folds and take the best expected score; ties go to the cheaper.

    The expected score is the out-of-fold score shrunken towards the prior, as if `PRIOR_EXAMPLES` earlier examples had
    scored it.

    Args:
        folds: Shape (n_repeats, n).
        budget: Says when to stop trying.
    """
    trials: list[Trial] = []
    with progress.track("trying recipes", len(candidates)) as done:
        for candidate in candidates:
            if trials and not budget.allows(WITH_REFIT * _expected_seconds(problem, candidate, trials[-1])):
                break
            trials.append(try_recipe(problem, candidate, folds))
            budget.spend()
            done(1)
    prior = np.array([trial.prior for trial in trials])
    correct = np.stack([trial.correct(problem.targets).mean(axis=0) for trial in trials], axis=1)
    criterion = correct * example_weights(problem.targets, metric)[:, None] * len(correct)

    def best_expected(totals: Floats) -> Ints:
        return np.asarray(np.argmax(np.round(totals + PRIOR_EXAMPLES * prior, 9), axis=1))

    chosen = int(best_expected(criterion.sum(axis=0, keepdims=True))[0])
    corrected = bias_corrected(
        criterion, correct, problem.targets, problem.units, metric, stream(seed, "choice"), choose=best_expected
    )
    return Selection(tuple(trials), chosen, corrected, len(candidates) - len(trials))


def _expected_seconds(problem: Problem, candidate: Candidate, last: Trial) -> float:
    """What trying a candidate will take, from what the last one took: a decomposition costs small^2 x large."""

    def work(recipe: Recipe) -> int:
        columns = problem.backbone.columns(recipe.adapt.layers)
        n_rows = len(problem.targets) * len(recipe.adapt.views)
        small, large = sorted((n_rows, sum(column.stop - column.start for column in columns)))
        return int(small**2 * large)

    return last.seconds * work(candidate.recipe) / work(last.recipe)


def try_recipe(problem: Problem, candidate: Candidate, folds: npt.NDArray[np.int64]) -> Trial:
    """Choose the penalty by exact leave-one-out, then predict every example out of fold."""
    start = time.perf_counter()
    rows = problem.rows(candidate.recipe)
    penalty = rows.best_penalty()
    scores = rows.out_of_fold(folds, penalty)
    recipe = replace(candidate.recipe, adapt=replace(candidate.recipe.adapt, penalty=penalty))
    return Trial(recipe, penalty, candidate.prior, scores, time.perf_counter() - start)


def expected_best(candidates: Sequence[Candidate]) -> Recipe:
    """The recipe to take when there is nothing to validate on: the one that usually does best."""
    return max(candidates, key=lambda candidate: candidate.prior).recipe
