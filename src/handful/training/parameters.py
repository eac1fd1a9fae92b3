"""Which parameters are trained together: learning rates by layer, weight decay on matrices and kernels only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from handful.core.errors import UsageError

RateShare = Callable[[str], float]  # from the name of a parameter to its share of the learning rate
Groups = list[dict[str, Any]]


def everywhere_alike(name: str) -> float:  # noqa: ARG001
    """The full learning rate for every parameter."""
    return 1.0


def layerwise(blocks: Sequence[str], decay: float) -> RateShare:
    """Learning rates that fall from the output to the input: decay to the power of the blocks above.

    Args:
        blocks: Prefixes of names, from the input to the output. Blocks that share a rate may be given as one prefix.
        decay: From above 0 to 1.
    Returns:
        The share of the learning rate for a parameter, by the longest prefix of its name.
    Raises:
        UsageError: when a parameter belongs to no block (from the returned function).
    Source: Howard & Ruder 2018, arXiv:1801.06146, section 3.2 (there decay = 1 / 2.6).
    Example:
        >>> share = layerwise(["stem", "blocks.0", "blocks.1", "head"], 0.5)
        >>> share("stem.weight"), share("blocks.1.norm.bias"), share("head.weight")
        (0.125, 0.5, 1.0)
    """
    if not 0 < decay <= 1:
        raise UsageError(f"decay={decay} is not from above 0 to 1", "layerwise")
    depth = {prefix: len(blocks) - 1 - at for at, prefix in enumerate(blocks)}

    def share(name: str) -> float:
        fitting = [prefix for prefix in depth if f"{name}.".startswith(f"{prefix}.")]
        if not fitting:
            raise UsageError(f"the parameter {name} is in none of the blocks", "layerwise", "name a block for it")
        return float(decay ** depth[max(fitting, key=len)])

    return share


def parameter_groups(module: nn.Module, weight_decay: float, share: RateShare = everywhere_alike) -> Groups:
    """The trained parameters (`requires_grad`) as groups for an optimizer of torch, in the order of the module.

    Biases and the scales and shifts of normalisation, which have one dimension, are not decayed: shrinking them does
    not simplify a network.

    Returns:
        Groups with `params`, `weight_decay`, and for the loop `share` of the learning rate and `names`.
    Raises:
        UsageError: when nothing is trained.
    """
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, weights in module.named_parameters():
        if not weights.requires_grad:
            continue
        decay, part = weight_decay if weights.ndim > 1 else 0.0, share(name)
        new: dict[str, Any] = {"params": [], "names": [], "weight_decay": decay, "share": part}
        group = groups.setdefault((part, decay), new)
        group["params"].append(weights)
        group["names"].append(name)
    if not groups:
        raise UsageError("nothing is to be trained: every parameter is frozen", "training", "unfreeze some")
    return list(groups.values())
