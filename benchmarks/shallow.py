"""How fast is fine-tuning, and does it cost accuracy to be fast?

    HANDFUL_DATA=DIR python benchmarks/shallow.py [--blocks 5,8,11] [--sizes 160,224] [--threads 1] [--json]

Shallow: images per second of training the last blocks from cached activations against the same training through the
whole network, whose frozen part is then run again at every step, without gradients. The two take turns, step by step;
views lie ready for both. Then both are trained once, on the same examples, views and order, and their losses compared.
Shown apart: the ratio where the whole network has to make the view of every image too, as without a cache it does; that
to fine-tuning all of it, gradients included; and how many epochs of the whole network it takes to fill the cache.

Whole, on a GPU: full fine-tuning, with views drawn anew at every step, against a bare torch loop on ready-made tensors,
both in bfloat16. Without a GPU it is left out, and said so.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Figures, Table, arguments, data_folder, figure, k_shot, report, say

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.data.dataset import Dataset
from handful.data.images import decode_all
from handful.nn.efficientnet_lite_torch import Lower
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.features import frozen_features
from handful.nn.linear import Linear
from handful.training.checkpoint import History
from handful.transfer.activations_torch import Activations, cached_activations, measured_speed
from handful.transfer.fine_tuning import N_BLOCKS, FineTuning
from handful.transfer.fine_tuning_torch import ProbeHead, starting_scale, tune_cached, tune_whole
from handful.transfer.probe import Probe, ProbeRows

SET, PER_CLASS = "sign_digits", 6
POLICY = Policy.parse("light")
N_VIEWS = 4  # an epoch costs the same whatever their number
BATCH_SIZE = 16
TIMED = 10  # steps of each way
ON_GPU = (224, 64)  # pixels, images in a step
MEASURED, WARM = 60, 15  # steps on a GPU: those that count, and those before


@dataclass(frozen=True)
class Anew(Activations):
    """In place of cached activations: the frozen part is run at every step, on views that lie ready.

    Args:
        lower: The frozen part.
        views: Of every image, shape (n, n_views, size, size, 3).
    """

    lower: Lower
    views: np.ndarray

    def batch(self, rows: np.ndarray, views: np.ndarray, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
        pixels = torch.from_numpy(self.views[rows, views]).to(device).permute(0, 3, 1, 2)
        with torch.no_grad():
            flow, below = self.lower((pixels.float() - 127) / 128)
        return flow, below


def start_of(
    settings: FineTuning, backbone: EfficientNetLite0Backbone, pixels: np.ndarray, targets: np.ndarray
) -> ProbeHead:
    """The exact probe, as fine-tuning starts from it."""
    probe, n_classes = settings.start, int(targets.max()) + 1
    features = frozen_features(backbone, pixels, views_of(POLICY)[: max(probe.views) + 1])
    rows = ProbeRows(probe, features, backbone, targets, n_classes, np.arange(len(targets)))
    linear: Linear = rows.fit(rows.best_penalty())
    scale = starting_scale(linear(rows.rows), rows.row_targets, settings.label_smoothing)
    return ProbeHead(backbone.columns(probe.layers), probe.power, linear, scale)


def settings_of(backbone: EfficientNetLite0Backbone, n_blocks: Any, n_steps: int, batch_size: int) -> FineTuning:
    probe = Probe(tuple(layer.name for layer in backbone.layers), views=(0, 1))
    return FineTuning(probe, n_blocks, n_views=N_VIEWS, least_steps=n_steps, most_steps=n_steps, batch_size=batch_size)


def shallow(n_blocks: int, size: int, files: list[Path], targets: np.ndarray, n_steps: int) -> dict[str, Any]:
    """One row: speeds in images per second, and the loss that either way reaches."""
    backbone, pixels = EfficientNetLite0Backbone(size), decode_all(Dataset(files), size).pixels
    settings = settings_of(backbone, n_blocks, n_steps, BATCH_SIZE)
    speed = measured_speed(backbone, N_BLOCKS - n_blocks, size, BATCH_SIZE, TIMED)
    head, drawn = start_of(settings, backbone, pixels, targets), views_of(POLICY, N_VIEWS)
    start = time.perf_counter()
    views = np.stack([np.stack([view(image) for view in drawn]) for image in pixels])
    seconds_a_view = (time.perf_counter() - start) / views[:, :, 0, 0, 0].size
    start = time.perf_counter()
    cached = cached_activations(backbone, pixels, drawn, N_BLOCKS - n_blocks)
    seconds_to_fill = time.perf_counter() - start
    lower, _ = backbone.module().to(memory_format=torch.channels_last).split(N_BLOCKS - n_blocks)
    anew = Anew(np.empty((len(pixels), N_VIEWS, 0)), np.empty((len(pixels), N_VIEWS, 0)), lower, views)
    losses = [
        last_loss(tune_cached(settings, backbone, deepcopy(head), each, targets, 0)[1]) for each in (cached, anew)
    ]
    with_views = 1 / (1 / speed.whole + seconds_a_view)
    full = speed_of_all(backbone, views[:BATCH_SIZE, 0], targets[:BATCH_SIZE], TIMED)
    return {
        "blocks": n_blocks,
        "size": size,
        "cached": speed.cached,
        "whole": speed.whole,
        "ratio": speed.ratio,
        "ratio_with_views": speed.cached / with_views,
        "ratio_to_full": speed.cached / full,
        "epochs_to_fill": seconds_to_fill * with_views / len(pixels),
        "loss_cached": losses[0],
        "loss_whole": losses[1],
    }


def speed_of_all(backbone: EfficientNetLite0Backbone, pixels: np.ndarray, targets: np.ndarray, n_steps: int) -> float:
    """Images per second of a step in which the whole network is trained."""
    more, few = (timed(partial(bare, backbone, pixels, targets, "cpu"), n, "cpu") for n in (n_steps + 2, 2))
    return n_steps * len(pixels) / (more - few)


def last_loss(history: History) -> float:
    """The mean of the last ten steps."""
    return float(np.mean([row["loss"] for row in history[-10:]]))


def whole(device: str, size: int, batch_size: int, measured: int, warm: int) -> Figures:
    """Full fine-tuning on random pictures, which cost what others cost, against a bare loop."""
    rng, backbone, n = np.random.default_rng(0), EfficientNetLite0Backbone(size), 4 * batch_size
    pixels = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    targets = rng.integers(10, size=n)
    width = sum(layer.dim for layer in backbone.layers)
    head = ProbeHead(
        backbone.columns([layer.name for layer in backbone.layers]), 0.5, Linear(np.zeros((width, 10)), np.zeros(10))
    )

    def ours(n_steps: int) -> None:
        settings = settings_of(backbone, "all", n_steps, batch_size)
        tune_whole(settings, backbone, deepcopy(head), pixels, POLICY, targets, 0, device)

    contestants = {"ours": ours, "bare": lambda n_steps: bare(backbone, pixels[:batch_size], targets, device, n_steps)}
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(3):
        for name, train in contestants.items():
            found[name].append(
                measured * batch_size / (timed(train, warm + measured, device) - timed(train, warm, device))
            )
    speeds = {name: round(float(np.median(each)), 1) for name, each in found.items()}
    return {"whole_bf16": figure(speeds["ours"] / speeds["bare"], ">= 0.9", "x", **speeds)}


def bare(
    backbone: EfficientNetLite0Backbone, pixels: np.ndarray, targets: np.ndarray, device: str, n_steps: int
) -> None:
    """What anyone writes: the network, a linear layer, AdamW, autocast; tensors lie ready on the device."""
    body = backbone.module().to(device).to(memory_format=torch.channels_last)  # in eval mode: frozen statistics
    head = torch.nn.Linear(sum(layer.dim for layer in backbone.layers), 10).to(device)
    optimizer = torch.optim.AdamW([*body.parameters(), *head.parameters()], lr=1e-3, weight_decay=0.01)
    ready = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().sub(127).div(128)
    truth = torch.from_numpy(targets[: len(pixels)]).to(device)
    for _ in range(n_steps):
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            loss = torch.nn.functional.cross_entropy(head(body(ready)), truth, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def timed(train: Callable[[int], None], n_steps: int, device: str) -> float:
    """Seconds of a training, whose start costs the same however long it is."""
    start = time.perf_counter()
    train(n_steps)
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def figures_of(rows: Table) -> Figures:
    figures = {}
    for row in rows:
        name, loss = f"{row['blocks']}_blocks_{row['size']}px", abs(row["loss_cached"] / row["loss_whole"] - 1)
        apart = {"with_views": round(row["ratio_with_views"], 2), "to_full": round(row["ratio_to_full"], 2)}
        figures[f"speed_{name}"] = figure(row["ratio"], ">= 4", "x", **apart)
        figures[f"loss_{name}"] = figure(100 * loss, "<= 1", "%")
    return figures


def main() -> None:
    parser = arguments("Speed of fine-tuning from cached activations, and on a GPU")
    parser.add_argument("--blocks", default="5,8,11", help="how many of the last blocks are trained")
    parser.add_argument("--sizes", default="160,224", help="pixels")
    parser.add_argument("--steps", type=int, default=60, help="of each training whose loss is compared")
    parser.add_argument("--threads", type=int, default=1, help="of torch; fit trains every fold on one")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = shallow_rows(args, data_folder(args, [SET]))
    figures = figures_of(rows)
    if torch.cuda.is_available():
        figures |= whole("cuda", *ON_GPU, MEASURED, WARM)
    else:
        say("skipped: there is no GPU to fine-tune the whole network on")
    report(args, figures, {"shallow": rows}, ("torch",))


def shallow_rows(args: argparse.Namespace, root: Path) -> Table:
    photos = k_shot(root / SET, PER_CLASS, 0).train
    files, targets = [file for file, _ in photos], np.array([index for _, index in photos])
    rows: Table = []
    for size, n_blocks in product(map(int, args.sizes.split(",")), map(int, args.blocks.split(","))):
        rows.append(shallow(n_blocks, size, files, targets, args.steps))
        say("{blocks} blocks, {size} px: {cached:.0f} images/s against {whole:.0f}, {ratio:.1f} x".format(**rows[-1]))
    return rows


if __name__ == "__main__":
    main()
