"""For each technique: is it on, what does it gain on this data, and is that more than luck?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

import numpy as np

from handful.evaluate.arrays import Averaging, Floats, Ints, example_weights
from handful.evaluate.comparison import Gain, Verdict, holm, nadeau_bengio, verdict
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
    """A switch: its name for people, and how to tell whether a recipe has it on."""

    name: str
    is_on: Callable[[Probe], bool]


TECHNIQUES = (
    Technique("augmented views", lambda probe: len(probe.views) > 1),
    Technique("several depths", lambda probe: len(probe.layers) > 1),
    Technique("square root of features", lambda probe: probe.power != 1),
    Technique("equal class weights", lambda probe: probe.class_weights == "balanced"),
    Technique("logistic head", lambda probe: probe.head == "logistic"),
)


def evidence(selection: Selection, folds: Ints, targets: Ints, metric: Averaging) -> list[Row]:
    """The chosen recipe with each technique minus the nearest one without it, on the same folds.

    A technique that no tried recipe differs in is left out. The verdicts of one table are corrected together (Holm).

    Args:
        selection: All trials and the winner.
        folds: Shape (n_repeats, n).
        targets: Class indices, shape (n,).
        metric: What the gain is measured in.
    """
    winner = selection.winner
    found: list[tuple[str, bool, Gain]] = []
    for technique in TECHNIQUES:
        on = technique.is_on(winner.recipe.adapt)
        others = [trial for trial in selection.trials if technique.is_on(trial.recipe.adapt) != on]
        if others:
            other = max(others, key=lambda trial: _in_common(trial, winner))
            with_it, without = (winner, other) if on else (other, winner)
            found.append((technique.name, on, nadeau_bengio(_differences(with_it, without, folds, targets, metric))))
    adjusted = holm(np.array([gain.p for _, _, gain in found]))
    return [
        Row(name, on, 100 * gain.value, 100 * gain.low, 100 * gain.high, verdict(gain.low, gain.high, float(p)))
        for (name, on, gain), p in zip(found, adjusted, strict=True)
    ]


def _in_common(trial: Trial, winner: Trial) -> tuple[int, float]:
    """How many settings two recipes share, then how good the other one is."""
    a, b = asdict(trial.recipe.adapt), asdict(winner.recipe.adapt)
    shared = sum(a[field.name] == b[field.name] for field in fields(Probe) if field.name != "penalty")
    return shared, trial.prior


def _differences(with_it: Trial, without: Trial, folds: Ints, targets: Ints, metric: Averaging) -> Floats:
    """Score with minus score without in every fold, shape (n_repeats, n_folds)."""
    n_repeats = min(len(with_it.scores), len(without.scores))
    difference = with_it.correct(targets)[:n_repeats] - without.correct(targets)[:n_repeats]
    rows = []
    for repeat in range(n_repeats):
        inside = [folds[repeat] == fold for fold in np.unique(folds[repeat])]
        rows.append([float(example_weights(targets[rows], metric) @ difference[repeat, rows]) for rows in inside])
    return np.array(rows)
