"""Choosing a recipe on the user's own data, fitting it, and saying what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.core.errors import JobError
from handful.core.rng import stream
from handful.core.threads import threads_for
from handful.core.words import count
from handful.evaluate.arrays import Floats, Ints
from handful.evaluate.calibration import Temperature
from handful.evaluate.conformal import conformal_scores
from handful.evaluate.intervals import width_limits
from handful.evaluate.learning_curve import band, labels_until
from handful.evaluate.metric import ACCURACY, Metric
from handful.recipe.candidates import Candidate
from handful.recipe.curve import fitted, learning_points
from handful.recipe.ensemble import Ensemble
from handful.recipe.evidence import evidence
from handful.recipe.folds import Folds, folds_of
from handful.recipe.recipe import Recipe
from handful.recipe.selection import Race, expected_best, select
from handful.recipe.trial import Selection, Trial
from handful.tasks.estimate import (
    CROSS_VALIDATED,
    OutOfFold,
    majority,
    out_of_fold,
    probability_sections,
    score_sections,
)
from handful.transfer.probe import DEFAULT_PENALTY, Probe, ProbeRows
from handful.transfer.technique import Examples, Fitted, Problem

TARGETS = (0.9, 0.95)  # scores that "how many more labels?" is asked for


@dataclass(frozen=True)
class Learned:
    """A fitted recipe and what is known of it.

    Args:
        recipe: With every setting filled in.
        metric: What it was chosen by, and what decides on its answers.
        fitted: What it made of all examples.
        calibration: From scores to probabilities.
        conformal: Sorted nonconformity scores; empty when there was nothing to validate on.
        out_of_fold: Predictions of every example by models that never saw it; None likewise.
        alone: Probabilities of each example by the recipe fitted without its unit alone; None likewise.
        sections: Keys of the metrics.
    """

    recipe: Recipe | Ensemble
    metric: Metric
    fitted: Fitted
    calibration: Temperature
    conformal: Floats
    out_of_fold: OutOfFold | None
    alone: Floats | None
    sections: dict[str, Any]

    def probabilities(self, examples: Examples) -> Floats:
        """Of new examples, as the shipped graph computes them."""
        return self.calibration.apply(self.fitted.scores(examples))


def learn(
    problem: Problem,
    tried: list[Candidate],
    classes: tuple[str, ...],
    metric: Metric,
    policies: Mapping[Policy, float] | None = None,
    floor: Recipe | None = None,
) -> Learned:
    """Choose, fit, calibrate, and account for it; without an account where there is nothing to validate on.

    Args:
        problem: All examples.
        tried: Probes to begin with.
        classes: Their names.
        metric: What is maximised; where something can be validated it decides as suits the shares of the classes.
        policies: What views are drawn from where something is trained; nothing is trained when None.
        floor: The plainest recipe, whose score is shown beside that of the chosen one.
    """
    folds = folds_of(problem.targets, problem.units, problem.seed)
    most_views = max(len(views_of(candidate.recipe.members[0].augment)) for candidate in tried)
    with threads_for(len(problem.targets) * most_views):
        if folds is None:
            return _unvalidated(problem, tried, metric, policies)
        informed = metric.at_shares(problem.targets, problem.n_classes)
        return _validated(problem, tried, classes, informed, policies, floor, folds)


def _validated(
    problem: Problem,
    tried: list[Candidate],
    classes: tuple[str, ...],
    metric: Metric,
    policies: Mapping[Policy, float] | None,
    floor: Recipe | None,
    folds: Folds,
) -> Learned:
    selection, fitted = _fitted(select(problem, tried, folds, metric, policies), problem)
    winner, targets = selection.winner, problem.targets
    oof = out_of_fold(winner.scores, targets, folds.of(winner.recipe.is_trained), metric)
    rows = _rows(problem, selection.best_probe.recipe.members[0])
    alone = oof.probabilities
    if winner is selection.best_probe and rows.probe.head == "ridge":
        alone = oof.temperature.apply(rows.leave_one_out([rows.probe.penalty or DEFAULT_PENALTY])[0])
    contributions = selection.corrected.correct
    scores = score_sections(
        contributions, selection.right, targets, problem.units, classes, metric, problem.seed, CROSS_VALIDATED
    )
    conformal = conformal_scores(oof.single, targets)
    sections = {
        **scores,
        "folds": {"n_folds": folds.n_folds, "n_repeats": len(winner.scores)},
        **probability_sections(oof.probabilities, targets, len(classes), metric),
        "evidence": [asdict(row) for row in evidence(selection, folds, targets, metric)],
        "candidates": _candidate_rows(selection, problem, metric),
        "n_candidates_skipped": selection.n_skipped,
        "given_up": list(selection.given_up),
        "floor": _floor_section(floor, selection, problem, folds, metric) if floor else None,
        "learning_curve": _curve_section(problem, selection.best_probe, rows, folds, metric),
    }
    if winner.recipe.is_trained:
        sections["folds"] = {"n_folds": int(folds.few.max()) + 1, "n_repeats": 1}
    sections["calibration"]["temperature"] = 1 / oof.temperature.scale
    return Learned(winner.recipe, metric, fitted, oof.temperature, conformal, oof, alone, sections)


def _fitted(selection: Selection, problem: Problem) -> tuple[Selection, Fitted]:
    """The winner on all examples; where that training fails, the probe that it was made from."""
    try:
        return selection, selection.winner.recipe.fit(problem)
    except JobError as failure:
        if selection.winner is selection.best_probe:
            raise
        said = f"{selection.winner.recipe.brief()}: {failure.what} in the fit on all examples; the best probe was taken"
        at = next(at for at, trial in enumerate(selection.trials) if trial is selection.best_probe)
        instead = replace(selection, chosen=at, given_up=(*selection.given_up, said))
        return instead, instead.winner.recipe.fit(problem)


def _floor_section(
    floor: Recipe, selection: Selection, problem: Problem, folds: Folds, metric: Metric
) -> dict[str, Any]:
    """What the plainest recipe scores, tried now if it was not before."""
    trial = next((each for each in selection.trials if each.recipe == floor), None)
    if trial is None:
        (trial,) = Race(problem, folds, metric).try_exact([Candidate(floor, 0.0)])
    mean, rng = trial.contributions(metric, problem.targets).mean(axis=0), stream(problem.seed, "floor")
    interval = metric.interval_of(mean, problem.targets, problem.units, rng, CROSS_VALIDATED)
    assert interval  # noqa: S101 - every class has examples
    return {"name": floor.brief(), "score": {"metric": metric.name, **asdict(interval)}}


def _rows(problem: Problem, recipe: Recipe) -> ProbeRows:
    assert isinstance(recipe.adapt, Probe)  # noqa: S101
    return recipe.adapt.rows(problem, problem.backbones[recipe.backbone], recipe.augment)


def sample_sections(targets: Ints, classes: tuple[str, ...], metric: Metric) -> dict[str, Any]:
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


def _unvalidated(
    problem: Problem,
    tried: list[Candidate],
    metric: Metric,
    policies: Mapping[Policy, float] | None,
) -> Learned:
    """Chosen on the classes that can be validated, if there are two, and fitted on all; without an account."""
    smallest, part = int(_units_of_classes(problem).min()), _validatable(problem)
    reason = (
        f"a class has {count(smallest, 'independent example')}; a score needs two of every class, "
        "one to learn from and one to test on"
    )
    skipped: dict[str, Any] = {}
    if part is None:
        recipe = expected_best(tried, problem, policies)
        fitted = recipe.fit(problem)
    else:
        folds = folds_of(part.targets, part.units, part.seed)
        assert folds  # noqa: S101 - every class of the part has two units
        judge = ACCURACY if metric.costs else metric  # costs are of all classes
        judge = judge.at_shares(part.targets, part.n_classes)
        selection, fitted = _fitted(select(part, tried, folds, judge, policies), problem)
        recipe = selection.winner.recipe
        skipped = {"n_candidates_skipped": selection.n_skipped, "given_up": list(selection.given_up)}
        reason += f"; the recipe was chosen on the {part.n_classes} classes that have two"
    spread = float(np.sqrt(fitted.scores(problem.examples).var(axis=1).mean()))
    calibration = Temperature(1 / max(spread, 1e-9), np.zeros(problem.n_classes))
    sections: dict[str, Any] = {
        "score": None, "score_missing": reason, "score_note": None, "scores": {}, "gain_unit": metric.unit,
        "per_class": [], "evidence": [], "candidates": [], "confusion": None, "calibration": None,
        "learning_curve": None, **skipped,
    }  # fmt: skip
    return Learned(recipe, metric, fitted, calibration, np.empty(0), None, None, sections)


def _validatable(problem: Problem) -> Problem | None:
    """The classes of two units and more, numbered anew; None when there are not two of them."""
    classes = np.flatnonzero(_units_of_classes(problem) >= 2)
    if len(classes) < 2:
        return None
    part = problem.take(np.flatnonzero(np.isin(problem.targets, classes)))
    return replace(part, targets=np.searchsorted(classes, part.targets), n_classes=len(classes))


def _units_of_classes(problem: Problem) -> Ints:
    return np.array([len(np.unique(problem.units[problem.targets == c])) for c in range(problem.n_classes)])


def _candidate_rows(selection: Selection, problem: Problem, metric: Metric) -> list[dict[str, Any]]:
    rows, targets = [], problem.targets
    for at, trial in enumerate(selection.trials):
        mean = trial.contributions(metric, targets).mean(axis=0)
        rng = stream(problem.seed, "candidate", at)
        interval = metric.interval_of(mean, targets, problem.units, rng, CROSS_VALIDATED, n_draws=1000)
        assert interval  # noqa: S101 - every class has examples
        row = {
            "name": trial.recipe.brief(),
            "metric": metric.name,
            **asdict(interval),
            "chosen": at == selection.chosen,
        }
        rows.append({**row, "chosen_share": float(selection.corrected.chosen_share[at]), "seconds": trial.seconds})
    return rows


def _curve_section(problem: Problem, trial: Trial, rows: ProbeRows, folds: Folds, metric: Metric) -> dict[str, Any]:
    """Of the metric where it lies between 0 and 1, else of accuracy: a loss follows no law that ends at nothing."""
    metric = metric if metric.greater_is_better else metric.of_answers
    sizes, errors = learning_points(problem, trial, rows, folds, metric, stream(problem.seed, "subsets"))
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
    section: dict[str, Any] = {"of": trial.recipe.describe(), "metric": metric.name, "points": points, "law": None}
    curve = fitted(sizes, errors, len(problem.targets), stream(problem.seed, "curve"))
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
