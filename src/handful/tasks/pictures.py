"""The examples that the report shows: some of each class, mistakes, doubts, findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from handful.data.audit import Audit
from handful.evaluate.arrays import Floats
from handful.evaluate.costs import Costs, decided
from handful.report.page import Case, Pictures, Thumb
from handful.tasks.images import Part
from handful.tasks.parts import Labelled

EXAMPLES = 6  # of each class
CASES = 12
FOUND = 12  # pictures of one finding
SIDE = 96  # pixels: pages stay small


def pictures_of(part: Part, audit: Audit, probabilities: Floats | None, costs: Costs | None = None) -> Pictures:
    """Choose the pictures.

    Args:
        part: The training examples.
        audit: Its findings about training rows get pictures.
        probabilities: Out of fold, shape (n, n_classes); without them there are no mistakes to show.
        costs: What decides an answer instead of the largest probability, if anything does.
    """
    place = {int(row): at for at, row in enumerate(part.rows)}
    findings = {
        at: [_thumb(part, place[row]) for row in finding.rows if row in place][:FOUND]
        for at, finding in enumerate(audit.findings)
        if "leak" not in finding.kind and finding.kind != "shared-group"  # their rows are those of the test data
    }
    return replace(_shown(part, lambda row: _thumb(part, row), probabilities, costs), findings=findings)


def cases_of(
    part: Labelled, name_of_row: Callable[[int], str], probabilities: Floats | None, costs: Costs | None = None
) -> Pictures:
    """The same of examples that are words alone: each is shown by its name; findings name theirs already.

    Args:
        part: The training examples.
        name_of_row: From a place in `part` to what is shown: the beginning of a text, say.
        probabilities: Out of fold, shape (n, n_classes); without them there are no mistakes to show.
        costs: What decides an answer instead of the largest probability, if anything does.
    """
    return _shown(part, lambda row: Thumb(name_of_row(row)), probabilities, costs)


def _shown(
    part: Labelled, thumb: Callable[[int], Thumb], probabilities: Floats | None, costs: Costs | None
) -> Pictures:
    """Mistakes are of the answers given; doubts are about what it is, whatever it costs."""
    classes, targets = part.data.classes, part.targets
    examples = {
        name: [thumb(int(row)) for row in np.flatnonzero(targets == index)[:EXAMPLES]]
        for index, name in enumerate(classes)
    }
    if probabilities is None:
        return Pictures(examples)
    answer = decided(probabilities, costs)
    sure = probabilities[np.arange(len(targets)), answer]
    wrong = np.flatnonzero(answer != targets)
    most_wrong = wrong[np.argsort(-sure[wrong], kind="stable")][:CASES]
    least_sure = np.argsort(probabilities.max(axis=1), kind="stable")[:CASES]

    def case(row: int) -> Case:
        return Case(thumb(row), classes[targets[row]], classes[answer[row]], float(sure[row]))

    return Pictures(examples, [case(int(row)) for row in most_wrong], [case(int(row)) for row in least_sure])


def _thumb(part: Part, row: int) -> Thumb:
    small = cv2.resize(part.pixels[row], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return Thumb(Path(part.data.name(row)).name, np.asarray(small, dtype=np.uint8))
