"""BatchNorm on few examples: keep the statistics of the pre-training."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def freeze_statistics(module: nn.Module) -> None:
    """Put every BatchNorm below `module` into eval mode: running means and variances are used and stay as they are.

    Its scale and shift are trained all the same. To be called after every `module.train()`.
    """
    for each in module.modules():
        if isinstance(each, _BatchNorm):
            each.eval()


def learns_statistics(module: nn.Module) -> bool:
    """Whether any BatchNorm takes its statistics from the batch, which then needs two examples."""
    return any(isinstance(each, _BatchNorm) and each.training for each in module.modules())
