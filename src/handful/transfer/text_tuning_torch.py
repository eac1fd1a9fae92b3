"""What `text_tuning.py` describes, in torch: the layers and the head, or adapters beside the layers and the head."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from handful.augment.policy import Policy
from handful.core.optional import require
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.nn.backbone import Backbone
from handful.nn.linear import Floats, Linear
from handful.nn.minilm_torch import MiniLM
from handful.nn.tuned_encoder import TunedSentenceEncoder
from handful.training.devices import has_bfloat16
from handful.training.loop import train
from handful.training.objective import Supervised
from handful.training.parameters import layerwise
from handful.transfer.probe import FittedProbe
from handful.transfer.probe_head_torch import ProbeHead, Tuned, one_thread, starting_scale
from handful.transfer.technique import Problem
from handful.transfer.text_material_torch import Group, Index, TextMaterial, trainable
from handful.transfer.text_tuning import TextTuning


def left_out_scores(
    settings: TextTuning, backbone: Backbone, material: TextMaterial, left_out: Index, seed: int
) -> Floats:
    """Scores of some texts by a training on all others, shape (n_left_out, n_classes)."""
    kept = np.setdiff1d(np.arange(len(material.targets)), left_out)
    with one_thread(), torch.inference_mode(False):
        network, head = tune(settings, backbone, material, kept, seed)
        features = torch.from_numpy(material.tuned_features(network, left_out)[:, 0])
        with torch.inference_mode():
            return np.asarray(head(features).double().numpy())


def tuned_probe(
    settings: TextTuning, backbone: Backbone, material: TextMaterial, problem: Problem, policy: Policy
) -> FittedProbe:
    """Trained on all examples: its head on an encoder of its own, which predicts through ONNX Runtime."""
    every = np.arange(len(material.targets))
    with one_thread():
        network, head = tune(settings, backbone, material, every, problem.seed, problem.progress)
    weight, bias = (part.detach().double().numpy() for part in (head.linear.weight.T, head.linear.bias))
    encoder = TunedSentenceEncoder(network.as_published())
    return FittedProbe(settings.start, encoder, policy, Linear(weight, bias), backbone)


def tune(
    settings: TextTuning,
    backbone: Backbone,
    material: TextMaterial,
    kept: Index,
    seed: int,
    progress: Progress = SILENT,
) -> tuple[MiniLM, ProbeHead]:
    """Train on some of the texts, from the exact probe on the same ones; the whole network, and the head."""
    network, over_groups = trainable(backbone, settings.n_frozen)
    merge = _nothing if settings.rank is None else _adapted(over_groups.upper, settings.rank, seed)
    head = _starting_head(settings, backbone, material, kept)

    def fetch(rows: Index, rng: np.random.Generator) -> tuple[tuple[Group, ...], Tensor]:
        return material.batch(kept[rows], rng)

    below = layerwise([f"body.upper.layers.{at}" for at in range(settings.n_layers)], settings.decay)
    train(
        Tuned(over_groups, head),
        Supervised(settings.label_smoothing),
        fetch,
        len(kept),
        settings.training(len(kept), has_bfloat16()),
        seed,
        rate_share=lambda name: settings.head_factor if name.startswith("head.") else below(name),
        progress=progress,
    )
    merge()
    return network, head


def _starting_head(settings: TextTuning, backbone: Backbone, material: TextMaterial, kept: Index) -> ProbeHead:
    """The exact probe of some texts, scaled for their own loss."""
    probe = settings.start
    rows = material.probe_rows(probe, backbone, kept, material.features[kept])
    linear = rows.fit(rows.best_penalty())
    scale = starting_scale(linear(rows.rows), rows.row_targets, settings.label_smoothing)
    return ProbeHead(backbone.columns(probe.layers), probe.power, linear, scale)


def _adapted(upper: nn.Module, rank: int, seed: int) -> Callable[[], object]:
    """Freeze the layers and put adapters beside their queries and values; what merges these into the weights again."""
    peft = require("peft", "hub")
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["query", "value"])
    with torch.random.fork_rng([]):
        torch.manual_seed(int(stream(seed, "adapters").integers(2**63)))
        adapted = peft.get_peft_model(upper, config)
    merge: Callable[[], object] = adapted.merge_and_unload
    return merge


def _nothing() -> None:
    """There is nothing to merge."""
