"""Frozen features of many images and views: computed once, kept on disk, the same bytes warm or cold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from handful.core.progress import SILENT, Progress
from handful.data.cache import FeatureCache
from handful.nn.backbone import Backbone, FeatureMatrix
from handful.nn.kept_features import Rows, kept_features
from handful.nn.onnx_runtime import open_session

Pixels = npt.NDArray[np.uint8]
Embed = Callable[[Pixels], npt.NDArray[np.float32]]  # (batch, size, size, 3) to (batch, dim)

BATCH_SIZE = 16
SECONDS_A_VIEW = 0.01  # to compute the features of one image, on a slow machine


class View(Protocol):
    """One fixed view of an image; the name is part of the cache's key."""

    @property
    def name(self) -> str: ...

    def __call__(self, image: Pixels) -> Pixels: ...


def frozen_features(
    backbone: Backbone,
    pixels: Pixels,
    views: Sequence[View],
    cache: FeatureCache | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> FeatureMatrix:
    """Pooled features of every view of every image.

    Args:
        backbone: The frozen network.
        pixels: Decoded images at the backbone's size, shape (n, size, size, 3).
        views: The views, in order.
        cache: Where to look first and to keep what was computed; nowhere when None.
        device: "cpu" (ONNX Runtime), "cuda" (torch), or "auto".
        progress: Told how many views were computed.
    Returns:
        Shape (n, n_views, dim), float16: rounded once, so that a cached feature equals a fresh one.
    """
    device, dim = chosen_device(device), sum(layer.dim for layer in backbone.layers)
    keys = [_key(backbone, device, view, image) for image in _digests(pixels) for view in views]

    def compute(missing: Rows) -> Iterator[tuple[Rows, npt.NDArray[np.float32]]]:
        embed = embedder(backbone, device)
        for start in range(0, len(missing), BATCH_SIZE):
            rows = missing[start : start + BATCH_SIZE]
            seen = [views[at](pixels[row]) for row, at in zip(*np.divmod(rows, len(views)), strict=True)]
            yield rows, embed(np.stack(seen))

    kept = kept_features(keys, dim, compute, cache, f"computing features ({backbone.name})", progress)
    return kept.reshape(len(pixels), len(views), dim)


def embedder(backbone: Backbone, device: str = "auto") -> Embed:
    """The backbone as a function of raw pixels: ONNX Runtime on a CPU, torch on a GPU."""
    if chosen_device(device) == "cuda":
        return _torch_embedder(backbone, "cuda")
    session = open_session(backbone.graph_bytes, where=backbone.name)
    return lambda batch: np.asarray(session.run(["features"], {"pixels": batch})[0])


def _torch_embedder(backbone: Backbone, device: str) -> Embed:
    import torch

    network = backbone.module().to(device).eval()
    mean = torch.tensor(backbone.spec.mean, device=device).reshape(1, -1, 1, 1)
    std = torch.tensor(backbone.spec.std, device=device).reshape(1, -1, 1, 1)

    def embed(batch: Pixels) -> npt.NDArray[np.float32]:
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):  # as exact as the graph that ships
            images = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float()
            return np.asarray(network((images - mean) / std).float().cpu().numpy())

    return embed


def chosen_device(device: str) -> str:
    """Turn "auto" into "cuda" or "cpu"; torch is asked, and imported, only where a GPU's driver is loaded."""
    if device == "auto":
        return "cuda" if _has_gpu() else "cpu"
    return device


def _has_gpu() -> bool:
    if not Path("/dev/nvidiactl").exists():
        return False
    import torch

    return torch.cuda.is_available()


def _digests(pixels: Pixels) -> Iterator[bytes]:
    return (hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=20).digest() for image in pixels)


def _key(backbone: Backbone, device: str, view: View, digest: bytes) -> str:
    about = f"{backbone.fingerprint}|{device}|{view!r}".encode()
    return hashlib.blake2b(digest + about, digest_size=20).hexdigest()
