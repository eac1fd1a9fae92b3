"""The main job: from labelled photos to a model and an honest account of it, one step after another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.augment.policy import Policy
from handful.augment.views import View
from handful.bundle.manifest import Manifest
from handful.bundle.model import Model
from handful.bundle.save import write_model
from handful.core.errors import UsageError
from handful.core.progress import SILENT, Progress
from handful.data.cache import FeatureCache
from handful.data.readers import Splits
from handful.evaluate.arrays import Averaging, Floats
from handful.evaluate.unfamiliar import leave_out_distances
from handful.nn.backbone import Backbone, FeatureMatrix
from handful.nn.backbones import backbone_named
from handful.nn.features import frozen_features
from handful.recipe.budget import Budget
from handful.recipe.candidates import affordable, candidates, n_views_worth, policies_tried, views_tried
from handful.recipe.selection import Problem
from handful.report.page import Pictures, render
from handful.tasks.assemble import assemble_graph, check_parity, describe, embedding, tensors
from handful.tasks.estimate import conformal_section, probability_sections, score_sections, share_note
from handful.tasks.images import Part, Prepared, prepare_images
from handful.tasks.learn import Learned, learn, sample_sections
from handful.tasks.pictures import pictures_of
from handful.tasks.suspects import suspect_labels

TASK = "image classification"
RECIPES = ("auto", "probe")  # the same until there is more to choose from than heads and features
N_PARITY = 8  # examples on which the shipped graph is compared with what was measured


class Stages:
    """Seconds of each stage of a job."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Settings:
    """What a user may ask of a fit.

    Args:
        backbone: `efficientnet-lite0` or a folder in Hugging Face form.
        recipe: "auto" or "probe".
        augment: "auto", a named policy, or one as text.
        budget: `5m`, `90s` or `40fits`: a ceiling.
        metric: What is maximised.
        seed: Of everything random.
        jobs: Threads that decode; all usable cores when None.
        strict: Refuse data with unreadable files rather than leave those out.
        device: "auto", "cpu" or "cuda", for the features.
        cached: Whether features are kept on disk.
    """

    backbone: str = "efficientnet-lite0"
    recipe: str = "auto"
    augment: str = "auto"
    budget: str = "5m"
    metric: Averaging = "accuracy"
    seed: int = 0
    jobs: int | None = None
    strict: bool = False
    device: str = "auto"
    cached: bool = True


@dataclass(frozen=True)
class Fit:
    """A finished fit, in memory.

    Args:
        graph: `model.onnx`.
        tensors: `weights.safetensors`: the head, and what the unfamiliar is known by.
        manifest: `handful.json`.
        metrics: `metrics.json`.
        pictures: Of the report.
    """

    graph: bytes
    tensors: dict[str, npt.NDArray[np.floating]]
    manifest: Manifest
    metrics: dict[str, Any]
    pictures: Pictures

    def model(self) -> Model:
        """The model, ready to predict, without writing it."""
        return Model(self.manifest, self.graph, self.tensors["reference.embedding"])

    def save(self, out: str | Path) -> dict[str, Any]:
        """Write the model folder, report included, whole or not at all; returns the metrics as written."""
        start = time.perf_counter()
        metrics = {**self.metrics, "model": str(out), "model_bytes": len(self.graph)}
        for_people = {
            "model": {"folder": str(out), "bytes": len(self.graph)},
            "seconds": {"total": metrics["seconds"], "stages": metrics["stages"]},
        }
        page = render({**metrics, **for_people}, self.pictures)
        metrics["stages"] = metrics["stages"] | {"report": time.perf_counter() - start}
        metrics["seconds"] = sum(metrics["stages"].values())
        write_model(Path(out), self.graph, self.tensors, self.manifest, metrics, page)
        return metrics


