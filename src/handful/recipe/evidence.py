"""For each technique: is it on, what does it gain on this data, and is that more than luck?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

import numpy as np

from handful.augment.policy import Policy
from handful.evaluate.arrays import Averaging, Floats, Ints, example_weights
from handful.evaluate.comparison import Gain, Verdict, holm, nadeau_bengio, verdict
from handful.recipe.recipe import Recipe
from handful.recipe.selection import Selection, Trial
from handful.transfer.probe import Probe


@dataclass(frozen=True)
class Row:
    """One line of the evidence table; gains in percentage points."""

    technique: str
    on: bool
    gain: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True)
class Technique:
    """Something that a recipe has on, has off, or has something else in place of; its name is for people."""

    name: str
    is_on: Callable[[Recipe], bool]
    is_off: Callable[[Recipe], bool]


def _switch(name: str, is_on: Callable[[Probe], bool]) -> Technique:
    return Technique(name, lambda recipe: is_on(recipe.adapt), lambda recipe: not is_on(recipe.adapt))


TECHNIQUES = (
    _switch("several depths", lambda probe: len(probe.layers) > 1),
    _switch("square root of features", lambda probe: probe.power != 1),
    _switch("equal class weights", lambda probe: probe.class_weights == "balanced"),
    _switch("logistic head", lambda probe: probe.head == "logistic"),
)


def _augmentation(policy: Policy) -> Technique:
    """A policy against no augmentation at all."""
    return Technique(
        f"augmentation: {policy.name}",
        lambda recipe: recipe.augment == policy,
        lambda recipe: recipe.augment == Policy(),
    )


def evidence(selection: Selection, folds: Ints, targets: Ints, metric: Averaging) -> list[Row]:
    """Recipes with each technique minus those without it, on the same folds.

    One of the two is the chosen recipe where it has the technique on or off, and whatever else is nearest to it. A
    technique that no tried recipe has on, or none off, is left out. The verdicts of one table are corrected together
    (Holm).

    Args:
        selection: All trials and the winner.
        folds: Shape (n_repeats, n).
        targets: Class indices, shape (n,).
        metric: What the gain is measured in.
    """
    winner = selection.winner
    found: list[tuple[str, bool, Gain]] = []
    policies = dict.fromkeys(trial.recipe.augment for trial in selection.trials if trial.recipe.augment.operations)
    for technique in (*map(_augmentation, policies), *TECHNIQUES):
        with_it = _nearest(winner, [trial for trial in selection.trials if technique.is_on(trial.recipe)])
        without = _nearest(winner, [trial for trial in selection.trials if technique.is_off(trial.recipe)])
        if with_it and without:
            gain = nadeau_bengio(_differences(with_it, without, folds, targets, metric))
            found.append((technique.name, with_it is winner, gain))
    adjusted = holm(np.array([gain.p for _, _, gain in found]))
    return [
        Row(name, on, 100 * gain.value, 100 * gain.low, 100 * gain.high, verdict(gain.low, gain.high, float(p)))
        for (name, on, gain), p in zip(found, adjusted, strict=True)
    ]


def _nearest(winner: Trial, trials: list[Trial]) -> Trial | None:
    """The trial that shares most settings with the winner, and of those the one that usually does best."""

    def in_common(trial: Trial) -> tuple[bool, int, float]:
        a, b = asdict(trial.recipe.adapt), asdict(winner.recipe.adapt)
        shared = sum(a[field.name] == b[field.name] for field in fields(Probe) if field.name != "penalty")
        return trial is winner, shared + (trial.recipe.augment == winner.recipe.augment), trial.prior

    return max(trials, key=in_common, default=None)


def _differences(with_it: Trial, without: Trial, folds: Ints, targets: Ints, metric: Averaging) -> Floats:
    """Score with minus score without in every fold, shape (n_repeats, n_folds)."""
    n_repeats = min(len(with_it.scores), len(without.scores))
    difference = with_it.correct(targets)[:n_repeats] - without.correct(targets)[:n_repeats]
    rows = []
    for repeat in range(n_repeats):
        inside = [folds[repeat] == fold for fold in np.unique(folds[repeat])]
        rows.append([float(example_weights(targets[rows], metric) @ difference[repeat, rows]) for rows in inside])
    return np.array(rows)
