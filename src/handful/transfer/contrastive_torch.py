"""What `contrastive.py` describes, in torch: the loss of all pairs of a batch, and the training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from handful.augment.policy import Policy
from handful.core.progress import SILENT, Progress
from handful.nn.backbone import Backbone
from handful.nn.linear import Floats
from handful.nn.minilm_torch import MiniLM
from handful.nn.tuned_encoder import TunedSentenceEncoder
from handful.training.devices import has_bfloat16
from handful.training.loop import train
from handful.training.objective import LossTerms, Objective
from handful.training.parameters import layerwise
from handful.transfer.contrastive import Contrastive
from handful.transfer.probe import FittedProbe, Targets, predicted_scores
from handful.transfer.probe_head_torch import one_thread
from handful.transfer.technique import Problem
from handful.transfer.text_material_torch import Group, Index, TextMaterial, trainable


@dataclass(frozen=True)
class Pairs(Objective):
    """Cosine regression on all pairs of a batch; a batch is (inputs, targets).

        loss = (mean over pairs of a class of (1 - cos)^2 + mean over all other pairs of cos^2) / 2

    Args:
        column: Which features are embeddings, from and to.
    Source: Tunstall et al. 2022, arXiv:2209.11055, section 3, with the loss of their implementation. Differs: all pairs
        of a batch in place of drawn ones; the two kinds weigh the same, as they do there by drawing as many of each.
    """

    column: tuple[int, int]

    def loss(self, module: nn.Module, batch: Any, rng: np.random.Generator) -> LossTerms:  # noqa: ARG002
        """The mean over pairs, scalar; draws nothing."""
        inputs, targets = batch
        features = module(*inputs)[:, slice(*self.column)]
        with torch.autocast(features.device.type, enabled=False):  # half precision is too coarse for small losses
            return LossTerms(pair_loss(features.float(), targets))


def pair_loss(features: Tensor, targets: Tensor) -> Tensor:
    """The loss of features, shape (n, dim), with class indices, shape (n,); 0 of a kind that has no pairs."""
    units = functional.normalize(features, dim=1)
    same = targets[:, None] == targets
    errors = (units @ units.T - same.float()).square()
    itself = torch.eye(len(targets), dtype=torch.bool, device=targets.device)
    kinds = [same & ~itself, ~same]
    return sum(((errors * kind).sum() / kind.sum().clamp(min=1) for kind in kinds), errors.new_zeros(())) / 2


def with_company(rows: Index, targets: Targets, rng: np.random.Generator) -> Index:
    """Rows, each with another one of its class where there is one; no row twice, ascending."""
    partners = []
    for row in rows:
        others = np.flatnonzero(targets == targets[row])
        others = others[others != row]
        partners += [rng.choice(others)] if len(others) else []
    return np.unique(np.concatenate([rows, np.array(partners, dtype=np.int64)]))


def left_out_scores(
    settings: Contrastive, backbone: Backbone, material: TextMaterial, left_out: Index, seed: int
) -> Floats:
    """Scores of some texts by a training on all others, shape (n_left_out, n_classes)."""
    kept = np.setdiff1d(np.arange(len(material.targets)), left_out)
    with one_thread():
        network = tune(settings, backbone, material, kept, seed)
        features = material.tuned_features(network, np.concatenate([kept, left_out]))
    rows = material.probe_rows(settings.start, backbone, kept, features[: len(kept)])
    return predicted_scores(settings.start, rows.fit(rows.best_penalty()), features[len(kept) :], backbone)


def tuned_probe(
    settings: Contrastive,
    backbone: Backbone,
    material: TextMaterial,
    problem: Problem,
    policy: Policy,
) -> FittedProbe:
    """Trained on all examples: the probe on an encoder of its own, which predicts through ONNX Runtime."""
    every = np.arange(len(material.targets))
    with one_thread():
        network = tune(settings, backbone, material, every, problem.seed, problem.progress)
    encoder = TunedSentenceEncoder(network.as_published())
    rows = material.probe_rows(settings.start, encoder, every, problem.examples.features(encoder))
    penalty = rows.best_penalty()
    return FittedProbe(replace(settings.start, penalty=penalty), encoder, policy, rows.fit(penalty), backbone)


def tune(
    settings: Contrastive,
    backbone: Backbone,
    material: TextMaterial,
    kept: Index,
    seed: int,
    progress: Progress = SILENT,
) -> MiniLM:
    """The network, trained on some of the texts."""
    network, over_groups = trainable(backbone, settings.n_frozen)
    column = backbone.columns(backbone.last)[0]
    objective = Pairs((column.start, column.stop))

    def fetch(rows: Index, rng: np.random.Generator) -> tuple[tuple[Group, ...], Tensor]:
        return material.batch(kept[with_company(rows, material.targets[kept], rng)], rng)

    share = layerwise([f"upper.layers.{at}" for at in range(settings.n_layers)], settings.decay)
    how = settings.training(len(kept), has_bfloat16())
    train(over_groups, objective, fetch, len(kept), how, seed, rate_share=share, progress=progress)
    return network
