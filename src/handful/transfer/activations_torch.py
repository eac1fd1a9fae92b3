"""Activations at the frozen boundary: computed once for every view, so that an epoch costs only what is trained.

Shallow fine-tuning leaves the stem and the first blocks as they are. What they give for an image and a fixed view never
changes, so it is computed once and kept as float16; an epoch then runs the last blocks alone, forwards and backwards.

Rounding to float16 moves an activation by at most 0.05 % of itself, and the features after it by less than 2e-2 in
their range of 0 to 6; the loss of a fine-tuning moved by 0.005 %. Unrounded, the two parts are the network to 1e-4.

Source: the idea is caching "bottleneck" values, as in TensorFlow's retraining example (Donahue et al. 2014,
arXiv:1310.1531). Differs: at any block, for several views, with the layers that are pooled below the boundary.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from handful.core.errors import JobError, ModelError, UsageError
from handful.core.files import cache_folder, disk_error
from handful.core.progress import SILENT, Progress
from handful.nn.backbone import Backbone
from handful.nn.efficientnet_lite_torch import Boundary, EfficientNetLite0, boundary
from handful.nn.features import BATCH_SIZE, Pixels, View, chosen_device
from handful.nn.graph import floats, pixels_input
from handful.nn.onnx_runtime import open_session
from handful.transfer.technique import Problem

Halves = npt.NDArray[np.float16]
Compute = Callable[[Pixels], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]

MEMORY_LIMIT = 2**30  # bytes; what is larger lies on disk
SMALLEST_SIZE = 32  # pixels: one position after the last block
MEGABYTE = 1e6


@dataclass(frozen=True)
class Activations:
    """What the trainable part sees, of every view of every image.

    Args:
        flow: At the boundary, shape (n, n_views, channels, height, width); in memory or in a file.
        below: The layers pooled before it, shape (n, n_views, dim below), dim below may be 0.
    """

    flow: Halves
    below: Halves

    @property
    def n_bytes(self) -> int:
        return self.flow.nbytes + self.below.nbytes

    @property
    def on_disk(self) -> bool:
        return isinstance(self.flow, np.memmap)

    def batch(
        self, rows: npt.NDArray[np.int64], views: npt.NDArray[np.int64], device: str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """One view of each of some images, as the arguments of `Upper`.

        Args:
            rows: Which images, shape (m,).
            views: Which view of each, shape (m,).
            device: Where the tensors shall lie.
        Returns:
            Shapes (m, channels, height, width), in channels-last memory, which trains faster, and (m, dim below);
            float32.
        """
        flow, below = (torch.from_numpy(part[rows, views]).to(device) for part in (self.flow, self.below))
        return flow.to(torch.float32, memory_format=torch.channels_last), below.float()


def cached_activations(
    backbone: Backbone,
    pixels: Pixels,
    views: Sequence[View],
    n_frozen: int,
    *,
    device: str = "auto",
    memory_limit: int = MEMORY_LIMIT,
    folder: Path | None = None,
    progress: Progress = SILENT,
) -> Activations:
    """Run the frozen part once over every view of every image.

    On a CPU it is the backbone's graph, cut at the boundary, in ONNX Runtime: about four times as fast as torch in
    channels-last.

    Args:
        backbone: Its network is an EfficientNet-Lite0.
        pixels: Decoded images, shape (n, size, size, 3); the size need not be the backbone's own.
        views: The views, in order.
        n_frozen: How many blocks are frozen, with the stem.
        device: "cpu", "cuda" (torch), or "auto".
        memory_limit: Bytes; what is larger is kept in a file that vanishes with its last user.
        folder: Where that file lies; the user's cache folder when None.
        progress: Told how many megabytes are kept where, and how many views were computed.
    Raises:
        UsageError: when the network cannot be split there, or images are too small.
        JobError: when neither memory limit nor disk has the room; the message says how much is needed.
        ModelError: when an activation does not fit into float16.
    """
    device, size = chosen_device(device), pixels.shape[1]
    network, edge = _splittable(backbone, n_frozen, size)
    shapes = [(len(pixels), len(views), *edge.shape), (len(pixels), len(views), sum(edge.below.values()))]
    kept = Activations(*_room(shapes, memory_limit, folder or cache_folder() / "activations", progress))
    compute = _by_torch(backbone, network, n_frozen, device) if device != "cpu" else _by_graph(backbone, edge, size)
    every = [(row, at) for row in range(len(pixels)) for at in range(len(views))]
    with progress.track(f"computing activations ({backbone.name})", len(every)) as done:
        for start in range(0, len(every), BATCH_SIZE):
            batch = every[start : start + BATCH_SIZE]
            computed = compute(np.stack([views[at](pixels[row]) for row, at in batch]))
            for part, values in zip((kept.flow, kept.below), computed, strict=True):
                places = np.array(batch)
                part[places[:, 0], places[:, 1]] = _halves(values, backbone.name)
            done(len(batch))
    return kept


def in_reach(problem: Problem, *kept: Activations | None) -> Problem:
    """The problem, for this process alone where activations lie in a file, which has no name for others to open."""
    return replace(problem, jobs=1) if any(each is not None and each.on_disk for each in kept) else problem


@dataclass(frozen=True)
class Speed:
    """Images per second of one training step, forwards and backwards, in one run.

    Args:
        cached: From cached activations.
        whole: The same step through the whole network, whose frozen part is run without gradients.
    """

    cached: float
    whole: float

    @property
    def ratio(self) -> float:
        return self.cached / self.whole


def measured_speed(
    backbone: Backbone, n_frozen: int, size: int, batch_size: int = BATCH_SIZE, n_steps: int = 5, device: str = "cpu"
) -> Speed:
    """How much faster a step of shallow fine-tuning is from cached activations than through the whole network.

    The two take turns, so that other work on the machine slows both; medians are compared. Both have their weights and
    images in channels-last memory, and images are ready-made noise: the views that the whole network would have to be
    given anew at every step are not counted.

    There is a limit: a step through the whole network is three passes of the trained part and one of the frozen part.
    Measured on two cores at 160 and 224 px, batch 16: ten times with one stage trained (15 blocks frozen), three to
    four with two (11), two with three (8).

    Args:
        backbone: Its network is an EfficientNet-Lite0.
        n_frozen: How many blocks are frozen, with the stem.
        size: Side of the images in pixels.
        batch_size: Images per step.
        n_steps: Of each, after one that does not count.
        device: "cpu" or "cuda".
    """
    network, edge = _splittable(backbone, n_frozen, size)
    lower, upper = _channels_last(network, device).split(n_frozen)
    noise = torch.randn(batch_size, 3, size, size, generator=torch.Generator().manual_seed(0))
    images = noise.to(device, memory_format=torch.channels_last)
    shapes = [(batch_size, 1, *edge.shape), (batch_size, 1, sum(edge.below.values()))]
    kept = Activations(*(np.zeros(shape, np.float16) for shape in shapes))
    with torch.no_grad():
        for part, values in zip((kept.flow, kept.below), lower(images), strict=True):
            part[:, 0] = values.cpu().numpy()
    rows, first = np.arange(batch_size), np.zeros(batch_size, dtype=np.int64)

    def from_cache() -> None:
        _step(upper, *kept.batch(rows, first, device))

    def through_all() -> None:
        with torch.no_grad():
            flow, below = lower(images)
        _step(upper, flow, below)

    seconds = [(_seconds(from_cache, device), _seconds(through_all, device)) for _ in range(n_steps + 1)][1:]
    cached, whole = np.median(seconds, axis=0)
    return Speed(batch_size / cached, batch_size / whole)


def _step(upper: nn.Module, flow: Tensor, below: Tensor) -> None:
    upper.zero_grad()
    upper(flow, below).square().mean().backward()


def _seconds(work: Callable[[], None], device: str) -> float:
    start = time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


# Where the boundary is


def _splittable(backbone: Backbone, n_frozen: int, size: int) -> tuple[EfficientNetLite0, Boundary]:
    network = backbone.module()
    if not isinstance(network, EfficientNetLite0):
        remedy = "use efficientnet-lite0, or fine-tune the whole network"
        raise UsageError("activations can be cached only inside an EfficientNet-Lite0", backbone.name, remedy)
    if size < SMALLEST_SIZE:
        what = f"images of {size} pixels are too small to fine-tune on"
        raise UsageError(what, backbone.name, f"choose a size of at least {SMALLEST_SIZE}")
    network.split(n_frozen)  # refuses what is no boundary
    return network, boundary(n_frozen, size)


# Where they are kept


def _room(shapes: list[tuple[int, ...]], memory_limit: int, folder: Path, progress: Progress) -> list[Halves]:
    """Arrays of these shapes: in memory up to the limit, else in one file."""
    needed = 2 * sum(prod(shape) for shape in shapes)
    if needed <= memory_limit:
        progress.note(f"activations take {needed / MEGABYTE:.0f} MB of memory")
        return [np.empty(shape, np.float16) for shape in shapes]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise JobError(
                f"activations need {needed / MEGABYTE:.0f} MB, more than the {memory_limit / MEGABYTE:.0f} MB of "
                f"memory allowed and the {free / MEGABYTE:.0f} MB free on disk",
                str(folder),
                "freeze more blocks, use fewer views or smaller images, or free some space",
            )
        arrays = _in_a_file(shapes, needed, folder)
    except OSError as failure:
        raise disk_error(failure, folder) from failure
    progress.note(f"activations take {needed / MEGABYTE:.0f} MB in {folder}")
    return arrays


def _in_a_file(shapes: list[tuple[int, ...]], needed: int, folder: Path) -> list[Halves]:
    """Arrays in a file without a name, which is gone when the last array is, even after a kill."""
    arrays: list[Halves] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):  # a full disk is an error now, not a crash at some later write
            os.posix_fallocate(file.fileno(), 0, needed)
        offset = 0
        for shape in shapes:
            if prod(shape):
                arrays.append(np.memmap(file, np.float16, "r+" if arrays else "w+", offset, shape))
            else:
                arrays.append(np.empty(shape, np.float16))
            offset += 2 * prod(shape)
    return arrays


def _halves(values: npt.NDArray[np.float32], where: str) -> Halves:
    if not np.abs(values).max(initial=0) < np.finfo(np.float16).max:
        raise ModelError(
            "an activation is not finite or too large for float16", where, "freeze another number of blocks"
        )
    return values.astype(np.float16)


# How they are computed


def _by_graph(backbone: Backbone, edge: Boundary, size: int) -> Compute:
    session = open_session(_cut(backbone.graph_bytes, edge, size), where=backbone.name)

    def compute(batch: Pixels) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        flow, *below = session.run(list(edge.nodes), {"pixels": batch})
        flat = [part.reshape(len(batch), -1) for part in below]
        return flow, np.concatenate(flat, axis=1) if flat else np.empty((len(batch), 0), np.float32)

    return compute


def _cut(graph: bytes, edge: Boundary, size: int) -> bytes:
    """The graph up to the boundary, for images of `size` pixels; nothing but its input knows of a size."""
    model = onnx.load_model_from_string(graph)
    maker = {output: node for node in model.graph.node for output in node.output}
    needed, waiting = set(), list(edge.nodes)
    while waiting:
        name = waiting.pop()
        if name in maker and name not in needed:
            waiting += maker[name].input
        needed.add(name)
    nodes = [node for node in model.graph.node if node.output[0] in needed]
    weights = [weight for weight in model.graph.initializer if weight.name in needed]
    shapes = [("n", *edge.shape), *(("n", dim, 1, 1) for dim in edge.below.values())]
    outputs = [floats(name, *shape) for name, shape in zip(edge.nodes, shapes, strict=True)]
    cut = onnx.helper.make_graph(nodes, "handful", [pixels_input("pixels", size, size)], outputs, initializer=weights)
    made = onnx.helper.make_model(cut, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(made.SerializeToString())


def _by_torch(backbone: Backbone, network: EfficientNetLite0, n_frozen: int, device: str) -> Compute:
    lower, _ = _channels_last(network, device).eval().split(n_frozen)
    mean = torch.tensor(backbone.spec.mean, device=device).reshape(1, -1, 1, 1)
    std = torch.tensor(backbone.spec.std, device=device).reshape(1, -1, 1, 1)

    def compute(batch: Pixels) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            images = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float()  # channels last as it is
            flow, below = lower((images - mean) / std)
            return flow.cpu().numpy(), below.cpu().numpy()

    return compute


def _channels_last(network: EfficientNetLite0, device: str) -> EfficientNetLite0:
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
