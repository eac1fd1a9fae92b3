"""What `fix_match.py` describes, in torch: the views of the pool, the loss on both kinds of pictures, the training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from handful.augment.policy import Policy
from handful.augment.views import MIRRORED, ORIGINAL, views_of
from handful.core.errors import UsageError
from handful.core.rng import stream
from handful.data.images import decode_stream
from handful.evaluate.arrays import Floats, Ints
from handful.nn.backbone import Backbone
from handful.nn.features import BATCH_SIZE, Pixels
from handful.training.objective import LossTerms, Objective
from handful.transfer.activations_torch import Activations, cached_activations
from handful.transfer.fine_tuning_torch import Material, as_probe, cached_scores, starting_head, tune_cached
from handful.transfer.fix_match import MOST_OF_POOL, FixMatch
from handful.transfer.probe import FittedProbe
from handful.transfer.probe_head_torch import Inputs, Tuned, one_thread
from handful.transfer.technique import Examples, Problem

Batch = tuple[Inputs, Tensor, Inputs, Inputs]

PLAIN = (ORIGINAL, MIRRORED)  # views that alter nothing, or next to nothing


@dataclass(frozen=True)
class Consistency(Objective):
    """Labelled pictures, and unlabelled ones that shall get the same answer when altered.

        loss = mean_i CE(q(x_i), y_i) + w mean_j 1[max q(u_j) >= t mean_i max q(x_i)] CE(q(A u_j), argmax q(u_j))

    A batch is (pictures x, targets y, plain pictures u, the same altered A u); no gradient flows through q(u). The mean
    beside t is over what goes through at once: a batch that goes through in parts has a threshold for each part.

    Args:
        threshold: t.
        weight: w.
        label_smoothing: Of the labelled pictures.
    """

    threshold: float
    weight: float
    label_smoothing: float

    def loss(self, module: nn.Module, batch: Batch, rng: np.random.Generator) -> LossTerms:  # noqa: ARG002
        """The loss, its two terms, and the share of the unlabelled that counted; draws nothing."""
        labelled, targets, plain, altered = batch
        logits = module(labelled).float()
        with torch.no_grad():
            enough = self.threshold * logits.softmax(dim=1).amax(dim=1).mean()
            sure, answers = module(plain).float().softmax(dim=1).max(dim=1)
            counts = (sure >= enough).float()
        known = functional.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        each = functional.cross_entropy(module(altered).float(), answers, reduction="none")
        pool = (counts * each).mean()
        return LossTerms(known + self.weight * pool, {"labelled": known, "unlabelled": pool, "sure": counts.mean()})


def pool_of(settings: FixMatch, problem: Problem, backbone: Backbone) -> Activations:
    """Of unlabelled pictures, the plain view first; computed once for a problem.

    Raises:
        UsageError: when there are none, or the policy alters nothing.
    """
    unlabelled = problem.unlabelled
    if unlabelled is None:
        raise UsageError("the problem has no unlabelled examples", "FixMatch", "give it some: Problem(unlabelled=...)")
    drawn = [view for view in views_of(Policy.parse(settings.strong), 2 + settings.n_altered) if view not in PLAIN]
    if not drawn:
        raise UsageError(f"the policy {settings.strong!r} draws no altered views", "strong", "choose a stronger one")

    def make() -> Activations:
        most = min(MOST_OF_POOL, len(unlabelled))
        some = np.sort(stream(problem.seed, "pool of pictures").permutation(len(unlabelled))[:most])
        pixels, views = _pixels(unlabelled, some, backbone), (ORIGINAL, *drawn[: settings.n_altered])
        return cached_activations(backbone, pixels, views, settings.n_frozen, progress=problem.progress)

    shared = (backbone.name, settings.strong, settings.n_altered, settings.n_frozen)
    return problem.remember(("pool of pictures", *shared), make)


def _pixels(pool: Examples, rows: Ints, backbone: Backbone) -> Pixels:
    """Some of a pool at the backbone's size, read from their files where it is large."""
    if isinstance(pool.raw, np.ndarray):
        pictures: Pixels = pool.take(rows).seen_by(backbone)
        return pictures
    batches = decode_stream([pool.raw[row] for row in rows], backbone.spec.size, BATCH_SIZE)
    return np.concatenate([batch.pixels for batch in batches])


def left_out_scores(
    settings: FixMatch, backbone: Backbone, material: Material, pool: Activations, left_out: Ints, seed: int
) -> Floats:
    """Scores of some labelled examples by a training without them, shape (n_left_out, n_classes)."""
    kept = np.setdiff1d(np.arange(len(material.targets)), left_out)
    assert material.activations is not None  # noqa: S101 - something is frozen
    with one_thread():
        tuned = matched(settings, backbone, material, pool, kept, seed)
        at_test = settings.student.start.test_views
        return cached_scores(tuned, material.activations, settings.n_frozen, left_out, at_test)


def matched_probe(
    settings: FixMatch, backbone: Backbone, material: Material, pool: Activations, policy: Policy, seed: int
) -> FittedProbe:
    """Trained on all examples, as a probe on a network of its own."""
    with one_thread():
        tuned = matched(settings, backbone, material, pool, np.arange(len(material.targets)), seed)
    return as_probe(tuned, settings.student.start, backbone, policy)


def drawn_from(pool: Activations, n: int, rng: np.random.Generator) -> tuple[Inputs, Inputs]:
    """Some pictures of a pool, plain, and the same pictures altered."""
    rows = rng.integers(len(pool.flow), size=n)
    altered = rng.integers(1, pool.flow.shape[1], size=n)
    return pool.batch(rows, np.zeros_like(rows)), pool.batch(rows, altered)


def matched(
    settings: FixMatch, backbone: Backbone, material: Material, pool: Activations, kept: Ints, seed: int
) -> Tuned:
    """A training on some labelled examples and the pool, from the exact probe of the former."""
    assert material.activations is not None  # noqa: S101 - something is frozen
    student, targets = settings.student, material.targets[kept]
    some = Activations(material.activations.flow[kept], material.activations.below[kept])
    head = starting_head(student, backbone, material, kept)

    def fetch(rows: Ints, rng: np.random.Generator) -> Batch:
        views = rng.integers(some.flow.shape[1], size=len(rows))
        known = some.batch(rows, views), torch.from_numpy(targets[rows])
        return *known, *drawn_from(pool, settings.pool_share * len(rows), rng)

    objective = Consistency(settings.threshold, settings.weight, student.label_smoothing)
    return tune_cached(student, backbone, head, some, targets, seed, objective=objective, fetch=fetch)[0]
