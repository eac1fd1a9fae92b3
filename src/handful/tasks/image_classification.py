"""The main job from Python: scikit-learn's protocol on paths, arrays and Pillow images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from handful.core.progress import Progress
from handful.data.readers import Splits, read
from handful.nn.backbone import Backbone
from handful.tasks.classifier import Classifier
from handful.tasks.fit_images import fit_images
from handful.tasks.fitting import Fit, Settings


class ImageClassifier(Classifier):
    """A classifier of images that chooses its recipe on the data and says how sure that is.

    Args:
        backbone: `efficientnet-lite0`, or what else `backbone_named` takes: a name, a folder, or a ready one such as
            `ModuleBackbone(network, InputSpec(...))`.
        recipe: "auto", or "probe" for frozen features alone.
        augment: "auto", a named policy, or one as text.
        budget: `5m`, `90s` or `40fits`: a ceiling.
        metric: "accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "cost:FILE.csv", or a matrix: what it
            costs to take the class of a row for the class of a column, classes sorted.
        random_state: Seed of everything random.
        n_jobs: Threads that decode, and folds that are trained at a time; all usable cores when None.
    Attributes:
        classes_: The labels, sorted.
        metrics_: The account that `metrics.json` holds: score with its interval, evidence, audit.
    Example:
        >>> ImageClassifier(metric="balanced_accuracy").get_params()["metric"]
        'balanced_accuracy'
    """

    def __init__(
        self,
        backbone: str | Backbone = "efficientnet-lite0",
        recipe: str = "auto",
        augment: str = "auto",
        budget: str = "5m",
        metric: str | npt.ArrayLike = "accuracy",
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

    def _read(self, path: str | Path, test: str | Path | None) -> Splits:
        return read(path, test=test)

    def _fitted_on(self, splits: Splits, settings: Settings, name: str, progress: Progress) -> Fit:
        return fit_images(splits, settings, name, progress)


def fit(path: str | Path, test: str | Path | None = None, **settings: Any) -> ImageClassifier:
    """Fit an image classifier on a folder or a table; settings as of `ImageClassifier`."""
    return ImageClassifier(**settings).fit_folder(path, test)
