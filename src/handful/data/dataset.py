"""A table of examples. Media stay where they are until someone asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Dataset:
    """Examples, what they are, and what belongs together.

    Args:
        inputs: Paths, arrays or strings, n of them.
        targets: Class indices into `classes`, shape (n,), int64; None when unlabelled.
        classes: The class names in the order of the indices.
        groups: Patient, camera or author of each example, shape (n,); never split across folds.
        places: Where each text stands, such as "train.csv, row 7", n of them; None when nobody knows.
    """

    inputs: Sequence[Any]
    targets: npt.NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    groups: npt.NDArray[Any] | None = None
    places: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: npt.ArrayLike) -> Dataset:
        """The same table with only these rows, in this order."""
        index = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            inputs=[self.inputs[i] for i in index],
            targets=None if self.targets is None else self.targets[index],
            groups=None if self.groups is None else self.groups[index],
            places=None if self.places is None else [self.places[i] for i in index],
        )

    def name(self, row: int) -> str:
        """What to call an example in a message: its path, or its position."""
        item = self.inputs[row]
        return str(item) if isinstance(item, str | Path) else f"example {row}"

    def place(self, row: int) -> str:
        """Where an example stands, to be put before its name; empty when nobody knows."""
        return "" if self.places is None else f"{self.places[row]}: "
