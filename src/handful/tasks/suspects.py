"""Labels that the model contradicts with confidence: worth a second look, by a person."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handful.core.words import count
from handful.data.audit import Finding
from handful.data.text_inputs import shortened
from handful.evaluate.arrays import Floats
from handful.tasks.parts import Labelled

SURE = 0.8  # probability of the other class, by a model that never saw the example
LONGEST = 200  # characters of a name
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
    called = [part.data.place(row) + _brief(part.data.name(row)) for row in found.tolist()]
    message = (
        f"likely wrong: {count(len(found), 'label')}; a model that has not seen the example is sure of another class; "
        f"first {called[0]}, labelled {part.data.classes[part.targets[first]]}, "
        f"looks like {part.data.classes[guesses[first]]}"
    )
    names = tuple(
        f"{name} (labelled {part.data.classes[part.targets[row]]}, looks like {part.data.classes[guesses[row]]})"
        for name, row in zip(called, found, strict=True)
    )
    yield Finding("suspect-label", "warning", message, names, tuple(part.rows[found].tolist()))


def _brief(name: str) -> str:
    """A path as it is; a long text by its beginning."""
    return name if len(name) <= LONGEST else shortened(name)
