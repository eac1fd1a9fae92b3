"""TF-IDF for texts: counts of word pieces and of pairs of them under an exact linear head, with nothing pre-trained.

What a pre-trained encoder is worth is what it gains over this; and it errs elsewhere, so the two may vote together.
Everything is learned from the texts to learn from alone, weights of the pieces included, so each fold is fitted anew.

Source: TF-IDF is Salton and Buckley 1988, doi:10.1016/0306-4573(88)90021-0; pairs of words and a linear head as a
baseline that is hard to beat: Wang and Manning 2012, ACL P12-2018. Differs: the pieces are those of the encoder's
tokenizer, so that nothing but it is needed to predict; ridge regression on the class indicators, which at a handful of
examples was as good as logistic regression or better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from handful.augment.policy import Policy
from handful.bundle.graph import Head, splice
from handful.core.errors import UsageError
from handful.evaluate.arrays import Floats, Ints
from handful.nn.backbone import Backbone
from handful.nn.linear import Linear, one_hot
from handful.nn.text_backbone import TextBackbone
from handful.nn.text_graph import over_windows
from handful.nn.word_counts import (
    Run,
    inverse_document_frequencies,
    log_counts,
    runs_of,
    texts_in_pieces,
    with_counts,
)
from handful.transfer.probe import embedding
from handful.transfer.technique import Examples, Fitted, Problem, Technique

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MANY = 2000  # texts from which on a fit for each fold of each repeat takes too long
LEAST_NORM = 1e-6  # of a row, as in the graph: a text without any known piece is left at zero
ACCURACY = 1e-6  # of the solution: its residual, relative
MOST_STEPS = 1000  # a hundred are enough but for penalties next to nothing, and stopping early is a penalty too
TINY = np.finfo(np.float64).tiny  # instead of 0 where a class has no example


@dataclass(frozen=True)
class Tfidf(Technique):
    """What is counted, and how strongly the head is held back.

    Args:
        longest: Pieces that are counted together: 1 for single ones, 2 for pairs too.
        most: How many runs of pieces count, those that most texts hold: the size of the model grows with them.
        penalty: Relative to the mean squared norm of a centred row; on the open sets anything within a factor of three
            is as good.
    """

    technique: ClassVar[str] = "tf-idf"

    longest: int = 2
    most: int = 30_000
    penalty: float = 0.1

    def __post_init__(self) -> None:
        if self.longest < 1 or self.most < 1 or not self.penalty > 0:
            raise UsageError("longest, most and penalty must be positive", "Tfidf")

    def seconds(self, n_examples: int) -> float:  # noqa: ARG002
        """Nothing is trained step by step."""
        return 0.0

    def out_of_fold(
        self,
        problem: Problem,
        backbone: Backbone,
        policy: Policy,  # noqa: ARG002 - texts have no views
        folds: Ints,
    ) -> tuple[Tfidf, Floats]:
        """One fit for each fold: some milliseconds for a hundred texts, a second for several thousand.

        Of more than `MANY` texts a third is left out at a time, once: no score is from a model that saw its fold.

        An example of fold -1 is always learned from, and its scores are NaN.
        """
        counts = self._counts(problem, backbone)[1]
        outputs = one_hot(problem.targets, problem.n_classes)
        n_repeats = len(folds) if counts.shape[0] <= MANY else 1
        scores = np.full((n_repeats, counts.shape[0], problem.n_classes), np.nan)
        for repeat, fold in enumerate(folds if counts.shape[0] <= MANY else np.where(folds >= 0, folds % 3, -1)[:1]):
            for number in np.unique(fold[fold >= 0]):
                kept, tested = fold != number, fold == number
                weights, head = self._learned(counts[kept], outputs[kept])
                scores[repeat, tested] = head(unit_rows(counts[tested], weights))
        return self, scores

    def fit(self, problem: Problem, backbone: Backbone, policy: Policy) -> FittedTfidf:  # noqa: ARG002
        """Weights and head of all texts, and only the runs that count."""
        runs, counts = self._counts(problem, backbone)
        weights, head = self._learned(counts, one_hot(problem.targets, problem.n_classes))
        used = np.flatnonzero(weights)
        kept = tuple(runs[at] for at in used)
        return FittedTfidf(_reader(backbone), kept, weights[used], Linear(head.weight[used], head.bias))

    def describe(self, backbone: str, policy: Policy) -> str:  # noqa: ARG002
        """One sentence in words."""
        counted = "word pieces" if self.longest == 1 else f"word pieces and of up to {self.longest} side by side"
        return f"exact ridge on TF-IDF of {counted}; nothing pre-trained"

    def brief(self, backbone: str, policy: Policy) -> str:  # noqa: ARG002
        """A few words, for tables and charts."""
        return "TF-IDF"

    def _counts(self, problem: Problem, backbone: Backbone) -> tuple[tuple[Run, ...], csr_matrix]:
        """All runs of all texts, and their counts; whatever a fold must not know has the weight zero there."""
        windows = _reader(backbone).windows
        texts = texts_in_pieces(_texts(problem.examples), windows)
        runs = runs_of(texts, self.longest, [*windows.before, *windows.after])
        return runs, log_counts(texts, runs)

    def _learned(self, counts: csr_matrix, outputs: Floats) -> tuple[Floats, Linear]:
        weights = inverse_document_frequencies(counts, self.most)
        return weights, sparse_ridge(unit_rows(counts, weights), outputs, self.penalty)


@dataclass(frozen=True)
class FittedTfidf(Fitted):
    """Which runs of pieces count, and the head on them.

    Args:
        backbone: Cuts texts into pieces, and gives the embedding.
        runs: Those that count, short ones first.
        weights: Inverse document frequencies, shape (n_runs,).
        head: From rows of unit length to scores.
    """

    backbone: TextBackbone
    runs: tuple[Run, ...]
    weights: Floats
    head: Linear

    def scores(self, examples: Examples) -> Floats:
        """Of a text without any known piece: the bias."""
        counts = log_counts(texts_in_pieces(_texts(examples), self.backbone.windows), self.runs)
        return self.head(unit_rows(counts, self.weights))

    def embedding(self, examples: Examples) -> npt.NDArray[np.float32]:
        """That of the encoder: counts do not know what is alike."""
        return embedding(examples, self.backbone)

    def graph(self, asked: Backbone) -> bytes:
        """The counts are one more layer behind the encoder's, and the head is spliced onto that layer."""
        encoder = over_windows(asked.graph_bytes)
        n_before = sum(layer.dim for layer in asked.layers)
        head = Head(
            columns=[slice(n_before, n_before + len(self.runs))],
            power=1.0,
            weight=self.head.weight,
            bias=self.head.bias,
            mirrored=False,
            embedding=asked.columns(asked.last)[0],
        )
        return splice(with_counts(encoder, self.runs, self.weights), head)

    def tensors(self) -> dict[str, npt.NDArray[np.floating]]:
        """Weights and head; which runs they belong to is said by the graph."""
        named = {"words.weights": self.weights, "head.weight": self.head.weight, "head.bias": self.head.bias}
        return {name: tensor.astype(np.float32) for name, tensor in named.items()}


