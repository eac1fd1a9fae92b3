"""Labels that the model contradicts with confidence: worth a second look, by a person."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handful.core.words import count
from handful.data.audit import Finding
from handful.evaluate.arrays import Floats
from handful.tasks.parts import Labelled

SURE = 0.8  # probability of the other class, by a model that never saw the example
DOUBTFUL = 0.1  # probability of its own


def suspect_labels(probabilities: Floats, part: Labelled) -> Iterator[Finding]:
    """One finding with every example whose label is likely wrong, the likeliest first.

    Args:
        probabilities: Calibrated, each from a model that never saw the example, shape (n, n_classes).
        part: The examples.
    """
    rows = np.arange(len(part.targets))
    own, other = probabilities[rows, part.targets], probabilities.max(axis=1)
    found = np.flatnonzero((own <= DOUBTFUL) & (other >= SURE))
    if not len(found):
        return
    found = found[np.argsort(-other[found], kind="stable")]
    guesses = probabilities.argmax(axis=1)
    first = found[0]
    message = (
        f"likely wrong: {count(len(found), 'label')}; a model that has not seen the example is sure of another class; "
        f"first {part.data.name(int(first))}, labelled {part.data.classes[part.targets[first]]}, "
        f"looks like {part.data.classes[guesses[first]]}"
    )
    names = tuple(
        f"{part.data.name(int(row))} (labelled {part.data.classes[part.targets[row]]}, "
        f"looks like {part.data.classes[guesses[row]]})"
        for row in found
    )
    yield Finding("suspect-label", "warning", message, names, tuple(part.rows[found].tolist()))
