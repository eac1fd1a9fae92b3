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

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError, UsageError
from handful.evaluate.arrays import softmax
from handful.nn.backbone import Backbone
from handful.nn.linear import Floats, Linear, blocks_of, one_hot
from handful.transfer.probe import Features, Targets, prepare

Chunks = Callable[[], Iterable[npt.NDArray[np.floating]]]
"""Gives the unlabelled rows anew each time it is called, some at a time: each of shape (any, dim)."""


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
    """Sums of the examples of each class, which may count in part.

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

    def __add__(self, other: ClassSums) -> ClassSums:
        return ClassSums(self.vectors + other.vectors, self.counts + other.counts, self.squares + other.squares)


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
    return _sums(rows, outputs)


def _sums(rows: npt.NDArray[np.floating], shares: Floats) -> ClassSums:
    return ClassSums(shares.T @ rows, shares.sum(axis=0), shares.T @ np.square(rows, dtype=np.float64).sum(axis=1))


@dataclass(frozen=True)
class SoftKMeans:
    """How unlabelled examples pull the prototypes.

    Args:
        sharpness: Of the assignments, times the squared distance of prepared rows (of unit length); infinite is hard.
        worth: All unlabelled examples together count as that many labelled ones of every class, however many they are.
        n_steps: Rounds of assigning and averaging; each reads all unlabelled rows once.
        steepness: How sharply what lies farther from a prototype than the average is left out; 0 keeps everything.
    """

    sharpness: float = 40.0
    worth: float = 2.0
    n_steps: int = 3
    steepness: float = 20.0

    def __post_init__(self) -> None:
        if self.sharpness <= 0 or self.worth <= 0 or self.n_steps < 1 or self.steepness < 0:
            what = "sharpness and worth are positive, n_steps at least 1 and steepness not negative"
            raise UsageError(f"{what}, got {self}", "SoftKMeans")


def soft_kmeans(settings: SoftKMeans, labelled: ClassSums, unlabelled: Chunks) -> ClassSums:
    """Class sums refined by unlabelled rows, which belong in part to every class.

        z_jk = softmax_k(-sharpness |x_j - c_k|^2)
        c_k = (sum of labelled rows of class k + w sum_j z_jk m_jk x_j) / (n_k + w sum_j z_jk m_jk)

    A distractor, which belongs to no class, is far from all prototypes: m_jk = sigmoid(-steepness (d_jk / d_k - 1))
    with d_k the average of d_jk = |x_j - c_k|^2 over the unlabelled rows.

    Not safe: with one to five labels per class it was worth 0 to 6 points on hand signs and on clothes, and cost 4 to 9
    on blood cells.

    Args:
        settings: How they pull.
        labelled: From `class_sums`.
        unlabelled: Prepared rows in chunks, read `n_steps + 1` times; memory does not grow with their number.
    Returns:
        Labelled and unlabelled together: `means` are the refined prototypes, `head()` the head.
    Raises:
        DataError: when there are no unlabelled rows.
    Source: Ren et al. 2018, arXiv:1803.00676, eq. 3, and eq. 6 to 8 for m. Differs: a sharpness, for features that were
    not trained for a sharpness of 1; `worth`, without which a large pool drowns the labels; more than one round; the
    threshold of m is the average distance and not learned.
    """
    n_rows, mean, mean_square = _pool_moments(unlabelled, labelled.vectors.shape[1])
    weight = settings.worth * len(labelled.counts) / n_rows
    refined = labelled
    for _ in range(settings.n_steps):
        means = refined.means
        typical = mean_square - 2 * means @ mean + np.square(means).sum(axis=1)
        refined = labelled
        for rows in unlabelled():
            refined += _sums(rows, weight * _shares(settings, _squared_distances(rows, means), typical))
    return refined


def prepared_chunks(features: Features, settings: Prototypes, backbone: Backbone, size: int = 1024) -> Chunks:
    """Rows of unlabelled features as `soft_kmeans` reads them, prepared `size` at a time.

    Args:
        features: Shape (n, n_views, dim), in memory or in a file.
        settings: Which layers, power and test views.
        backbone: Says where the layers stand.
        size: Rows of a chunk.
    """
    columns = backbone.columns(settings.layers)

    def chunks() -> Iterator[Floats]:
        for start in range(0, len(features), size):
            yield _mean_view(features[start : start + size], settings.test_views, columns, settings.power)

    return chunks


def _pool_moments(unlabelled: Chunks, dim: int) -> tuple[int, Floats, float]:
    """How many rows there are, their mean, and their mean squared length."""
    n_rows, total, square = 0, np.zeros(dim), 0.0
    for rows in unlabelled():
        n_rows += len(rows)
        total += rows.sum(axis=0, dtype=np.float64)
        square += float(np.square(rows, dtype=np.float64).sum())
    if not n_rows:
        raise DataError("there are no unlabelled examples to refine the prototypes with")
    return n_rows, total / n_rows, square / n_rows


def _squared_distances(rows: npt.NDArray[np.floating], means: Floats) -> Floats:
    """Shape (n, c)."""
    lengths = np.square(rows, dtype=np.float64).sum(axis=1)[:, None]
    return np.asarray(np.maximum(lengths - 2 * rows @ means.T + np.square(means).sum(axis=1), 0))


def _shares(settings: SoftKMeans, distances: Floats, typical: Floats) -> Floats:
    """How much of each row belongs to each class, shape (n, c); a distractor hardly belongs to any."""
    shares = softmax(-settings.sharpness * distances)
    if settings.steepness:
        away = np.clip(settings.steepness * (distances / np.maximum(typical, 1e-12) - 1), -50, 50)
        shares = shares / (1 + np.exp(away))
    return shares


def _mean_view(features: Features, views: tuple[int, ...], columns: list[slice], power: float) -> Floats:
    """Prepared features averaged over views, shape (n, dim)."""
    return np.asarray(prepare(features[:, list(views)], columns, power).mean(axis=1, dtype=np.float64))
