"""Any `torch.nn.Module` of images as a backbone, from Python."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

from handful.nn.backbone import ImageBackbone, InputSpec, Layer
from handful.nn.graph_cache import cached_graph

if TYPE_CHECKING:
    import torch


class ModuleBackbone(ImageBackbone):
    """A network of your own: its output and, if asked for, some of the layers inside, pooled over the picture.

    The module is copied, so what is done to it later changes nothing here. Its graph is exported, compared with it and
    its digest taken when first asked for, once a process; that takes seconds, where the features themselves are cached.

    Args:
        module: From normalised images, float (n, 3, size, size), to one tensor (n, d), (n, tokens, d) or (n, d, h, w),
            or to a dictionary of these, whose names become layers. Leave out its classifier.
        spec: What it expects to see.
        layers: Names of submodules, as in `module.named_modules()`, whose outputs are pooled too, shallow ones first.
            One whose mean is the output itself is left out.
        name: What to call it; its class when None.
        licence: Of its weights; it goes into the model's card.
        kept_as: A name under which the graph is kept in the cache, which must change whenever module, weights or spec
            do; not kept when None.
    Raises:
        UsageError: when it is no module, or has no submodule of such a name.
        ModelError: when it cannot take such images, or gives something else: no encoder.

    Example:
        >>> import torch
        >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU())
        >>> backbone = ModuleBackbone(network, InputSpec(32, mean=(127.5,), std=(127.5,)), layers=("0",))
        >>> backbone.layers
        (Layer(name='0', dim=8), Layer(name='output', dim=8))
    """

    def __init__(
        self,
        module: torch.nn.Module,
        spec: InputSpec,
        layers: tuple[str, ...] = (),
        name: str | None = None,
        licence: str = "not known: its weights were given as a torch module",
        kept_as: str | None = None,
    ) -> None:
        from handful.nn.module_torch import PooledModule

        self.name, self.licence, self.spec = name or type(module).__name__, licence, spec
        self._kept_as = kept_as
        self._network = PooledModule.of(module, layers, spec, self.name)
        self.layers = tuple(Layer(name, dim) for name, dim in self._network.layer_dims.items())
        self.last = (self.layers[-1].name,)

    @cached_property
    def graph_bytes(self) -> bytes:
        """The serialized graph, exported when first asked for."""
        return cached_graph(self._kept_as, self._export) if self._kept_as else self._export()

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]  # of the graph, which is made when first asked for
        """Of the graph, hence of the weights, of what `forward` does and of the preparation."""
        return f"module-{hashlib.sha256(self.graph_bytes).hexdigest()[:16]}"

    def _export(self) -> bytes:
        from handful.nn.exporting_torch import export_images

        return export_images(self._network, self.spec, about=self.name, where=self.name)

    def module(self) -> torch.nn.Module:
        from copy import deepcopy

        return deepcopy(self._network)
