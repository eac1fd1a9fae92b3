"""Choosing a recipe on the user's own data, fitting it, and saying what it is worth."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.core.threads import threads_for
from handful.core.words import count
from handful.data.splits import choose_n_folds, repeated_folds
from handful.evaluate.arrays import Averaging, Floats, Ints
from handful.evaluate.calibration import Temperature
from handful.evaluate.conformal import conformal_scores
from handful.evaluate.intervals import score_interval, width_limits
from handful.evaluate.learning_curve import band, labels_until
from handful.nn.backbone import FeatureMatrix
from handful.nn.linear import Linear
from handful.recipe.budget import Budget
from handful.recipe.candidates import Candidate
from handful.recipe.curve import fitted, learning_points
from handful.recipe.evidence import evidence
from handful.recipe.recipe import Recipe
from handful.recipe.selection import Problem, Selection, Trial, expected_best, select
from handful.tasks.estimate import (
    CROSS_VALIDATED,
    OutOfFold,
    majority,
    out_of_fold,
    probability_sections,
    score_sections,
)
from handful.transfer.probe import DEFAULT_PENALTY, ProbeRows, predicted_scores

MOST_FOLDS = 20  # models of 95 % of the examples are nearly as good as the one that ships; small blocks are quick, too
PREDICTIONS_WANTED = 1000  # out of fold, all repeats together: small sets are repeated more often
MOST_REPEATS, LEAST_REPEATS = 10, 2
TARGETS = (0.9, 0.95)  # scores that "how many more labels?" is asked for


@dataclass(frozen=True)
class Learned:
    """A fitted recipe and what is known of it.

    Args:
        recipe: With every setting filled in.
        head: The linear map from prepared features to scores.
        calibration: From scores to probabilities.
        conformal: Sorted nonconformity scores; empty when there was nothing to validate on.
        out_of_fold: Predictions of every example by models that never saw it; None likewise.
        alone: Probabilities of each example by the recipe fitted without its unit alone; None likewise.
        sections: Keys of the metrics.
    """

    recipe: Recipe
    head: Linear
    calibration: Temperature
    conformal: Floats
    out_of_fold: OutOfFold | None
    alone: Floats | None
    sections: dict[str, Any]

    def probabilities(self, problem: Problem, features: FeatureMatrix) -> Floats:
        """Of new examples from their features, as the shipped graph computes them."""
        scores = predicted_scores(self.recipe.adapt, self.head, features, problem.backbone)
        return self.calibration.apply(scores)


def learn(
    problem: Problem,
    tried: list[Candidate],
    classes: tuple[str, ...],
    metric: Averaging,
    budget: Budget,
    seed: int,
    progress: Progress = SILENT,
) -> Learned:
    """Choose, fit, calibrate, and account for it; without an account where there is nothing to validate on."""
    n_folds = choose_n_folds(problem.targets, problem.units, MOST_FOLDS)
    n_rows = problem.features.shape[0] * problem.features.shape[1]
    with threads_for(n_rows):
        if not n_folds:
            return _unvalidated(problem, tried)
        return _validated(problem, tried, classes, metric, budget, seed, n_folds, progress)


def _validated(
    problem: Problem,
    tried: list[Candidate],
    classes: tuple[str, ...],
    metric: Averaging,
    budget: Budget,
    seed: int,
    n_folds: int,
    progress: Progress,
) -> Learned:
    repeats = int(np.clip(round(PREDICTIONS_WANTED / len(problem.targets)), LEAST_REPEATS, MOST_REPEATS))
    folds = repeated_folds(problem.targets, problem.units, n_folds, repeats, stream(seed, "folds"))
    selection = select(problem, tried, folds, metric, budget, seed, progress)
    winner = selection.winner
    rows = problem.rows(winner.recipe)
    oof = out_of_fold(winner.scores, problem.targets, folds)
    alone = oof.probabilities
    if winner.recipe.adapt.head == "ridge":
        alone = oof.temperature.apply(rows.leave_one_out([winner.penalty])[0])
    scores = score_sections(
        selection.corrected.correct, problem.targets, problem.units, classes, metric, seed, CROSS_VALIDATED
    )
    conformal = conformal_scores(oof.single, problem.targets)
    sections = {
        **scores,
        "score_missing": None,
        "folds": {"n_folds": n_folds, "n_repeats": repeats},
        **probability_sections(oof.probabilities, problem.targets, len(classes)),
        "evidence": [asdict(row) for row in evidence(selection, folds, problem.targets, metric)],
        "candidates": _candidate_rows(selection, problem, metric, seed),
        "n_candidates_skipped": selection.n_skipped,
        "learning_curve": _curve_section(problem, winner, rows, folds, metric, seed),
    }
    sections["calibration"]["temperature"] = 1 / oof.temperature.scale
    return Learned(winner.recipe, rows.fit(winner.penalty), oof.temperature, conformal, oof, alone, sections)


def sample_sections(targets: Ints, classes: tuple[str, ...], metric: Averaging) -> dict[str, Any]:
    """The keys that the labels alone decide: counts, what guessing scores, how wide intervals of this size are."""
    counts = np.bincount(targets, minlength=len(classes))
    narrowest, widest = width_limits(CROSS_VALIDATED * counts.astype(np.float64))
    return {
        "n": len(targets),
        "classes": list(classes),
        "counts": dict(zip(classes, counts.tolist(), strict=True)),
        "majority": majority(targets, classes, metric),
        "chance": 1 / len(classes),
        "sample_limits": {"narrowest": narrowest, "widest": widest},
    }


def _unvalidated(problem: Problem, tried: list[Candidate]) -> Learned:
    recipe = expected_best(tried)
    recipe = replace(recipe, adapt=replace(recipe.adapt, penalty=DEFAULT_PENALTY))
    head = problem.rows(recipe).fit(DEFAULT_PENALTY)
    scores = predicted_scores(recipe.adapt, head, problem.features, problem.backbone)
    spread = float(np.sqrt(scores.var(axis=1).mean()))
    calibration = Temperature(1 / max(spread, 1e-9), np.zeros(problem.n_classes))
    smallest = min(len(np.unique(problem.units[problem.targets == c])) for c in range(problem.n_classes))
    reason = (
        f"a class has {count(smallest, 'independent example')}; a score needs two of every class, "
        "one to learn from and one to test on"
    )
    sections: dict[str, Any] = {
        "score": None, "score_missing": reason, "scores": {}, "per_class": [], "evidence": [], "candidates": [],
        "confusion": None, "calibration": None, "learning_curve": None,
    }  # fmt: skip
    return Learned(recipe, head, calibration, np.empty(0), None, None, sections)


def _candidate_rows(selection: Selection, problem: Problem, metric: Averaging, seed: int) -> list[dict[str, Any]]:
    rows = []
    for at, trial in enumerate(selection.trials):
        correct = trial.correct(problem.targets).mean(axis=0)
        interval = score_interval(
            correct, problem.targets, problem.units, metric, stream(seed, "candidate", at), 1000, worth=CROSS_VALIDATED
        )
        row = {"name": trial.recipe.brief(), **asdict(interval), "chosen": at == selection.chosen}
        rows.append({**row, "chosen_share": float(selection.corrected.chosen_share[at]), "seconds": trial.seconds})
    return rows


def _curve_section(
    problem: Problem, trial: Trial, rows: ProbeRows, folds: Ints, metric: Averaging, seed: int
) -> dict[str, Any]:
    sizes, errors = learning_points(problem, trial, rows, folds, metric, stream(seed, "subsets"))
    points = [
        {
            "n_per_class": int(size),
            "n": int(size) * problem.n_classes,
            "value": float(1 - drawn.mean()),
            "low": float(1 - drawn.max()),
            "high": float(1 - drawn.min()),
        }
        for size, drawn in zip(sizes, errors, strict=True)
    ]
    section: dict[str, Any] = {"of": trial.recipe.describe(), "points": points, "law": None}
    curve = fitted(sizes, errors, len(problem.targets), stream(seed, "curve"))
    if curve is None:
        say = "Cannot tell yet: there are too few labels to see how the score grows."
        return {
            **section,
            "band": [],
            "answers": [{"target": target, "n_per_class": None, "say": say} for target in TARGETS],
        }
    ahead = np.unique(np.round(np.geomspace(max(1, sizes.min()), 10 * sizes.max(), 24)).astype(int)).astype(float)
    middle, low, high = band(curve, ahead)
    section["law"] = dict(zip("abc", curve.law.tolist(), strict=True))
    section["band"] = [
        {"n_per_class": int(n), "value": float(1 - m), "low": float(1 - h), "high": float(1 - b)}
        for n, m, b, h in zip(ahead, middle, low, high, strict=True)
    ]
    section["answers"] = [{"target": target, **asdict(labels_until(curve, 1 - target))} for target in TARGETS]
    return section
