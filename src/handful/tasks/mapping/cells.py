"""What each cell of a map holds: its examples, the one that stands for it, what speaks of conflict or loneliness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.tasks.mapping.examples import UNLABELLED, Examples
from handful.tasks.mapping.marks import Marks
from handful.unsupervised.self_organizing_map import SelfOrganizingMap

Ints = npt.NDArray[np.int64]

LEAST_LABELLED = 3  # in a cell, to speak of a conflict
AGREED = 2 / 3  # of its labels that are of one class


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell.

    Args:
        number: Along the rows of the map.
        members: Its examples, those most like the cell first.
        counts: Labelled examples by class index.
        lonely: Those of its examples that are like no others.
        marks: Words, or columns of a table, that tell it from the others.
    """

    number: int
    members: Ints
    counts: dict[int, int]
    lonely: Ints
    marks: tuple[str, ...]

    @property
    def conflicts(self) -> bool:
        """Whether its labels contradict each other."""
        n = sum(self.counts.values())
        return n >= LEAST_LABELLED and max(self.counts.values()) < AGREED * n


def cells_of(sheet: SelfOrganizingMap, examples: Examples, marks: Marks) -> tuple[list[Cell], Ints]:
    """Every cell, and the lonely examples, the loneliest first."""
    distances = sheet.transform(examples.features)
    cell = distances.argmin(axis=1)
    nearness = distances[np.arange(len(cell)), cell]
    order = np.lexsort((nearness, cell))
    members = np.split(order, np.cumsum(np.bincount(cell, minlength=distances.shape[1]))[:-1])
    strange = sheet.strangeness(examples.features)
    lonely = np.flatnonzero(strange > sheet.fence_)
    found = [
        Cell(number, rows, _counts(examples.labels[rows]), rows[np.isin(rows, lonely)], said)
        for number, (rows, said) in enumerate(zip(members, marks(members), strict=True))
    ]
    return found, lonely[np.argsort(-strange[lonely], kind="stable")]


def _counts(labels: Ints) -> dict[int, int]:
    classes, counts = np.unique(labels[labels != UNLABELLED], return_counts=True)
    return dict(zip(classes.tolist(), counts.tolist(), strict=True))
