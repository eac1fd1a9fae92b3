"""Text classification from Python: scikit-learn's protocol on strings."""

from __future__ import annotations

from pathlib import Path

import numpy.typing as npt

from handful.core.progress import Progress
from handful.data.readers import Splits
from handful.data.texts import read_texts
from handful.nn.backbone import Backbone
from handful.tasks.classifier import Classifier
from handful.tasks.fit_texts import fit_texts
from handful.tasks.fitting import Fit, Settings


class TextClassifier(Classifier):
    """A classifier of texts that chooses its recipe on the data and says how sure that is.

    Args:
        backbone: `all-minilm-l6-v2`, or what else `text_backbone_named` takes: a name, a folder, or a ready one.
        recipe: "auto", or "probe" for frozen features alone.
        budget: `5m`, `90s` or `40fits`: a ceiling.
        metric: "accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "cost:FILE.csv", or a matrix: what it
            costs to take the class of a row for the class of a column, classes sorted.
        random_state: Seed of everything random.
        n_jobs: Folds that are trained at a time; as many as there are usable cores when None.
    Attributes:
        classes_: The labels, sorted.
        metrics_: The account that `metrics.json` holds: score with its interval, evidence, audit.
    Example:
        >>> TextClassifier(recipe="probe").get_params()["recipe"]
        'probe'
    """

    def __init__(
        self,
        backbone: str | Backbone = "all-minilm-l6-v2",
        recipe: str = "auto",
        budget: str = "5m",
        metric: str | npt.ArrayLike = "accuracy",
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.backbone = backbone
        self.recipe = recipe
        self.budget = budget
        self.metric = metric
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _read(self, path: str | Path, test: str | Path | None) -> Splits:
        return read_texts(path, test=test)

    def _fitted_on(self, splits: Splits, settings: Settings, name: str, progress: Progress) -> Fit:
        return fit_texts(splits, settings, name, progress)
