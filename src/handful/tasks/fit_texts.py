"""From labelled texts to a model: what `fitting.py` needs to know of texts."""

from __future__ import annotations

import hashlib

from handful.augment.policy import Policy
from handful.bundle.inputs import TextInputs, text_digest
from handful.core.budget import Budget
from handful.core.progress import SILENT, Progress
from handful.data.cache import FeatureCache
from handful.data.readers import Splits
from handful.evaluate.arrays import Floats
from handful.evaluate.costs import Costs
from handful.nn.backbones import text_backbone_named
from handful.nn.sentence_encoder import SentenceEncoder
from handful.recipe.candidates import text_candidates
from handful.recipe.recipe import Recipe
from handful.report.page import Pictures
from handful.tasks.fitting import Fit, Settings, Stages, Subject, check_settings, fit_subject
from handful.tasks.pictures import cases_of
from handful.tasks.pool import text_pool
from handful.tasks.text_examples import text_examples
from handful.tasks.texts import TextPart, prepare_texts
from handful.transfer.technique import Problem
from handful.transfer.tfidf import Tfidf

TASK = "text classification"
QUOTED = 200  # characters of a text in the report
NO_VIEWS = {Policy(): 0.0}


def fit_texts(splits: Splits, settings: Settings, name: str = "texts", progress: Progress = SILENT) -> Fit:
    """Audit, compute features, choose, fit, calibrate, test and assemble.

    Args:
        splits: What to learn from and, maybe, to test on.
        settings: What the user asked for; there is no augmentation of texts.
        name: What to call the data in the report.
        progress: Told what goes on.
    """
    check_settings(settings)
    stages, budget = Stages(), Budget.parse(settings.budget)
    backbone = text_backbone_named(settings.backbone or SentenceEncoder.name, settings.offline)
    cache = FeatureCache() if settings.cached else None
    with stages("reading"):
        data = prepare_texts(splits, backbone.windows, settings.strict)
    train = data.train
    with stages("features"):
        examples = text_examples(train.texts, cache, progress)
        examples.features(backbone)
        pool = None
        if splits.unlabelled is not None and settings.recipe == "auto":
            tested = data.test.texts if data.test else []
            pool = text_pool(
                splits.unlabelled, examples, tested, backbone, budget, settings.seed, cache=cache, progress=progress
            )
    inputs = TextInputs(backbone.tokenizer_bytes, backbone.spec.max_length)
    subject = Subject(
        task=TASK,
        data=data,
        problem=Problem(
            examples=examples,
            targets=train.targets,
            n_classes=len(train.data.classes),
            units=data.audit.units,
            backbones={backbone.name: backbone},
            seed=settings.seed,
            jobs=settings.jobs,
            engine=settings.engine,
            unlabelled=pool.examples if pool else None,
            budget=budget,
            progress=progress,
        ),
        tried=text_candidates(backbone, train.counts),
        policies=NO_VIEWS if settings.recipe == "auto" else None,
        test=text_examples(data.test.texts, cache, progress) if data.test else None,
        feeds=lambda some: inputs.feeds([str(text) for text in some.raw]),
        manifest={
            "window": backbone.spec.max_length,
            "seen_texts": tuple(sorted({text_digest(text) for text in train.texts})),
        },
        digest=_digest(train),
        called="texts",
        pictures=lambda audit, probabilities, costs: _shown(train, probabilities, costs),  # noqa: ARG005
        tokenizer=backbone.tokenizer_bytes,
        floor=Recipe(backbone.name, Tfidf()),
        pool=pool,
    )
    return fit_subject(subject, settings, stages, name)


def _shown(part: TextPart, probabilities: Floats | None, costs: Costs | None) -> Pictures:
    """The texts that the report quotes: mistakes and doubts."""
    return cases_of(part, lambda row: part.texts[row][:QUOTED], probabilities, costs)


def _digest(part: TextPart) -> str:
    """Of the texts and their labels, in their order."""
    digest = hashlib.sha256()
    for text, target in zip(part.texts, part.targets.tolist(), strict=True):
        digest.update(text.encode("utf-8", "replace") + b"\0" + str(target).encode() + b"\0")
    return digest.hexdigest()
