"""From labelled examples of any kind to a model and an honest account of it, one step after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.augment.policy import Policy
from handful.bundle.inputs import Feed
from handful.bundle.manifest import Manifest
from handful.bundle.model import Model
from handful.bundle.save import write_model
from handful.core.budget import Budget
from handful.core.errors import DataError, UsageError
from handful.core.parallel import ENGINES
from handful.data.audit import Audit
from handful.evaluate.arrays import Floats
from handful.evaluate.costs import Costs
from handful.evaluate.metric import Metric
from handful.evaluate.metric_names import check_metric, metric_named
from handful.evaluate.unfamiliar import leave_out_distances
from handful.nn.backbone import Backbone
from handful.recipe.candidates import Candidate
from handful.recipe.ensemble import Ensemble
from handful.recipe.recipe import Recipe
from handful.recipe.unlabelled import Unlabelled
from handful.report.page import Pictures, render
from handful.tasks.assemble import assemble_graph, check_parity, describe, tensors
from handful.tasks.estimate import (
    conformal_section,
    majority,
    probability_sections,
    share_note,
    shift_note,
    tested_sections,
)
from handful.tasks.learn import Learned, learn, sample_sections
from handful.tasks.parts import Labelled, Ready
from handful.tasks.pool import Pool
from handful.tasks.suspects import suspect_labels
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples, Problem

RECIPES = ("auto", "probe")  # everything that may help, or frozen features alone
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
        backbone: A name, a folder, a file or a ready one, as `backbone_named` and `text_backbone_named` take it; the
            one that comes with handful when empty.
        recipe: "auto" or "probe".
        augment: "auto", a named policy, or one as text.
        budget: `5m`, `90s` or `40fits`: a ceiling.
        metric: What is maximised, as `metric_named` takes it.
        seed: Of everything random.
        jobs: Threads that decode; all usable cores when None.
        engine: Where folds are trained: "local", or "ray" for a Ray cluster.
        strict: Refuse data with unreadable files rather than leave those out.
        device: "auto", "cpu" or "cuda", for the features.
        cached: Whether features are kept on disk.
        offline: Whether the network is forbidden.
    """

    backbone: str | Backbone = ""
    recipe: str = "auto"
    augment: str = "auto"
    budget: str = "5m"
    metric: str = "accuracy"
    seed: int = 0
    jobs: int | None = None
    engine: str = "local"
    strict: bool = False
    device: str = "auto"
    cached: bool = True
    offline: bool = False

    def __post_init__(self) -> None:
        check_metric(self.metric)


@dataclass(frozen=True)
class Fit:
    """A finished fit, in memory.

    Args:
        graph: `model.onnx`.
        tensors: `weights.safetensors`: the head, and what the unfamiliar is known by.
        manifest: `handful.json`.
        metrics: `metrics.json`.
        pictures: Of the report.
        tokenizer: `tokenizer.json`, of a model for texts.
    """

    graph: bytes
    tensors: dict[str, npt.NDArray[np.floating]]
    manifest: Manifest
    metrics: dict[str, Any]
    pictures: Pictures
    tokenizer: bytes = b""

    def model(self) -> Model:
        """The model, ready to predict, without writing it."""
        return Model(self.manifest, self.graph, self.tensors["reference.embedding"], self.tokenizer)

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
        write_model(Path(out), self.graph, self.tensors, self.manifest, metrics, page, self.tokenizer)
        return metrics


@dataclass(frozen=True)
class Subject:
    """What a job is about: everything that differs between kinds of examples.

    Args:
        task: Such as "image classification".
        data: Audited, test set included.
        problem: What techniques are tried on.
        tried: Probes to begin with.
        policies: What views are drawn from where something is trained; nothing is trained when None.
        test: The test set's examples, if there are any.
        feeds: From some examples to what the graph takes.
        manifest: What the manifest says of the input: `size`, or `window` and `seen_texts`.
        digest: Of all training examples and their labels.
        called: What the examples are called: "photos".
        pictures: From findings, out-of-fold probabilities and what decides to what the report shows.
        tokenizer: `tokenizer.json`, of texts.
        floor: The plainest recipe, whose score is always shown.
        pool: What became of the unlabelled examples; None where there are none.
    """

    task: str
    data: Ready[Any]
    problem: Problem
    tried: list[Candidate]
    policies: Mapping[Policy, float] | None
    test: Examples | None
    feeds: Callable[[Examples], Iterable[Feed]]
    manifest: Mapping[str, Any]
    digest: str
    called: str
    pictures: Callable[[Audit, Floats | None, Costs | None], Pictures]
    tokenizer: bytes = b""
    floor: Recipe | None = None
    pool: Pool | None = None


