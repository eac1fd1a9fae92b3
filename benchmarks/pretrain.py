"""What is a backbone worth that learned without labels, from nothing?

    HANDFUL_DATA=DIR python benchmarks/pretrain.py [--budget 15m] [--method simclr] [--keep FOLDER] [--json]

`handful pretrain` learns from the 5,000 unlabelled images of cifar10, at 32 pixels, from random weights. Then the exact
probe (ridge, its penalty by leave-one-out) learns from 10 labels per class on its features; on those of the same
network before it learned, whose BatchNorm has seen as many images as one epoch; and on raw pixels. Means over three
draws of the labels, on the test set.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import Figures, Table, arguments, data_folder, figure, k_shot, report, say

from handful.data.dataset import Dataset
from handful.data.images import decode_all
from handful.nn.backbone import ImageBackbone
from handful.nn.backbones import backbone_named
from handful.nn.features import embedder
from handful.nn.small_network import SmallNetworkBackbone
from handful.tasks.pretraining.images import pool_files
from handful.tasks.pretraining.pretrain import pretrain
from handful.tasks.pretraining.settings import Settings
from handful.transfer.linear_probe import LinearProbe
from handful.transfer.probe import prepare
from handful.unsupervised.image_pool import ImagePool, image_pool
from handful.unsupervised.pretraining_torch import pretraining, weights_of

SET, PER_CLASS, SEEDS = "cifar10", 10, (0, 1, 2)
SIZE, POWER = 32, 0.5
BATCH = 256


def untrained(pool: ImagePool, seed: int) -> ImageBackbone:
    """The network that a pre-training starts from, after one look at the pool: its weights are random still."""
    job = pretraining("simclr", "small", pool, seed, "cpu")
    network, spec = job.module.encoder.train(), job.backbone.spec
    mean, std = (torch.tensor(each).reshape(1, -1, 1, 1) for each in (spec.mean, spec.std))
    with torch.no_grad():
        for start in range(0, len(pool), BATCH):
            pixels = torch.from_numpy(pool.pixels(np.arange(start, min(start + BATCH, len(pool)))))
            network((pixels.permute(0, 3, 1, 2).float() - mean) / std)
    return SmallNetworkBackbone(spec.size, spec.mean, spec.std, weights_of(job.module))


def features(backbone: ImageBackbone, pixels: np.ndarray) -> np.ndarray:
    """All pooled layers as the probe takes them."""
    embed, columns = embedder(backbone, "cpu"), backbone.columns(tuple(layer.name for layer in backbone.layers))
    found = [embed(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    return prepare(np.concatenate(found), columns, POWER)


def probed(root: Path, ways: dict[str, ImageBackbone | None]) -> Table:
    """Accuracy of the probe on the test set, a row for each draw of the labels."""
    rows: Table = []
    for seed in SEEDS:
        draw = k_shot(root / SET, PER_CLASS, seed)
        parts = [[list(column) for column in zip(*part, strict=True)] for part in (draw.train, draw.test)]
        pixels = [decode_all(Dataset(files), SIZE).pixels for files, _ in parts]
        (_, targets), (_, truth) = parts
        row = {"seed": seed, "n_test": len(truth)}
        for name, backbone in ways.items():
            seen = [
                part.reshape(len(part), -1) / 255 if backbone is None else features(backbone, part) for part in pixels
            ]
            row[name] = 100 * LinearProbe().fit(seen[0], targets).score(seen[1], truth)
        rows.append(row)
        say(", ".join(f"{name} {value:.1f}" for name, value in row.items()))
    return rows


def figures_of(rows: Table, account: dict[str, object]) -> Figures:
    mean = {name: float(np.mean([row[name] for row in rows])) for name in ("pretrained", "untrained", "raw_pixels")}
    about = {name: account[name] for name in ("budget", "steps", "epochs", "cpu_minutes")}
    return {
        "gain_over_untrained": figure(mean["pretrained"] - mean["untrained"], ">= 8", "points", **about),
        "gain_over_raw_pixels": figure(mean["pretrained"] - mean["raw_pixels"], ">= 8", "points"),
        **{name: figure(value, None, "%") for name, value in mean.items()},
        "images_a_second": figure(account["epochs"] * account["n"] / account["seconds"], None, "1/s"),
    }


def main() -> None:
    parser: argparse.ArgumentParser = arguments("Pre-training from scratch on unlabelled images")
    parser.add_argument("--budget", default="15m", help="of the pre-training, such as 15m or 400steps")
    parser.add_argument("--method", default="simclr", help="simclr, vicreg, autoencoder or masked")
    parser.add_argument("--seed", type=int, default=0, help="of the pre-training")
    parser.add_argument("--keep", type=Path, help="a folder to keep the backbone in")
    args = parser.parse_args()
    root = data_folder(args, [SET])
    unlabelled = root / SET / "unlabelled"
    with tempfile.TemporaryDirectory() as temporary:
        out = args.keep or Path(temporary) / "backbone"
        settings = Settings(args.method, size=SIZE, budget=args.budget, seed=args.seed)
        say(f"pre-training by {args.method}, {args.budget}, {torch.get_num_threads()} threads")
        before = time.process_time()
        account = {**pretrain(unlabelled, settings, out), "budget": args.budget}
        account["cpu_minutes"] = round((time.process_time() - before) / 60, 1)  # beside other work it is what counts
        pool = image_pool(pool_files(unlabelled)[0], SIZE, str(unlabelled))
        ways = {"pretrained": backbone_named(str(out)), "untrained": untrained(pool, args.seed), "raw_pixels": None}
        rows = probed(root, ways)
    report(args, figures_of(rows, account), {"accuracy": rows}, ("torch",))


if __name__ == "__main__":
    main()
