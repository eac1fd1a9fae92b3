"""The floor for texts: words and pairs of words, weighted by TF-IDF, under a logistic regression.

What a pre-trained encoder is worth is what it gains over this.

Source: TF-IDF is Salton and Buckley 1988, doi:10.1016/0306-4573(88)90021-0, with sublinear counts; pairs of words and a
linear head as a baseline that is hard to beat: Wang and Manning 2012, ACL P12-2018. Differs: logistic regression; marks
such as "?" are words, and so is each character of Chinese and Japanese, which write no spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

_UNSPACED = r"\u3040-\u30ff\u3400-\u9fff"
_WORD = rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]"
INVERSE_PENALTY = 10.0
LEAST = 1e-9  # probability of a class that the fit has not seen


class TfidfRows:
    """Texts to learn from; scores are logarithms of probabilities, so that they read like those of a probe.

    Args:
        texts: n of them, none empty.
        targets: Class indices, shape (n,).
        n_classes: Number of classes.
    Raises:
        DataError: when a text is empty, or texts and targets are not of one number.
    """

    def __init__(self, texts: Sequence[str], targets: Index, n_classes: int) -> None:
        if len(texts) != len(targets):
            raise DataError(f"{len(texts)} texts but {len(targets)} targets", "targets", "pass one per text")
        blank = next((row for row, text in enumerate(texts) if not text.strip()), None)
        if blank is not None:
            raise DataError(f"example {blank} is empty", "texts", "leave empty texts out")
        self.texts, self.targets, self.n_classes = np.array(texts, dtype=object), targets, n_classes

    def out_of_fold(self, folds: Index) -> Floats:
        """Scores of every text from words, weights and head learnt without its fold.

        Args:
            folds: The fold of each text in each repeat, shape (n_repeats, n). Each is a fit: a tenth of a second for a
                hundred texts, seconds for thousands.
        Returns:
            Shape (n_repeats, n, n_classes).
        """
        scores = np.empty((*folds.shape, self.n_classes))
        for repeat, fold in enumerate(folds):
            for number in np.unique(fold):
                tested = np.flatnonzero(fold == number)
                scores[repeat, tested] = self.refitted(np.flatnonzero(fold != number), tested)
        return scores

    def refitted(self, kept: Index, tested: Index) -> Floats:
        """Scores of some texts from the floor fitted on some others, shape (n_tested, n_classes)."""
        return self.scores(self.texts[tested].tolist(), kept)

    def scores(self, texts: Sequence[str], kept: Index | None = None) -> Floats:
        """Scores of new texts, shape (len(texts), n_classes).

        Args:
            texts: Any.
            kept: Which rows to learn from; all when None.
        """
        rows = np.arange(len(self.targets)) if kept is None else kept
        scores = np.full((len(texts), self.n_classes), np.log(LEAST))
        seen = np.unique(self.targets[rows])
        if len(seen) == 1:
            scores[:, seen] = 0.0
            return scores
        fitted = _pipeline().fit(self.texts[rows], self.targets[rows])
        scores[:, seen] = np.log(np.maximum(fitted.predict_proba(list(texts)), LEAST))
        return scores


def _pipeline() -> Pipeline:
    from sklearn.feature_extraction.text import TfidfVectorizer  # a second of import that the probe does without
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD, dtype=np.float64)
    return make_pipeline(words, LogisticRegression(C=INVERSE_PENALTY, max_iter=1000))