def fit_subject(subject: Subject, settings: Settings, stages: Stages, name: str) -> Fit:
    """Choose, fit, calibrate, test and assemble.

    Args:
        subject: The data and what to try on them.
        settings: What the user asked for.
        stages: Seconds so far.
        name: What to call the data in the report.
    """
    data, problem = subject.data, subject.problem
    classes = data.train.data.classes
    _check_teachable(data)
    metric = metric_named(settings.metric, classes)
    with stages("choosing"):
        learned = learn(problem, subject.tried, classes, metric, subject.policies, subject.floor)
    with stages("testing"):
        tested = learned.probabilities(subject.test) if subject.test is not None else None
    with stages("assembling"):
        graph = assemble_graph(learned, problem.backbone)
        some = problem.examples.take(np.arange(min(N_PARITY, len(data.train.data))))
        check_parity(graph, learned.probabilities(some), subject.feeds(some))
        seen = learned.fitted.embedding(problem.examples)
        distances = leave_out_distances(seen.astype(np.float64), problem.units)
        manifest = describe(learned, problem.backbone, subject, distances, name, settings.seed)
    if learned.alone is not None:
        data = data.with_findings(*suspect_labels(learned.alone, data.train))
    settings = replace(settings, backbone=problem.backbone.name)
    metrics = {**_account(subject.task, subject.called, data, learned, tested, settings, metric)}
    metrics |= {"unlabelled": subject.pool and {**subject.pool.account, "in_recipe": _learns_from_pool(learned.recipe)}}
    metrics |= {"versions": manifest.versions, "data": manifest.data, "licences": list(manifest.licences)}
    metrics |= {"seconds": sum(stages.seconds.values()), "stages": stages.seconds}
    seen_by_others = learned.out_of_fold.probabilities if learned.out_of_fold else None
    pictures = subject.pictures(data.audit, seen_by_others, learned.metric.costs)
    kept = tensors(learned, seen, settings.seed)
    return Fit(graph, kept, manifest, metrics, pictures, subject.tokenizer)


def _check_teachable(data: Ready[Any]) -> None:
    """Refuse examples of which every single one stands under several labels: there is nothing to learn."""
    findings = [finding for finding in data.audit.findings if finding.kind == "contradiction"]
    if len({row for finding in findings for row in finding.rows}) == len(data.train.targets):
        raise DataError("every example stands under other labels too", findings[0].message, "correct the labels")


def _learns_from_pool(recipe: Recipe | Ensemble) -> bool:
    return any(isinstance(member.adapt, Unlabelled) for member in recipe.members)


def check_settings(settings: Settings) -> None:
    """Refuse names that no recipe and no engine has, before any work."""
    if settings.recipe not in RECIPES:
        raise UsageError(f"no recipe is called {settings.recipe!r}", "recipe", f"use one of {', '.join(RECIPES)}")
    if settings.engine not in ENGINES:
        raise UsageError(f"there is no engine {settings.engine!r}", "engine", f"use {' or '.join(ENGINES)}")
    Budget.parse(settings.budget)


def _account(
    task: str,
    called: str,
    data: Ready[Any],
    learned: Learned,
    tested: Floats | None,
    settings: Settings,
    metric: Metric,
) -> dict[str, Any]:
    """The metrics: what `fit --json` prints and `metrics.json` holds."""
    classes, targets = data.train.data.classes, data.train.targets
    held_out = (tested, data.test.targets) if tested is not None and data.test is not None else None
    conformal = []
    if learned.out_of_fold:
        conformal = conformal_section(learned.conformal, learned.out_of_fold.single, held_out)
    test = None
    if tested is not None and data.test is not None:
        test = _test_section(data, data.test, tested, learned.metric, settings.seed)
        test["shift_note"] = shift_note(learned.sections["score"], test["scores"][metric.name])
    return {
        "task": task,
        "called": called,
        **sample_sections(targets, classes, metric),
        **learned.sections,
        "metric": metric.name,
        "test_score": test["scores"][metric.name] if test else None,
        "test": test,
        "recipe": {
            **_recipe_section(learned.recipe),
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


def _recipe_section(recipe: Recipe | Ensemble) -> dict[str, Any]:
    """The settings of a recipe, those of an ensemble's first member beside all of them."""
    first = recipe.members[0]
    section: dict[str, Any] = {
        "members": [{**member.to_json(), "description": member.describe()} for member in recipe.members]
    }
    section |= {**first.adapt.to_json(), "backbone": first.backbone, "augment": str(first.augment)}
    if isinstance(first.adapt, Probe):
        section |= {"n_views": len(first.adapt.views), "flip_at_test": len(first.adapt.test_views) > 1}
    return section


def _test_section(data: Ready[Any], test: Labelled, tested: Floats, metric: Metric, seed: int) -> dict[str, Any]:
    classes, targets = test.data.classes, test.targets
    groups = test.data.groups
    units = np.arange(len(targets)) if groups is None else np.unique(groups, return_inverse=True)[1]
    scores = tested_sections(tested, targets, units, classes, metric, seed)
    probabilities = probability_sections(tested, targets, len(classes), metric)
    return {
        "n": len(targets),
        "leaked": data.n_leaked,
        "scores": scores["scores"],
        "score_note": scores["score_note"],
        "majority": majority(targets, classes, metric),
        "per_class": scores["per_class"],
        **probabilities,
        "log_loss": probabilities["calibration"]["log_loss"],
        "share_note": share_note(data.train.targets, targets, classes),
    }
