"""What every classifier does once it is fitted: scikit-learn's protocol, and the honest account beside it."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from handful.bundle.model import DEFAULT_COVERAGE, Model, Predictions
from handful.bundle.save import check_destination
from handful.core.progress import SILENT, Progress
from handful.data.labels import label_name
from handful.data.readers import Splits, from_arrays
from handful.evaluate.arrays import Floats
from handful.evaluate.metric_names import metric_text
from handful.tasks.evaluation import evaluate_model
from handful.tasks.fitting import Fit, Settings


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Fits, predicts, evaluates and saves; `ImageClassifier` and `TextClassifier` say what on.

    Attributes:
        classes_: The labels, sorted.
        metrics_: The account that `metrics.json` holds: score with its interval, evidence, audit.
    """

    metric: str | npt.ArrayLike
    random_state: int
    n_jobs: int | None

    @abstractmethod
    def _read(self, path: str | Path, test: str | Path | None) -> Splits:
        """A data set on disk."""

    @abstractmethod
    def _fitted_on(self, splits: Splits, settings: Settings, name: str, progress: Progress) -> Fit:
        """The job itself."""

    def _settings(self) -> Settings:
        """The parameters, under the names that a fit gives them."""
        renamed = {"random_state": "seed", "n_jobs": "jobs"}
        asked = {renamed.get(name, name): value for name, value in self.get_params().items()}
        return Settings(**{**asked, "metric": metric_text(self.metric)})

    def fit(
        self,
        X: Sequence[Any],
        y: Sequence[Any],
        groups: Sequence[Any] | None = None,
        unlabelled: Sequence[Any] | None = None,
    ) -> Self:
        """Fit on examples and their labels.

        Args:
            X: For images paths, uint8 or float arrays (h, w[, channels]) or Pillow images; for texts strings; n. What
                cannot be read, an empty text, say, is left out with a warning.
            y: Labels, n of them.
            groups: Patient, camera or author of each example; never split across folds.
            unlabelled: More examples of the kind: with few labels they help to see which ones belong together.
        """
        data = from_arrays(X, y, groups)
        pool = None if unlabelled is None else from_arrays(unlabelled)
        original = {label_name(label): label for label in y}
        return self._fit(Splits(data, None, pool, ()), np.array([original[name] for name in data.classes]), "examples")

    def fit_folder(self, path: str | Path, test: str | Path | None = None, progress: Progress = SILENT) -> Self:
        """Fit on a folder or a table, as `handful fit` does; `metrics_` then holds the test score too."""
        splits = self._read(path, test)
        return self._fit(splits, np.array(splits.train.classes), Path(path).resolve().name, progress)

    def predict(self, X: Sequence[Any]) -> npt.NDArray[Any]:
        """The most probable label of each input."""
        found = self.judge(X).indices
        return np.asarray(self.classes_[found])

    def predict_proba(self, X: Sequence[Any]) -> Floats:
        """Calibrated probabilities, shape (n, n_classes)."""
        return self.judge(X).probabilities

    def judge(self, X: Sequence[Any], coverage: float = DEFAULT_COVERAGE) -> Predictions:
        """Everything the model says: probabilities, prediction sets, abstention, unfamiliarity."""
        return self._model.predict(X if isinstance(X, str | Path) else list(X), coverage, self.n_jobs)

    def evaluate(self, X: Sequence[Any], y: Sequence[Any], groups: Sequence[Any] | None = None) -> dict[str, Any]:
        """The score on labelled examples, with its interval, as `handful evaluate` gives it."""
        data = from_arrays(X, y, groups, self._model.classes)
        return evaluate_model(self._model, data, self.metric, self.random_state, self.n_jobs)

    def save(self, out: str | Path) -> Path:
        """Write the model folder: it predicts without torch and scikit-learn; see `handful.load`."""
        check_is_fitted(self)
        check_destination(Path(out))
        self.metrics_ = self._fitted.save(out)
        return Path(out)

    @cached_property
    def _model(self) -> Model:
        check_is_fitted(self)
        return self._fitted.model()

    def __getstate__(self) -> dict[str, Any]:
        """Without the running session, which cannot be copied to another process; it is opened there again."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_model"}

    def _fit(self, splits: Splits, labels: npt.NDArray[Any], name: str, progress: Progress = SILENT) -> Self:
        self._fitted = self._fitted_on(splits, self._settings(), name, progress)
        self.__dict__.pop("_model", None)
        self.classes_, self.metrics_ = labels, self._fitted.metrics
        for finding in self.metrics_["audit"]["findings"]:
            if finding["kind"] == "unreadable":  # what is not learned from is not left to be found in the account
                warnings.warn(finding["message"], UserWarning, stacklevel=3)
        return self
