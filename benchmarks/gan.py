"""Does a GAN learn more from 100 images a class when what the critic sees is altered, and what are its images worth?

    HANDFUL_DATA=DIR python benchmarks/gan.py [--steps 3000] [--seed 0] [--rest] [--sheets DIR] [--json]

The same network learns twice from fashion_mnist's training part, with differentiable augmentation and without. As many
samples as there are real ones are compared with test images in the features of the embedded backbone; a probe on them
is fitted on samples alone, on the real images, and on both together, and all are tested on real ones. `--rest` judges
by the unlabelled images instead, for whoever is still choosing something; there is no classifier then.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import Figures, Table, arguments, data_folder, figure, report, say
from PIL import Image

from handful.augment.views import ORIGINAL
from handful.data.pixels import Pixels, squash
from handful.evaluate.generated import frechet_distance, kernel_distance, nearer_to_training, precision_recall
from handful.evaluate.intervals import wilson
from handful.nn.backbones import backbone_named
from handful.nn.features import frozen_features
from handful.transfer.linear_probe import LinearProbe
from handful.unsupervised.gan import ALTERED, GAN

JUDGE = "efficientnet-lite0@128"
PER_CLASS = 100
SHOWN = 10  # samples of a class on a sheet


def features_of(images: Pixels) -> np.ndarray:
    """Of the last layer, shape (n, dim)."""
    backbone = backbone_named(JUDGE)
    pictures = np.stack([squash(np.repeat(image[..., None], 3, axis=2), backbone.spec.size) for image in images])
    features = frozen_features(backbone, pictures, [ORIGINAL])[:, 0]
    return np.hstack([features[:, column] for column in backbone.columns(backbone.last)]).astype(np.float64)


def read(files: list[Path]) -> tuple[Pixels, np.ndarray]:
    """Grey images of 28 x 28, and the folders that they lie in."""
    return np.stack([np.asarray(Image.open(file).convert("L")) for file in files]), np.array(
        [f.parent.name for f in files]
    )


def some(files: list[Path], n: int) -> list[Path]:
    """n of them at random."""
    return [files[at] for at in np.random.default_rng(0).permutation(len(files))[:n]]


def learned(
    images: Pixels, labels: np.ndarray, augment: str, args: argparse.Namespace
) -> tuple[GAN, Pixels, np.ndarray]:
    """A GAN, and `PER_CLASS` samples of every class with their labels."""
    start = time.perf_counter()
    gan = GAN(args.steps, augment=augment, device=args.device, random_state=args.seed).fit(images, labels)
    say(f"{augment}: {gan.n_steps_} steps in {time.perf_counter() - start:.0f} s")
    asked = np.repeat(gan.classes_, PER_CLASS)
    return gan, gan.sample(len(asked), asked), asked


def row_of(name: str, real: np.ndarray, training: np.ndarray, made: np.ndarray) -> dict[str, Any]:
    """The distances of samples to as many real images."""
    n = min(len(real), len(made))
    kernel, covered = kernel_distance(real[:n], made[:n]), precision_recall(real[:n], made[:n])
    copied = nearer_to_training(made, training, real, np.random.default_rng(0))
    return {
        "trained": name,
        "n": n,
        "kernel": kernel.value,
        "low": kernel.low,
        "high": kernel.high,
        "frechet": frechet_distance(real[:n], made[:n]).value,
        "precision": covered.precision.value,
        "recall": covered.recall.value,
        "nearer_to_training": copied.value,
        "nearer_low": copied.low,
        "nearer_high": copied.high,
    }


def accuracy(features: np.ndarray, labels: np.ndarray, tested: np.ndarray, truth: np.ndarray, asked: str | None) -> Any:
    """Of a probe on these features, on the test images."""
    right = LinearProbe().fit(features, labels).predict(tested) == truth
    found = wilson(float(right.sum()), len(right))
    return figure(found.value, asked, "share", low=round(found.low, 4), high=round(found.high, 4), n=found.n)


def main() -> None:
    parser = arguments("What a GAN learns from 100 images a class")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rest", action="store_true", help="judge by the unlabelled images, not by the test set")
    parser.add_argument("--sheets", type=Path, help="a folder for sheets of samples")
    args = parser.parse_args()
    folder = data_folder(args, ["fashion_mnist"]) / "fashion_mnist"
    images, labels = read(sorted((folder / "train").glob("*/*")))
    judges = sorted((folder / "unlabelled").iterdir()) if args.rest else sorted((folder / "test").glob("*/*"))
    judging, truth = read(some(judges, 2000))
    real, training = features_of(judging), features_of(images)

    rows: Table = [{**row_of("on nothing: the real images", real, training, training[: len(real)])}]
    figures: Figures = {}
    for name, augment in (("altered", ALTERED), ("as they are", "none")):
        gan, samples, asked = learned(images, labels, augment, args)
        made = features_of(samples)
        shuffled = np.random.default_rng(1).permutation(len(made))
        rows.append(row_of(name, real, training, made[shuffled]))
        if not args.rest:
            least = "> 0.2" if augment != "none" else None  # chance is 0.1
            figures[f"accuracy_from_samples_{name.replace(' ', '_')}"] = accuracy(made, asked, real, truth, least)
            both = np.concatenate([training, made]), np.concatenate([labels, asked])
            figures[f"accuracy_from_both_{name.replace(' ', '_')}"] = accuracy(*both, real, truth, None)
        if args.sheets:
            args.sheets.mkdir(parents=True, exist_ok=True)
            tiles = samples.reshape(len(gan.classes_), PER_CLASS, *samples.shape[1:])[:, :SHOWN]
            Image.fromarray(np.block([list(row) for row in tiles])).save(args.sheets / f"{name.replace(' ', '-')}.png")
    if not args.rest:
        figures["accuracy_from_real_images"] = accuracy(training, labels, real, truth, None)
    kernel = {row["trained"]: row["kernel"] for row in rows}
    lowered = 1 - kernel["altered"] / kernel["as they are"]
    figures = {"kernel_distance_lowered_by": figure(lowered, ">= 0.3333", "share"), **figures}
    report(args, figures, {"distances": rows})


if __name__ == "__main__":
    main()
