"""The probe as a module that is trained on, from its exact solution; and the one thread that it is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from handful.evaluate.arrays import softmax
from handful.nn.linear import Floats, Linear, one_hot
from handful.transfer.probe import Targets

Inputs = Tensor | tuple[Tensor, ...]

SMALLEST_FEATURE = 1e-2  # below it the slope of a root would be so steep that one feature ruled the gradient
LOG_SCALES = (-3.0, 5.0)
SMALLEST_LENGTH = 1e-6  # of a layer's features, as in `prepare`


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


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, so that a training gives the same bytes however many run side by side."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(n_threads)
