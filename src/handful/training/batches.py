"""Shuffled batches of rows: those of an epoch follow from the seed and its number alone, so any step can be resumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError, UsageError
from handful.core.rng import stream

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Batches:
    """Which examples go into which step. No example is left out of an epoch, be it the only one.

    Args:
        n: Examples.
        size: Of a batch.
        seed: Of the order.
        smallest: A last batch of fewer examples joins the one before (BatchNorm cannot learn from one).
        labels: Class indices, shape (n,): every class is then drawn equally often, see `balanced_order`. When None
            every example is drawn once an epoch.
    """

    n: int
    size: int
    seed: int
    smallest: int = 1
    labels: Rows | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise DataError("there are no examples to train on", "batches")
        if self.size < 1:
            raise UsageError(f"batch_size={self.size} is not 1 or more", "batches")
        if self.labels is not None and np.shape(self.labels) != (self.n,):
            raise DataError(f"labels of shape {np.shape(self.labels)} for {self.n} examples", "batches")

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(self.n, self.size)
        return max(full + (rest >= self.smallest), 1)

    def epoch(self, number: int) -> list[Rows]:
        """The batches of one epoch, each of shape (size,); the last may be smaller or a little larger."""
        rng = stream(self.seed, "epoch", number)
        order = rng.permutation(self.n) if self.labels is None else balanced_order(self.labels, rng)
        return np.split(order, range(self.size, self.size * self.per_epoch, self.size))

    def after(self, n_done: int) -> Iterator[tuple[int, Rows]]:
        """Epoch and rows of every step that follows the first `n_done`, without end."""
        first, skipped = divmod(n_done, self.per_epoch)
        for number in count(first):
            for rows in self.epoch(number)[skipped:]:
                yield number, rows
            skipped = 0


def balanced_order(labels: Rows, rng: np.random.Generator) -> Rows:
    """An epoch of n rows in which every class comes equally often, give or take one.

    Within a class no example comes again before all others have come: of a large class an epoch shows a part.

    Args:
        labels: Class indices, shape (n,).
        rng: Draws the order, and the classes that come once more.
    """
    classes = rng.permutation(np.unique(labels))
    share, more = divmod(len(labels), len(classes))
    drawn = [_drawn(np.flatnonzero(labels == each), share + (at < more), rng) for at, each in enumerate(classes)]
    return rng.permutation(np.concatenate(drawn))


def _drawn(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    rounds = -(-n // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)])[:n]
