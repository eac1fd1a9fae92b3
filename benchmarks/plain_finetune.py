"""The peer that a careful engineer writes by hand: EfficientNet-Lite0 at 160 px, head first, then everything.

    python benchmarks/plain_finetune.py TRAIN_DIR TEST_DIR [--seed 0] [--json]

Both hold a folder per class. 60 steps of a new linear head on the frozen network; then, for 60 to 300 steps of 16, all
weights with AdamW and one cycle, BatchNorm with the statistics of the pre-training, random resized crops, mirror images
and label smoothing. Plain torch; of handful only the network, which has the published weights.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from plain_probe import folder
from torch import Tensor, nn
from torch.nn import functional

from handful.nn.backbones import backbone_named

SIZE, BATCH_SIZE = 160, 16
HEAD_STEPS, LEAST_STEPS, MOST_STEPS, EPOCHS = 60, 60, 300, 30
HEAD_RATE, RATE, WEIGHT_DECAY, SMOOTHING = 1e-2, 3e-4, 0.01, 0.1  # at 1e-3 the network is lost
SMALLEST_CROP, ASPECT = 0.5, 4 / 3  # share of the area; longer to shorter side, at most


class Classifier(nn.Module):
    """Normalised images (n, 3, size, size) to logits."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        backbone = backbone_named("efficientnet-lite0")
        self.body = backbone.module().to(memory_format=torch.channels_last)
        self.last = backbone.columns(backbone.last)[0]
        self.head = nn.Linear(self.last.stop - self.last.start, n_classes)

    def features(self, images: Tensor) -> Tensor:
        return self.body(images)[:, self.last]

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def decode(files: list[Path]) -> Tensor:
    """Shape (n, 3, size, size), uint8."""
    photos = [Image.open(file).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR) for file in files]
    return torch.from_numpy(np.stack([np.asarray(photo) for photo in photos])).permute(0, 3, 1, 2)


def normalised(pixels: Tensor) -> Tensor:
    """In channels-last memory, which is faster."""
    return (pixels.float().to(memory_format=torch.channels_last) - 127) / 128


def augmented(images: Tensor, rng: np.random.Generator) -> Tensor:
    """A random part of each, at full size; half of them mirrored."""
    n, area = len(images), rng.uniform(SMALLEST_CROP, 1, len(images))
    aspect = np.exp(rng.uniform(-np.log(ASPECT), np.log(ASPECT), n))
    width, height = (np.minimum(np.sqrt(side), 1) for side in (area * aspect, area / aspect))
    crop = np.zeros((n, 2, 3), np.float32)
    crop[:, 0, 0], crop[:, 1, 1] = width * rng.choice([-1, 1], n), height
    crop[:, 0, 2], crop[:, 1, 2] = rng.uniform(-1, 1, n) * (1 - width), rng.uniform(-1, 1, n) * (1 - height)
    grid = functional.affine_grid(torch.from_numpy(crop), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def batches(n: int, n_steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of each step; every epoch in an order of its own."""
    order = np.concatenate([rng.permutation(n) for _ in range(-(-n_steps * BATCH_SIZE // n))])
    yield from order[: n_steps * BATCH_SIZE].reshape(n_steps, BATCH_SIZE)


def train(pixels: Tensor, targets: np.ndarray, n_classes: int, seed: int) -> Classifier:
    torch.manual_seed(seed)
    rng, truth = np.random.default_rng(seed), torch.from_numpy(targets)
    model = Classifier(n_classes).eval()  # for good: BatchNorm keeps its statistics
    with torch.no_grad():
        frozen = torch.cat([model.features(normalised(part)) for part in pixels.split(64)])
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=HEAD_RATE, weight_decay=WEIGHT_DECAY)
    for rows in batches(len(pixels), HEAD_STEPS, rng):
        descend(optimizer, model.head(frozen[rows]), truth[rows])

    n_steps = int(np.clip(EPOCHS * len(pixels) / BATCH_SIZE, LEAST_STEPS, MOST_STEPS))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=n_steps)
    for rows in batches(len(pixels), n_steps, rng):
        descend(optimizer, model(augmented(normalised(pixels[rows]), rng)), truth[rows])
        cycle.step()
    return model


def descend(optimizer: torch.optim.Optimizer, logits: Tensor, targets: Tensor) -> None:
    optimizer.zero_grad()
    functional.cross_entropy(logits, targets, label_smoothing=SMOOTHING).backward()
    optimizer.step()


@torch.inference_mode()
def predict(model: Classifier, files: list[Path]) -> np.ndarray:
    parts = [model(normalised(decode(files[at : at + 64]))).argmax(dim=1) for at in range(0, len(files), 64)]
    return torch.cat(parts).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    start = time.perf_counter()
    (files, names), (tested, truth) = folder(args.train), folder(args.test)
    classes, targets = np.unique(names, return_inverse=True)
    model = train(decode(files), targets, len(classes), args.seed)
    found = {"n": len(truth), "accuracy": float((classes[predict(model, tested)] == truth).mean())}
    found["seconds"] = time.perf_counter() - start
    print(json.dumps(found) if args.json else "  ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