def fit_images(splits: Splits, settings: Settings, name: str = "photos", progress: Progress = SILENT) -> Fit:
    """Audit, decode, compute features, choose, fit, calibrate, test and assemble.

    Args:
        splits: What to learn from and, maybe, to test on.
        settings: What the user asked for.
        name: What to call the data in the report.
        progress: Told what goes on.
    """
    if settings.recipe not in RECIPES:
        raise UsageError(f"no recipe is called {settings.recipe!r}", "--recipe", f"use one of {', '.join(RECIPES)}")
    stages, budget, backbone = Stages(), Budget.parse(settings.budget), backbone_named(settings.backbone)
    with stages("reading"):
        data = prepare_images(splits, backbone.spec.size, settings.jobs, settings.strict, progress)
    classes = data.train.data.classes
    with stages("features"):
        most = n_views_worth(len(data.train.data))
        policies = _policies(settings, classes, len(data.train.data), most, budget, progress)
        views = views_tried(policies, most)
        features = _features(backbone, data.train, views, settings, progress)
        problem = Problem(features, data.train.targets, len(classes), data.audit.units, backbone, views)
    with stages("choosing"):
        tried = candidates(backbone, data.train.counts, policies, most)
        learned = learn(problem, tried, classes, settings.metric, budget, settings.seed, progress)
    with stages("testing"):
        tested = _test_probabilities(data, learned, problem, settings, progress)
    with stages("assembling"):
        graph = assemble_graph(learned, backbone)
        check_parity(graph, learned.probabilities(problem, features[:N_PARITY]), data.train.pixels)
        seen = embedding(features, backbone)
        distances = leave_out_distances(seen.astype(np.float64), problem.units)
        manifest = describe(learned, backbone, data.train, distances, TASK, name)
    if learned.alone is not None:
        data = data.with_findings(*suspect_labels(learned.alone, data.train))
    metrics = {**_account(data, learned, tested, settings), "versions": manifest.versions, "data": manifest.data}
    metrics |= {"licences": list(manifest.licences), "seconds": sum(stages.seconds.values()), "stages": stages.seconds}
    pictures = pictures_of(data.train, data.audit, learned.out_of_fold.probabilities if learned.out_of_fold else None)
    return Fit(graph, tensors(learned, seen, settings.seed), manifest, metrics, pictures)


def _policies(
    settings: Settings, classes: tuple[str, ...], n_examples: int, most_views: int, budget: Budget, progress: Progress
) -> dict[Policy, float]:
    """What views are drawn from, each with its usual gain; says what is left out."""
    asked, notes = policies_tried(settings.augment, classes)
    kept = affordable(asked, n_examples, most_views, budget.seconds)
    for note in notes:
        progress.note(note)
    if len(kept) < len(asked):
        left = ", ".join(policy.name for policy in asked if policy not in kept)
        progress.note(f"the budget leaves no time to try the augmentation {left}")
    return kept


def _features(
    backbone: Backbone, part: Part, views: tuple[View, ...], settings: Settings, progress: Progress
) -> FeatureMatrix:
    cache = FeatureCache() if settings.cached else None
    return frozen_features(backbone, part.pixels, views, cache, settings.device, progress)


def _test_probabilities(
    data: Prepared, learned: Learned, problem: Problem, settings: Settings, progress: Progress
) -> Floats | None:
    if data.test is None:
        return None
    needed = problem.views[: max(learned.recipe.adapt.test_views) + 1]
    features = _features(problem.backbone, data.test, needed, settings, progress)
    return learned.probabilities(problem, features)


def _account(data: Prepared, learned: Learned, tested: Floats | None, settings: Settings) -> dict[str, Any]:
    """The metrics: what `fit --json` prints and `metrics.json` holds."""
    classes, targets = data.train.data.classes, data.train.targets
    held_out = (tested, data.test.targets) if tested is not None and data.test is not None else None
    conformal = []
    if learned.out_of_fold:
        conformal = conformal_section(learned.conformal, learned.out_of_fold.single, held_out)
    test = _test_section(data, data.test, tested, settings) if tested is not None and data.test is not None else None
    return {
        "task": TASK,
        **sample_sections(targets, classes, settings.metric),
        **learned.sections,
        "test_score": test["scores"][settings.metric] if test else None,
        "test": test,
        "recipe": {
            **learned.recipe.to_json()["adapt"],
            "backbone": learned.recipe.backbone,
            "augment": str(learned.recipe.augment),
            "n_views": len(learned.recipe.adapt.views),
            "flip_at_test": len(learned.recipe.adapt.test_views) > 1,
            "description": learned.recipe.describe(),
        },
        "conformal": conformal,
        "audit": {
            "findings": [asdict(finding) for finding in data.audit.findings],
            "n_unreadable": data.n_unreadable,
            "n_leaked": data.n_leaked,
            "notes": list(data.notes),
        },
        "settings": asdict(settings),
    }


def _test_section(data: Prepared, test: Part, tested: Floats, settings: Settings) -> dict[str, Any]:
    classes, targets = test.data.classes, test.targets
    correct = (tested.argmax(axis=1) == targets).astype(np.float64)
    groups = test.data.groups
    units = np.arange(len(targets)) if groups is None else np.unique(groups, return_inverse=True)[1]
    scores = score_sections(correct, targets, units, classes, settings.metric, settings.seed)
    probabilities = probability_sections(tested, targets, len(classes))
    return {
        "n": len(targets),
        "leaked": data.n_leaked,
        "scores": scores["scores"],
        "per_class": scores["per_class"],
        **probabilities,
        "log_loss": probabilities["calibration"]["log_loss"],
        "share_note": share_note(data.train.targets, targets, classes),
    }
