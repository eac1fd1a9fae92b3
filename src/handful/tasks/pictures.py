"""The pictures that go with the figures: examples, mistakes, doubts, findings."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from handful.data.audit import Audit
from handful.evaluate.arrays import Floats
from handful.report.page import Case, Pictures, Thumb
from handful.tasks.images import Part

EXAMPLES = 6  # of each class
CASES = 12
FOUND = 12  # pictures of one finding
SIDE = 96  # pixels: pages stay small


def pictures_of(part: Part, audit: Audit, probabilities: Floats | None) -> Pictures:
    """Choose the pictures.

    Args:
        part: The training examples.
        audit: Its findings about training rows get pictures.
        probabilities: Out of fold, shape (n, n_classes); without them there are no mistakes to show.
    """
    examples = {
        name: [_thumb(part, int(row)) for row in np.flatnonzero(part.targets == index)[:EXAMPLES]]
        for index, name in enumerate(part.data.classes)
    }
    place = {int(row): at for at, row in enumerate(part.rows)}
    findings = {
        at: [_thumb(part, place[row]) for row in finding.rows if row in place][:FOUND]
        for at, finding in enumerate(audit.findings)
        if "leak" not in finding.kind and finding.kind != "shared-group"  # their rows are those of the test data
    }
    if probabilities is None:
        return Pictures(examples=examples, findings=findings)
    sure = probabilities.max(axis=1)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != part.targets)
    most_wrong = wrong[np.argsort(-sure[wrong], kind="stable")][:CASES]
    least_sure = np.argsort(sure, kind="stable")[:CASES]
    return Pictures(
        examples=examples,
        most_wrong=[_case(part, int(row), probabilities) for row in most_wrong],
        least_sure=[_case(part, int(row), probabilities) for row in least_sure],
        findings=findings,
    )


def _thumb(part: Part, row: int) -> Thumb:
    small = cv2.resize(part.pixels[row], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return Thumb(Path(part.data.name(row)).name, np.asarray(small, dtype=np.uint8))


def _case(part: Part, row: int, probabilities: Floats) -> Case:
    guess = int(probabilities[row].argmax())
    classes = part.data.classes
    return Case(_thumb(part, row), classes[part.targets[row]], classes[guess], float(probabilities[row, guess]))
