"""Prototypes: every class is the mean of its examples, and the nearest mean wins. For one to five examples per class.

    score_k(x) = x . c_k - (|c_k|^2 - s / n_k) / 2,      c_k = mean of the n_k examples of class k

which orders the classes as the squared distances |x - c_k|^2 - s / n_k do and is linear in x, so it ships as any linear
head. Squared distance rather than cosine: its minimiser is the mean, so adding an example and leaving one out are sums;
and a mean of few examples is not pulled to unit length, which would make its noise look like direction. A mean of n_k
examples lies s / n_k too far from everything, s being the scatter within classes; without that term a class of few
examples would lose, and in leave-one-out the true class would be the one with one example fewer.

Source: Mensink et al. 2013, doi:10.1109/TPAMI.2013.83 (nearest class mean); Snell et al. 2017, arXiv:1703.05175, eq. 1
and 8. Differs: features are frozen; the term s / n_k; the leave-outs in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError
from handful.nn.backbone import Backbone
from handful.nn.linear import Floats, Linear, blocks_of, one_hot
from handful.transfer.probe import Features, Targets, prepare


@dataclass(frozen=True)
class Prototypes:
    """Which features the prototypes are means of; the fields are those of `Probe`.

    Args:
        layers: Names of the backbone's pooled layers.
        power: Exponent of the features, sign kept.
        views: Which views of a training example are averaged, as positions in the list of views.
        test_views: Over which views a prediction is averaged, likewise.
    """

    layers: tuple[str, ...]
    power: float = 0.5
    views: tuple[int, ...] = (0,)
    test_views: tuple[int, ...] = (0,)


class PrototypeRows:
    """The examples of one training set as sums by class; whatever is left out is subtracted from them.

    Views of an example leave together because they are averaged first: that changes no class mean, and a linear score
    averaged over views is the score of the average.

    Args:
        settings: Which features and views.
        features: Of all views, shape (n, n_views, dim).
        backbone: Says where the layers stand.
        targets: Class indices, shape (n,).
        n_classes: Number of classes.
        units: What is left out together, shape (n,).
    Raises:
        DataError: when a class has no example.
    """

    def __init__(
        self,
        settings: Prototypes,
        features: Features,
        backbone: Backbone,
        targets: Targets,
        n_classes: int,
        units: npt.NDArray[np.int64],
    ) -> None:
        self.targets, self.n_classes = targets, n_classes
        columns = backbone.columns(settings.layers)
        self.rows = _mean_view(features, settings.views, columns, settings.power)
        same = settings.views == settings.test_views
        self.tested = self.rows if same else _mean_view(features, settings.test_views, columns, settings.power)
        self.outputs = one_hot(targets, n_classes)
        self.sums = class_sums(self.rows, self.outputs)
        self.with_sums = self.rows @ self.sums.vectors.T  # (n, c)
        self.tested_with_sums = self.with_sums if same else self.tested @ self.sums.vectors.T
        self.unit_blocks = blocks_of(units)

    def leave_one_out(self) -> Floats:
        """Exact leave-one-unit-out scores, shape (n, n_classes)."""
        return self._held_out(self.unit_blocks)

    def out_of_fold(self, folds: npt.NDArray[np.int64]) -> Floats:
        """Scores of every example from the prototypes without its fold.

        Args:
            folds: The fold of each example in each repeat, shape (n_repeats, n).
        Returns:
            Shape (n_repeats, n, n_classes).
        """
        return np.stack([self._held_out(blocks_of(fold)) for fold in folds])

    def fit(self) -> Linear:
        """The head on all examples."""
        return self.sums.head()

    def refitted(self, kept: npt.NDArray[np.int64], tested: npt.NDArray[np.int64]) -> Floats:
        """Scores of some examples from the prototypes of some others, shape (n_tested, n_classes)."""
        head = class_sums(self.rows[kept], self.outputs[kept]).head()
        return head(self.tested[tested])

    def _held_out(self, blocks: list[npt.NDArray[np.int64]]) -> Floats:
        """What the prototypes of all other examples say of each block; inner products of the block suffice."""
        if any(len(block) == len(self.rows) for block in blocks):
            raise DataError("all examples are left out together, so nothing is left", remedy="check the groups")
        scores = np.empty((len(self.rows), self.n_classes))
        for block in blocks:
            members = self.outputs[block]
            leaving = np.einsum("ik,ij,jk->k", members, self.rows[block] @ self.rows[block].T, members, optimize=True)
            without = _Moments(
                counts=self.sums.counts - members.sum(axis=0),
                norms=self.sums.norms - 2 * (members * self.with_sums[block]).sum(axis=0) + leaving,
                squares=self.sums.squares - members.T @ np.square(self.rows[block]).sum(axis=1),
            )
            products = self.tested_with_sums[block] - self.tested[block] @ self.rows[block].T @ members
            scores[block] = _scores(products, without)
        return scores


@dataclass(frozen=True)
class _Moments:
    """What is known of each class beside its direction: shape (c,) each.

    Args:
        counts: Examples.
        norms: Squared length of the sum of the examples.
        squares: Sum of the squared lengths of the examples.
    """

    counts: Floats
    norms: Floats
    squares: Floats

    @property
    def scatter(self) -> float:
        """Squared distance of an example from the mean of its class, pooled, unbiased; 0 where no class has two."""
        present = self.counts > 0
        within = (self.squares[present] - self.norms[present] / self.counts[present]).sum()
        freedom = float(self.counts[present].sum() - present.sum())
        return max(float(within), 0.0) / freedom if freedom else 0.0

    @property
    def biases(self) -> Floats:
        """Of the score, where the class has an example."""
        counts = np.maximum(self.counts, 1)
        return np.asarray((self.scatter / counts - self.norms / counts**2) / 2)


def _scores(products: Floats, moments: _Moments) -> Floats:
    """Scores from the products with the classes' sums; a class without any example scores as the worst of the others.

    It cannot win then, and the scores stay finite.
    """
    scores = products / np.maximum(moments.counts, 1) + moments.biases
    absent = moments.counts == 0
    scores[:, absent] = scores[:, ~absent].min(axis=1, keepdims=True)
    return np.asarray(scores)


@dataclass(frozen=True)
class ClassSums:
    """Sums of the examples of each class.

    Args:
        vectors: Shape (c, dim).
        counts: Shape (c,).
        squares: Sum of the squared lengths, shape (c,).
    """

    vectors: Floats
    counts: Floats
    squares: Floats

    @property
    def norms(self) -> Floats:
        """Squared lengths of the sums, shape (c,)."""
        return np.asarray(np.square(self.vectors).sum(axis=1))

    @property
    def means(self) -> Floats:
        """The prototypes, shape (c, dim)."""
        return np.asarray(self.vectors / self.counts[:, None])

    def head(self) -> Linear:
        """The linear score of the nearest mean."""
        return Linear(self.means.T, _Moments(self.counts, self.norms, self.squares).biases)


def class_sums(rows: npt.NDArray[np.floating], outputs: Floats) -> ClassSums:
    """Sums of labelled rows.

    Args:
        rows: Prepared features, shape (n, dim).
        outputs: Indicators, shape (n, c).
    Raises:
        DataError: when a class has no example.
    """
    counts = outputs.sum(axis=0)
    if not counts.all():
        raise DataError(f"class number {int(np.argmin(counts))} has no example, so it has no prototype")
    return ClassSums(outputs.T @ rows, counts, outputs.T @ np.square(rows, dtype=np.float64).sum(axis=1))


def _mean_view(features: Features, views: tuple[int, ...], columns: list[slice], power: float) -> Floats:
    """Prepared features averaged over views, shape (n, dim)."""
    return np.asarray(prepare(features[:, list(views)], columns, power).mean(axis=1, dtype=np.float64))
