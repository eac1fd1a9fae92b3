"""A foreign module in torch: its output and some of the layers inside, pooled, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from handful.core.errors import ModelError, UsageError
from handful.nn.backbone import InputSpec
from handful.nn.exporting_torch import LayerDims, Pooled, mean_pooled, same, silence

OUTPUT = "output"  # the layer of a module that gives one tensor
WANTED = "one tensor of rank 2, 3 or 4 (n, ...), or a dictionary of such tensors, was expected"
N_TRIED = 2


class PooledModule(Pooled):
    """Normalised images (n, 3, h, w) to the pooled layers of a module, side by side, (n, sum of layer dims).

    Args:
        module: Of images.
        inside: Names of submodules whose outputs are pooled too.
        layer_dims: Of what `states` gives.
    """

    def __init__(self, module: nn.Module, inside: tuple[str, ...], layer_dims: LayerDims) -> None:
        super().__init__()
        self.body, self.inside, self.layer_dims = module, inside, layer_dims

    @classmethod
    def of(cls, module: nn.Module, inside: tuple[str, ...], spec: InputSpec, where: str) -> PooledModule:
        """Of a copy of the module, frozen in `eval` mode on the CPU, once it has been tried.

        Raises:
            UsageError, ModelError: as said by `ModuleBackbone`.
        """
        if not isinstance(module, nn.Module):
            raise UsageError(
                f"a torch.nn.Module was expected, got {type(module).__name__}", where, "give an object of one"
            )
        known = dict(module.named_modules())
        if unknown := [name for name in inside if name not in known or not name]:
            some = ", ".join(list(known)[1:9])
            raise UsageError(f"the module has no submodule {unknown[0]!r}", where, f"it has {some} ...")
        pooled = cls(_copied(module, where), inside, {}).eval()
        states = pooled.tried(spec, where)
        means = {name: mean_pooled(state) for name, state in states.items()}
        last = means[list(means)[-1]]
        pooled.inside = tuple(name for name in inside if not same(means[name], last))
        pooled.layer_dims = {
            name: mean.shape[1] for name, mean in means.items() if name not in inside or name in pooled.inside
        }
        return pooled

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([mean_pooled(state) for state in self.states(images).values()], dim=1)

    def states(self, images: Tensor) -> dict[str, Any]:
        """What the layers inside and the module itself give, under their names."""
        seen: dict[str, Any] = {}

        def keep(name: str) -> Any:
            return lambda _module, _inputs, output: seen.__setitem__(name, output)

        hooks = [self.body.get_submodule(name).register_forward_hook(keep(name)) for name in self.inside]
        try:
            output = self.body(images)
        finally:
            for hook in hooks:
                hook.remove()
        named = output if isinstance(output, Mapping) else {OUTPUT: output}
        return {**{name: seen.get(name) for name in self.inside}, **named}

    @torch.inference_mode()
    def tried(self, spec: InputSpec, where: str) -> dict[str, Tensor]:
        """The states of two pictures, each of a kind that can be pooled."""
        examples = torch.rand((N_TRIED, 3, spec.size, spec.size), generator=torch.Generator().manual_seed(0))
        try:
            with silence():
                states = self.states(examples)
        except Exception as failure:  # whatever a foreign `forward` raises
            reason = f"{type(failure).__name__}: {str(failure)[:300]}"
            what = f"the module cannot take float images of shape {tuple(examples.shape)} ({reason})"
            raise ModelError(
                what, where, "give a module of RGB images, and an InputSpec of the size that it takes"
            ) from failure
        for name, state in states.items():
            if reason := _unusable(state):
                what = f"the module is not an encoder: {name} is {reason}; {WANTED}"
                raise ModelError(what, where, "wrap it in a module that returns its features alone")
        return states


def _copied(module: nn.Module, where: str) -> nn.Module:
    try:
        with silence():
            return deepcopy(module).float().cpu()
    except Exception as failure:  # whatever a module that holds a lock, a file or a closure raises
        reason = f"{type(failure).__name__}: {str(failure)[:300]}"
        what = f"the module cannot be copied ({reason})"
        raise ModelError(what, where, "give a module that copy.deepcopy can copy") from failure


def _unusable(state: Any) -> str:
    """What is wrong with the output of a layer, or nothing."""
    if not isinstance(state, Tensor):
        return _described(state)
    if state.ndim not in (2, 3, 4) or len(state) != N_TRIED:
        return f"a tensor of shape {tuple(state.shape)} for {N_TRIED} images"
    if not state.is_floating_point():
        return f"a tensor of {state.dtype}"
    return "" if torch.isfinite(state).all() else "not finite"


def _described(state: Any) -> str:
    """
    Example:
        >>> _described((torch.ones(2), None)), _described(None), _described(0.5)
        ('a tuple of Tensor, NoneType', 'nothing', 'of type float')
    """
    if isinstance(state, tuple | list):
        return f"a {type(state).__name__} of {', '.join(type(part).__name__ for part in state)}"
    return "nothing" if state is None else f"of type {type(state).__name__}"
