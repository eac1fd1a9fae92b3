"""Fine-tuning: the last blocks from cached activations, or the whole network, both from the exact probe as head.

The head starts as the solution of the probe rather than at random, so the first steps do not tear up what the blocks
below have learnt. BatchNorm keeps the statistics of the pre-training.

Source: Kumar et al. 2022, arXiv:2202.10054 (linear probe, then fine-tune); Howard and Ruder 2018, arXiv:1801.06146
(learning rates that fall with depth). Differs: the probe is exact and reads several depths, through the same power and
unit lengths as ever, which are part of the head here and let gradients through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from handful.augment.batched import augmented_batch
from handful.augment.policy import Policy
from handful.core.errors import UsageError
from handful.core.progress import SILENT, Progress
from handful.evaluate.arrays import softmax
from handful.nn.backbone import Backbone
from handful.nn.efficientnet_lite_torch import EfficientNetLite0
from handful.nn.features import Pixels
from handful.nn.linear import Floats, Linear, one_hot
from handful.training.checkpoint import History
from handful.training.loop import train
from handful.training.objective import Supervised
from handful.training.parameters import RateShare, layerwise
from handful.training.settings import Training
from handful.transfer.activations import Activations
from handful.transfer.probe import Targets

Inputs = Tensor | tuple[Tensor, ...]

SMALLEST_FEATURE = 1e-2  # below it the slope of a root would be so steep that one feature ruled the gradient
LOG_SCALES = (-3.0, 5.0)
SMALLEST_LENGTH = 1e-6  # of a layer's features, as in `prepare`


@dataclass(frozen=True)
class FineTuning:
    """What is trained, and how.

    Args:
        n_blocks: How many of the last blocks are trained, with the network's last convolution and the head; or "all",
            the stem too.
        epochs: Times that every example is seen, in one view each time.
        learning_rate: Of the topmost part of the network, at its highest.
        head_factor: Times that, for the head.
        decay: Times that, for every block further down.
        batch_size: Examples in a step.
        weight_decay: Of kernels and matrices.
        label_smoothing: From 0 to below 1.
    """

    n_blocks: int | Literal["all"] = 1
    epochs: int = 20
    learning_rate: float = 3e-4
    head_factor: float = 0.1
    decay: float = 0.8
    batch_size: int = 16
    weight_decay: float = 0.01
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        if isinstance(self.n_blocks, int) and self.n_blocks < 0:
            raise UsageError(f"n_blocks={self.n_blocks} is not a number of blocks, nor 'all'", "FineTuning")
        if not 0 < self.head_factor < float("inf"):
            raise UsageError(f"head_factor={self.head_factor} is not above 0", "FineTuning")

    def n_frozen(self, n_all: int) -> int:
        """How many blocks are frozen below those trained, of so many in all."""
        if self.n_blocks == "all" or self.n_blocks > n_all:
            what = f"n_blocks={self.n_blocks!r} leaves nothing frozen, so no activations can be cached"
            raise UsageError(what, "FineTuning", f"choose 0 to {n_all}, or tune the whole network")
        return n_all - self.n_blocks

    @property
    def training(self) -> Training:
        """For the loop."""
        return Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            frozen_statistics=True,
        )


class ProbeHead(nn.Module):
    """The probe as a module: features (n, dim) to logits (n, n_classes), trainable.

    Args:
        columns: Where each layer stands in the features.
        power: Exponent of the features, sign kept.
        head: The exact solution that it starts from, on prepared features.
        scale: Times its scores: ridge regression's are near 0 and 1 (`starting_scale`).
    """

    def __init__(self, columns: list[slice], power: float, head: Linear, scale: float = 1.0) -> None:
        super().__init__()
        self.columns, self.power = columns, power
        self.linear = nn.Linear(*head.weight.shape)
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(scale * head.weight.T))
            self.linear.bias.copy_(torch.from_numpy(np.asarray(scale * head.bias)))

    def forward(self, features: Tensor) -> Tensor:
        parts = [self._unit(self._root(features[:, column])) for column in self.columns]
        logits: Tensor = self.linear(torch.cat(parts, dim=1) / len(parts) ** 0.5)
        return logits

    def _root(self, part: Tensor) -> Tensor:
        if self.power == 1:
            return part
        size = part.abs()
        exact = size.detach() ** self.power
        slope = self.power * size.detach().clamp(min=SMALLEST_FEATURE) ** (self.power - 1)
        return part.sign() * (exact + slope * (size - size.detach()))  # the value is exact, the slope is bounded

    @staticmethod
    def _unit(part: Tensor) -> Tensor:
        return part / part.square().sum(dim=1, keepdim=True).clamp(min=SMALLEST_LENGTH**2).sqrt()


def starting_scale(scores: Floats, targets: Targets, label_smoothing: float) -> float:
    """The scale of the head at which the loss on the training rows is least: training does not start by undoing it.

    A scale calibrated on held-out scores is too large here: an exact head fits its training rows well, and under label
    smoothing the loss then asks for nothing but smaller logits, which costs accuracy.

    Args:
        scores: Of the head on its own training rows, shape (n, n_classes).
        targets: Class indices, shape (n,).
        label_smoothing: As in `FineTuning`.
    """
    from scipy.optimize import minimize_scalar

    n_classes = scores.shape[1]
    wanted = (1 - label_smoothing) * one_hot(targets, n_classes) + label_smoothing / n_classes

    def loss(log_scale: float) -> float:
        probabilities = softmax(np.exp(log_scale) * scores)
        return float(-(wanted * np.log(np.maximum(probabilities, 1e-15))).sum(axis=1).mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_SCALES, method="bounded").x))


class Tuned(nn.Module):
    """A network and its head: whatever the network takes, to logits (n, n_classes)."""

    def __init__(self, body: nn.Module, head: ProbeHead) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, inputs: Inputs) -> Tensor:
        features = self.body(*inputs) if isinstance(inputs, tuple) else self.body(inputs)
        logits: Tensor = self.head(features)
        return logits


def tune_cached(
    settings: FineTuning,
    backbone: Backbone,
    head: ProbeHead,
    activations: Activations,
    targets: Targets,
    seed: int,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> tuple[Tuned, History]:
    """Train the last blocks and the head from activations at their boundary.

    Every time an example is seen, one of its views is drawn.

    Args:
        settings: How; `n_blocks` must be that of the activations.
        backbone: Its network is an EfficientNet-Lite0.
        head: Trained in place.
        activations: Of the training examples, from `cached_activations`.
        targets: Class indices, shape (n,).
        seed: Of order, views and batches.
        device: "cpu" or "cuda".
        progress: Shows the loss.
    Returns:
        The whole network with its head, which takes normalised images, and the history of the loss.
    """
    network = _network(backbone).to(device)
    n_frozen = settings.n_frozen(len(network.blocks))
    _, upper = network.split(n_frozen)
    n_views = activations.flow.shape[1]

    def fetch(rows: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[Inputs, Tensor]:
        views = rng.integers(n_views, size=len(rows))
        return activations.batch(rows, views, device), torch.from_numpy(targets[rows]).to(device)

    parts = [*(f"body.blocks.{i}" for i in range(len(upper.blocks))), "body.head"]
    tail = Tuned(upper, head.to(device))
    history = _trained(tail, settings, fetch, targets, parts, seed, progress)
    return Tuned(network, head).eval(), history


def tune_whole(
    settings: FineTuning,
    backbone: Backbone,
    head: ProbeHead,
    pixels: Pixels,
    policy: Policy,
    targets: Targets,
    seed: int,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> tuple[Tuned, History]:
    """Train every block and the head on images that are augmented anew each time.

    Args:
        settings: How; `n_blocks` is "all".
        backbone: Its network is an EfficientNet-Lite0.
        head: Trained in place.
        pixels: Decoded images, shape (n, size, size, 3).
        policy: Draws the augmentation.
        targets: Class indices, shape (n,).
        seed: Of order, augmentation and batches.
        device: "cpu" or "cuda".
        progress: Shows the loss.
    Returns:
        The network with its head, which takes normalised images, and the history of the loss.
    """
    if settings.n_blocks != "all":
        what = f"n_blocks={settings.n_blocks}, and the whole network was to be tuned"
        raise UsageError(what, "FineTuning", "write 'all', or tune from cached activations")
    network = _network(backbone).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    size, mean, std = pixels.shape[1], _by_channel(backbone.spec.mean), _by_channel(backbone.spec.std)

    def fetch(rows: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[Inputs, Tensor]:
        images = torch.from_numpy(pixels[rows]).permute(0, 3, 1, 2).to(device)
        draws = [policy.draw(rng, size, size, out=(size, size)) for _ in rows]
        inputs = augmented_batch(images, draws, mean, std).to(memory_format=torch.channels_last)
        return inputs, torch.from_numpy(targets[rows]).to(device)

    parts = ["body.stem", *(f"body.blocks.{i}" for i in range(len(network.blocks))), "body.head"]
    tuned = Tuned(network, head.to(device))
    return tuned, _trained(tuned, settings, fetch, targets, parts, seed, progress)


def cached_scores(
    tuned: Tuned,
    activations: Activations,
    n_frozen: int,
    rows: npt.NDArray[np.int64],
    views: tuple[int, ...] = (0,),
    batch_size: int = 64,
) -> Floats:
    """Logits of examples whose activations are kept, averaged over views: what is left out of a fold, say.

    Args:
        tuned: From `tune_cached`.
        activations: Of all examples.
        n_frozen: How many blocks lie below the boundary.
        rows: Which examples, shape (m,).
        views: Over which views.
        batch_size: Examples at a time.
    Returns:
        Shape (m, n_classes).
    """
    if not isinstance(tuned.body, EfficientNetLite0):
        raise UsageError("the network has no boundary to go on from", "cached_scores", "give what tune_cached returned")
    device = str(next(tuned.parameters()).device)
    tail = Tuned(tuned.body.split(n_frozen)[1], tuned.head).eval()
    scores = np.zeros((len(rows), tuned.head.linear.out_features))
    with torch.inference_mode():
        for start in range(0, len(rows), batch_size):
            some = rows[start : start + batch_size]
            for view in views:
                logits = tail(activations.batch(some, np.full(len(some), view), device))
                scores[start : start + batch_size] += logits.cpu().numpy() / len(views)
    return scores


def _trained(
    module: Tuned,
    settings: FineTuning,
    fetch: Callable[[npt.NDArray[np.int64], np.random.Generator], tuple[Inputs, Tensor]],
    targets: Targets,
    parts: list[str],
    seed: int,
    progress: Progress,
) -> History:
    objective, share = Supervised(settings.label_smoothing), _rate_share(parts, settings)
    return train(module, objective, fetch, len(targets), settings.training, seed, rate_share=share, progress=progress)


def _rate_share(parts: list[str], settings: FineTuning) -> RateShare:
    """Falling from the last part to the first; the head has its own."""
    below = layerwise(parts, settings.decay)
    return lambda name: settings.head_factor if name.startswith("head.") else below(name)


def _network(backbone: Backbone) -> EfficientNetLite0:
    network = backbone.module()
    if not isinstance(network, EfficientNetLite0):
        raise UsageError("only an EfficientNet-Lite0 can be fine-tuned here", backbone.name, "use efficientnet-lite0")
    return network


def _by_channel(values: tuple[float, ...]) -> tuple[float, ...]:
    return values * 3 if len(values) == 1 else values
