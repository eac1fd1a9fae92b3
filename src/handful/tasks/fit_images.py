"""From labelled photos to a model: what `fitting.py` needs to know of photos."""

from __future__ import annotations

import hashlib

import numpy as np

from handful.augment.policy import Policy
from handful.bundle.inputs import Feed
from handful.core.budget import Budget
from handful.core.progress import SILENT, Progress
from handful.data.cache import FeatureCache
from handful.data.readers import Splits
from handful.nn.backbone import ImageBackbone
from handful.nn.backbones import backbone_named
from handful.nn.embedded import NAME as EMBEDDED
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.recipe.candidates import affordable, candidates, n_views_worth, policies_tried, views_tried
from handful.tasks.fitting import Fit, Settings, Stages, Subject, check_settings, fit_subject
from handful.tasks.images import Part, Pixels, Prepared, prepare_images
from handful.tasks.pictures import pictures_of
from handful.tasks.pixel_examples import pixel_examples
from handful.tasks.pool import Pool, picture_pool
from handful.transfer.technique import Examples, Problem

TASK = "image classification"


def fit_images(splits: Splits, settings: Settings, name: str = "photos", progress: Progress = SILENT) -> Fit:
    """Audit, decode, compute features, choose, fit, calibrate, test and assemble.

    Args:
        splits: What to learn from and, maybe, to test on.
        settings: What the user asked for.
        name: What to call the data in the report.
        progress: Told what goes on.
    """
    check_settings(settings)
    stages, budget = Stages(), Budget.parse(settings.budget)
    backbone = backbone_named(settings.backbone or EMBEDDED, settings.offline)
    with stages("reading"):
        data = prepare_images(splits, backbone.spec.size, settings.jobs, settings.strict, progress)
    with stages("features"):
        n, most = len(data.train.data), n_views_worth(len(data.train.data))
        policies = _policies(settings, data.train.data.classes, n, most, budget, progress)
        examples = _examples(data.train.pixels, settings, progress)
        examples.features(backbone, views_tried(policies, most))
        pool = _pool(splits, data, examples, backbone, settings, budget, progress)
    smaller = backbone.smaller if isinstance(backbone, EfficientNetLite0Backbone) else ()
    subject = Subject(
        task=TASK,
        data=data,
        problem=Problem(
            examples=examples,
            targets=data.train.targets,
            n_classes=len(data.train.data.classes),
            units=data.audit.units,
            backbones={each.name: each for each in (backbone, *smaller)},
            seed=settings.seed,
            jobs=settings.jobs,
            engine=settings.engine,
            unlabelled=pool.examples if pool else None,
            budget=budget,
            progress=progress,
        ),
        tried=candidates(backbone, data.train.counts, policies, most),
        policies=policies if settings.recipe == "auto" else None,
        test=_examples(data.test.pixels, settings, progress) if data.test else None,
        feeds=lambda some: [Feed(np.arange(len(some)), {"pixels": np.asarray(some.raw)})],
        manifest={"size": backbone.spec.size},
        digest=_digest(data.train),
        called="photos",
        pictures=lambda audit, probabilities, costs: pictures_of(data.train, audit, probabilities, costs),
        pool=pool,
    )
    return fit_subject(subject, settings, stages, name)


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


def _pool(
    splits: Splits,
    data: Prepared,
    examples: Examples,
    backbone: ImageBackbone,
    settings: Settings,
    budget: Budget,
    progress: Progress,
) -> Pool | None:
    """The unlabelled photos, where there are any and a technique would learn from them."""
    if splits.unlabelled is None or settings.recipe == "probe":
        return None
    cache, tested = FeatureCache() if settings.cached else None, data.test.pixels if data.test else None
    return picture_pool(
        splits.unlabelled, examples, tested, backbone, budget, settings.seed,
        jobs=settings.jobs, cache=cache, device=settings.device, progress=progress,
    )  # fmt: skip


def _examples(pixels: Pixels, settings: Settings, progress: Progress) -> Examples:
    return pixel_examples(pixels, FeatureCache() if settings.cached else None, settings.device, progress)


def _digest(part: Part) -> str:
    """Of the decoded pixels and their labels, whatever the files are called."""
    digest = hashlib.sha256()
    for image, target in zip(part.pixels, part.targets, strict=True):
        digest.update(image.tobytes())
        digest.update(int(target).to_bytes(8, "little"))
    return digest.hexdigest()
