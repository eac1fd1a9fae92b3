"""VICReg: two views of one picture become alike, while every output keeps its variance and says something of its own.

No other pictures are needed to hold against, so small batches will do.

Source: Bardes et al. 2022, arXiv:2105.04906. Differs: AdamW in place of LARS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from handful.core.errors import DataError, UsageError
from handful.training.objective import LossTerms, Objective

EPSILON = 1e-4  # under the root of a variance, as in the paper
TARGET = 1.0  # standard deviation of an output


@dataclass(frozen=True)
class VicReg(Objective):
    """Invariance, variance and covariance of a batch of two views of every picture, (2n, 3, h, w): first, then second.

        loss = invariance * i + variance * v + covariance * c

    Args:
        invariance: What the distance of two views counts.
        variance: What an output counts whose standard deviation over the batch is below 1.
        covariance: What outputs count that say the same.
    """

    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0

    def __post_init__(self) -> None:
        for name in ("invariance", "variance", "covariance"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name}={getattr(self, name)} is not 0 or more", "VicReg")

    def loss(self, module: nn.Module, batch: Any, rng: np.random.Generator) -> LossTerms:  # noqa: ARG002
        """The weighted sum and its three terms; draws nothing."""
        projected = module(batch)
        with torch.autocast(projected.device.type, enabled=False):  # half precision is too coarse for small losses
            i, v, c = terms(projected.float())
        total = self.invariance * i + self.variance * v + self.covariance * c
        return LossTerms(total, {"invariance": i, "variance": v, "covariance": c})


def terms(projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Invariance i, variance v and covariance c, scalars of 0 or more.

        i = mean (a - b)^2
        v = mean_j max(0, 1 - sqrt(var(z_j) + 1e-4)),    the mean over z = a, b
        c = sum_{j != k} cov(z_j, z_k)^2 / dim,          the sum over z = a, b

    Args:
        projected: Shape (2n, dim), n at least 2: first views a, then second views b of the same pictures.
    Source: Bardes et al. 2022, arXiv:2105.04906, eq. 1 to 4, with the means of the authors' code: i is a mean over
        outputs too, and v one over both views.
    """
    if projected.ndim != 2 or len(projected) % 2 or len(projected) < 4:
        shape = tuple(projected.shape)
        raise DataError(f"two views of two pictures or more were expected, got shape {shape}", "VicReg")
    first, second = views = projected.chunk(2)
    spreads = [functional.relu(TARGET - (view.var(0) + EPSILON).sqrt()).mean() for view in views]
    redundancy = _redundancy(first) + _redundancy(second)
    return functional.mse_loss(first, second), torch.stack(spreads).mean(), redundancy


def _redundancy(view: Tensor) -> Tensor:
    covariance = view.T.cov()
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / view.shape[1]
