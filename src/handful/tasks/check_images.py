"""What is wrong with the data: everything the audit finds, and labels that a quick model contradicts."""

from __future__ import annotations

from typing import Any

from handful.augment.policy import Policy
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.data.cache import FeatureCache
from handful.data.readers import Splits
from handful.data.splits import choose_n_folds, repeated_folds
from handful.evaluate.calibration import cross_fitted
from handful.nn.backbones import backbone_named
from handful.tasks.images import Prepared, prepare_images
from handful.tasks.parts import account_of
from handful.tasks.pixel_examples import pixel_examples
from handful.tasks.suspects import suspect_labels
from handful.transfer.probe import Probe
from handful.transfer.technique import Problem


def check_images(
    splits: Splits,
    backbone_name: str = "efficientnet-lite0",
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Audit a data set without making a model of it; every class counts, every finding has its examples."""
    backbone = backbone_named(backbone_name)
    data = prepare_images(splits, backbone.spec.size, jobs, progress=progress)
    examples = pixel_examples(data.train.pixels, FeatureCache(), progress=progress)
    n_classes, backbones = len(data.train.data.classes), {backbone.name: backbone}
    problem = Problem(examples, data.train.targets, n_classes, data.audit.units, backbones)
    data = _with_suspects(data, problem, seed)
    return account_of("image classification", data, splits)


def _with_suspects(data: Prepared, problem: Problem, seed: int) -> Prepared:
    n_folds = choose_n_folds(problem.targets, problem.units)
    if not n_folds:  # a class of one example cannot be contradicted by others of its kind
        return data
    folds = repeated_folds(problem.targets, problem.units, n_folds, 1, stream(seed, "folds"))
    every = tuple(layer.name for layer in problem.backbone.layers)
    rows = Probe(every).rows(problem, problem.backbone, Policy())
    scores = rows.leave_one_out([rows.best_penalty()])[0]
    return data.with_findings(
        *suspect_labels(cross_fitted(scores, problem.targets, folds[0], with_bias=False), data.train)
    )
