"""What every kind of data is when it is ready to be learned from: usable examples, and what was found about them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError
from handful.data.audit import Audit, Finding
from handful.data.dataset import Dataset
from handful.data.readers import Splits


@dataclass(frozen=True)
class Labelled:
    """Examples that can be used.

    Args:
        data: Only what could be read.
        rows: Where each stood in the data as given.
    """

    data: Dataset
    rows: npt.NDArray[np.int64]

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """Class indices; every part that is learned from or scored has them."""
        if self.data.targets is None:
            raise DataError("these examples have no labels", remedy="give labelled examples")
        return self.data.targets

    @property
    def counts(self) -> list[int]:
        """Examples of each class."""
        return [int(count) for count in np.bincount(self.targets, minlength=len(self.data.classes))]


P = TypeVar("P", bound=Labelled)


@dataclass(frozen=True)
class Ready(Generic[P]):
    """A data set, ready.

    Args:
        train: What is learned from.
        test: What is scored on, without what leaked; None when there is no test set.
        audit: What was found; `audit.units` belongs to `train`.
        n_leaked: Test examples that are in the training data, left out.
        n_unreadable: Examples that could not be read, of all parts.
        notes: What the reader did that the user should know.
    """

    train: P
    test: P | None
    audit: Audit
    n_leaked: int
    n_unreadable: int
    notes: tuple[str, ...]

    def with_findings(self, *more: Finding) -> Self:
        """The same data with more findings."""
        return replace(self, audit=self.audit.with_findings(*more))


def check_every_class(part: Labelled, kind: str) -> None:
    """Refuse data of which a class is empty, now that it is known what can be read.

    Raises:
        DataError: naming the class.
    """
    for name, count in zip(part.data.classes, part.counts, strict=True):
        if not count:
            raise DataError(f"no {kind} of this class can be read", name, "repair its files or remove the class")


def account_of(task: str, data: Ready[P], splits: Splits) -> dict[str, Any]:
    """What `handful check` says of a data set: every class counts, every finding has its examples."""
    classes = data.train.data.classes
    return {
        "task": task,
        "n": len(data.train.data),
        "classes": list(classes),
        "counts": dict(zip(classes, data.train.counts, strict=True)),
        "n_test": len(data.test.data) if data.test else 0,
        "n_unlabelled": len(splits.unlabelled) if splits.unlabelled is not None else 0,
        "n_unreadable": data.n_unreadable,
        "leaked": data.n_leaked,
        "findings": [asdict(finding) for finding in data.audit.findings],
        "notes": list(data.notes),
    }
