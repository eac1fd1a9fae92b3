"""The main job from Python: scikit-learn's protocol on paths, arrays and Pillow images."""

from __future__ import annotations

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
from handful.data.readers import Splits, from_arrays, read
from handful.evaluate.arrays import Averaging, Floats
from handful.tasks.evaluate_images import evaluate_images
from handful.tasks.fit_images import Settings, fit_images


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier of images that chooses its recipe on the data and says how sure that is.

    Args:
        backbone: `efficientnet-lite0`, or a folder in Hugging Face form.
        recipe: "auto" or "probe".
        augment: "auto", a named policy, or one as text.
        budget: `5m`, `90s` or `40fits`: a ceiling.
        metric: "accuracy" or "balanced_accuracy".
        random_state: Seed of everything random.
        n_jobs: Threads that decode images; all usable cores when None.
    Attributes:
        classes_: The labels, sorted.
        metrics_: The account that `metrics.json` holds: score with its interval, evidence, audit.
    Example:
        >>> ImageClassifier(metric="balanced_accuracy").get_params()["metric"]
        'balanced_accuracy'
    """

    def __init__(
        self,
        backbone: str = "efficientnet-lite0",
        recipe: str = "auto",
        augment: str = "auto",
        budget: str = "5m",
        metric: Averaging = "accuracy",
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.backbone = backbone
        self.recipe = recipe
        self.augment = augment
        self.budget = budget
        self.metric = metric
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: Sequence[Any],
        y: Sequence[Any],
        groups: Sequence[Any] | None = None,
        unlabelled: Sequence[Any] | None = None,
    ) -> Self:
        """Fit on images and their labels.

        Args:
            X: Paths, uint8 or float arrays (h, w[, channels]), or Pillow images, n of them.
            y: Labels, n of them.
            groups: Patient, camera or author of each image; never split across folds.
            unlabelled: More images; no technique of this version learns from them.
        """
        data = from_arrays(X, y, groups)
        pool = None if unlabelled is None else from_arrays(unlabelled)
        original = {label_name(label): label for label in y}
        return self._fit(Splits(data, None, pool, ()), np.array([original[name] for name in data.classes]), "images")

    def fit_folder(self, path: str | Path, test: str | Path | None = None, progress: Progress = SILENT) -> Self:
        """Fit on an image folder or a table, as `handful fit` does; `metrics_` then holds the test score too."""
        splits = read(path, test=test)
        return self._fit(splits, np.array(splits.train.classes), Path(path).resolve().name, progress)

    def predict(self, X: Sequence[Any]) -> npt.NDArray[Any]:
        """The most probable label of each image."""
        found = self.judge(X).indices
        return np.asarray(self.classes_[found])

    def predict_proba(self, X: Sequence[Any]) -> Floats:
        """Calibrated probabilities, shape (n, n_classes)."""
        return self.judge(X).probabilities

    def judge(self, X: Sequence[Any], coverage: float = DEFAULT_COVERAGE) -> Predictions:
        """Everything the model says: probabilities, prediction sets, abstention, unfamiliarity."""
        return self._model.predict(X if isinstance(X, str | Path) else list(X), coverage, self.n_jobs)

    def evaluate(self, X: Sequence[Any], y: Sequence[Any], groups: Sequence[Any] | None = None) -> dict[str, Any]:
        """The score on labelled images, with its interval, as `handful evaluate` gives it."""
        data = from_arrays(X, y, groups, self._model.classes)
        return evaluate_images(self._model, data, self.metric, self.random_state, self.n_jobs)

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
        settings = Settings(
            backbone=self.backbone,
            recipe=self.recipe,
            augment=self.augment,
            budget=self.budget,
            metric=self.metric,
            seed=self.random_state,
            jobs=self.n_jobs,
        )
        self._fitted = fit_images(splits, settings, name, progress)
        self.__dict__.pop("_model", None)
        self.classes_, self.metrics_ = labels, self._fitted.metrics
        return self


def fit(path: str | Path, test: str | Path | None = None, **settings: Any) -> ImageClassifier:
    """Fit an image classifier on a folder or a table; settings as of `ImageClassifier`."""
    return ImageClassifier(**settings).fit_folder(path, test)
