"""The exact probe as a scikit-learn estimator, for features of any origin."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from handful.core.errors import DataError
from handful.evaluate.arrays import Floats, softmax
from handful.evaluate.calibration import fit_scales, fit_temperature
from handful.evaluate.metrics import log_losses
from handful.nn.linear import blocks_of, held_out, one_hot, ridge, span

ClassWeight = Literal["balanced"] | dict[Any, float] | None


class LinearProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Ridge regression on class indicators, its penalty chosen by exact leave-one-out, its probabilities calibrated.

    One eigendecomposition serves every penalty: a hundred cost as much as one.

    Args:
        n_penalties: How many penalties are tried between 1e-4 and 1e2 times the mean squared norm of a centred row.
        class_weight: "balanced", or a weight for each label, as scikit-learn has it.
    Attributes:
        classes_: The labels, sorted.
        penalty_: The chosen penalty, relative to the mean squared norm.
        left_out_scores_: Scores of each example from the probe fitted without its group, shape (n, n_classes).
    Source: Cawley and Talbot 2003 for the leave-one-out; see `handful.nn.linear`.
    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> bool(LinearProbe().fit(X, y).score(X, y) > 0.8)
        True
    """

    def __init__(self, n_penalties: int = 100, class_weight: ClassWeight = None) -> None:
        self.n_penalties = n_penalties
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit on features (n, dim) and labels (n,).

        Args:
            X: Features.
            y: Labels.
            groups: What is left out together, shape (n,); each example alone when None.
        """
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, targets = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"the labels have one class only: {self.classes_[0]}", "y", "give examples of two classes")
        units = np.arange(len(X)) if groups is None else np.unique(groups, return_inverse=True)[1]
        if len(units) != len(X):
            raise DataError(f"{len(X)} examples but {len(units)} groups", "groups", "give one group an example")
        weights = None if self.class_weight is None else compute_sample_weight(self.class_weight, y)
        space, outputs = span(X, weights), one_hot(targets, len(self.classes_))
        penalties = np.logspace(-4, 2, self.n_penalties)
        scores = held_out(space, outputs, penalties * space.unit_penalty, blocks_of(units))
        scaled = scores * fit_scales(scores, targets)[:, None, None]
        best = int(np.argmin([log_losses(targets, softmax(each)).mean() for each in scaled]))
        self.penalty_, self.left_out_scores_ = float(penalties[best]), scores[best]
        self._head = ridge(space, outputs, self.penalty_ * space.unit_penalty)
        self._scale = fit_temperature(scores[best], targets, with_bias=False).scale
        return self

    def decision_function(self, X: Any) -> Floats:
        """Calibrated logits, shape (n, n_classes); for two classes the second's minus the first's, shape (n,)."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable label of each row."""
        best = self._logits(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities, shape (n, n_classes)."""
        return softmax(self._logits(X))

    def _logits(self, X: Any) -> Floats:
        check_is_fitted(self)
        features = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return np.asarray(self._scale * self._head(features))
