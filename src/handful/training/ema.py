"""An exponential moving average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Ema:
    """Averages the trained parameters of a module; its buffers and what is frozen are simply the module's.

        average <- d average + (1 - d) weights,    d = min(decay, (1 + t) / (10 + t)) at update t = 1, 2 ...

    The ramp makes short trainings forget their start: at 100 updates d is 0.92, whatever the decay.

    Args:
        module: Its trained parameters now are the first average.
        decay: From 0 (the last weights) to below 1.
    Source: the ramp is that of TensorFlow's ExponentialMovingAverage (num_updates).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.average = {name: weights.detach().clone() for name, weights in _trained(module).items()}

    @torch.no_grad()
    def update(self, module: nn.Module, n_updates: int) -> None:
        """Take in the weights after update `n_updates`, counted from 1."""
        decay = min(self.decay, (1 + n_updates) / (10 + n_updates))
        weights = _trained(module)
        torch._foreach_lerp_(list(self.average.values()), [weights[name] for name in self.average], 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Give the module the averaged weights."""
        weights = _trained(module)
        for name, average in self.average.items():
            weights[name].copy_(average)


def _trained(module: nn.Module) -> dict[str, Tensor]:
    return {name: weights for name, weights in module.named_parameters() if weights.requires_grad}