def unit_rows(counts: csr_matrix, weights: Floats) -> csr_matrix:
    """Weighted counts at unit length, shape (n, n_runs)."""
    from scipy.sparse import diags

    rows = counts @ diags(weights)
    norms = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return diags(1 / np.maximum(norms, LEAST_NORM)) @ rows


def sparse_ridge(rows: csr_matrix, outputs: Floats, relative_penalty: float) -> Linear:
    """`ridge_once` without filling the rows in: weight = rows' a, by conjugate gradients on all outputs at once.

        (C rows rows' C + penalty) a = C outputs,      C takes the mean off

    Args:
        rows: Sparse, shape (n, dim).
        outputs: Regression targets, shape (n, n_outputs).
        relative_penalty: Times the mean squared norm of a centred row.
    Source: Hestenes and Stiefel 1952, doi:10.6028/jres.049.044.
    """
    spread = rows.multiply(rows).sum() / rows.shape[0] - np.square(rows.mean(axis=0)).sum()
    penalty = relative_penalty * max(float(spread), LEAST_NORM)  # nothing to tell by where all rows are the same
    left = outputs - outputs.mean(axis=0)
    found, way, size = np.zeros_like(left), left, np.square(left).sum(axis=0)
    enough = ACCURACY**2 * size
    turned = rows.T.tocsr()
    for _ in range(MOST_STEPS):
        if (size <= enough).all():
            break
        changed = rows @ (turned @ way)
        changed += penalty * way - changed.mean(axis=0)
        step = size / np.maximum((way * changed).sum(axis=0), TINY)
        found, left = found + step * way, left - step * changed
        before, size = size, np.square(left).sum(axis=0)
        way = left + size / np.maximum(before, TINY) * way
    weight = turned @ found
    return Linear(weight, outputs.mean(axis=0) - (rows @ weight).mean(axis=0))


def _reader(backbone: Backbone) -> TextBackbone:
    if not isinstance(backbone, TextBackbone):
        raise UsageError(f"{backbone.name} does not read texts", "Tfidf", "use a backbone for texts")
    return backbone


def _texts(examples: Examples) -> list[str]:
    return [str(text) for text in examples.raw]
