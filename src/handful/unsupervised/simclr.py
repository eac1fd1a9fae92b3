"""SimCLR: two views of one picture lie near each other, views of all other pictures of the batch far away.

Source: Chen et al. 2020, arXiv:2002.05709. Differs: AdamW in place of LARS, since batches are of a few hundred.
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


@dataclass(frozen=True)
class SimClr(Objective):
    """NT-Xent over a batch of two views of every picture, (2n, 3, h, w): the first views, then the second ones.

    Each of the 2n views must pick its partner among the 2n - 1 others. A batch that goes through in parts has its
    other pictures in the same part only.

    Args:
        temperature: Above 0; smaller looks harder at the most alike of the other pictures.
    """

    temperature: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise UsageError(f"temperature={self.temperature} is not above 0", "SimClr")

    def loss(self, module: nn.Module, batch: Any, rng: np.random.Generator) -> LossTerms:  # noqa: ARG002
        """The mean over views, scalar; draws nothing."""
        projected = module(batch)
        with torch.autocast(projected.device.type, enabled=False):  # half precision is too coarse for small losses
            return LossTerms(nt_xent(projected.float(), self.temperature))


def nt_xent(projected: Tensor, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross entropy.

        loss = -mean_i log( exp(cos(i, partner of i) / T) / sum_{k != i} exp(cos(i, k) / T) )

    Args:
        projected: Shape (2n, dim); row i and row i + n are views of one picture.
        temperature: T.
    Returns:
        Scalar, from 0 on; log(2n - 1) where all views are alike.
    Source: Chen et al. 2020, arXiv:2002.05709, eq. 1.
    """
    n, odd = divmod(len(projected), 2)
    if projected.ndim != 2 or odd:
        raise DataError(f"two views of every picture were expected, got shape {tuple(projected.shape)}", "nt_xent")
    units = functional.normalize(projected, dim=1)
    alike = (units @ units.T / temperature).fill_diagonal_(-torch.inf)
    partners = torch.arange(2 * n, device=projected.device).roll(n)
    return functional.cross_entropy(alike, partners)
