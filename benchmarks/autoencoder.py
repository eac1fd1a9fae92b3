"""What an autoencoder learns from 5,000 unlabelled images, against PCA of the same size, for the exact probe.

    HANDFUL_DATA=DIR python benchmarks/autoencoder.py [--others] [--sheet FILE.png] [--json]

DIR holds fashion_mnist with train/, test/ and unlabelled/. Features are learned from unlabelled/ alone, once; then the
probe is fitted on 10 labelled images a class and tested on the test part, with seeds 0, 1 and 2. PCA sees the same
images and the probe is the same: ridge regression, its penalty by exact leave-one-out. With --others also the dense and
the masked network and the other kinds, each in a quarter of the passes.

An autoencoder that held a tenth of the images out says which test images are odd at a level of 5 %: as many should be.
Photos of cifar10 in grey, which are all odd, stand beside them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from common import arguments, data_folder, figure, k_shot, report, say
from sklearn.decomposition import PCA

from handful.data.dataset import Dataset
from handful.data.images import decode_all
from handful.transfer.linear_probe import LinearProbe
from handful.unsupervised.autoencoder import Autoencoder
from handful.unsupervised.reconstruction_sheet import reconstruction_sheet

NAME, FOREIGN, SIZE, K, SEEDS = "fashion_mnist", "cifar10", 28, 10, (0, 1, 2)
N_FEATURES, FEWER_PASSES, LEVEL = 64, 10, 0.05
OTHERS = {
    "convolutional, plain": {"kind": "plain"},
    "convolutional, sparse": {"kind": "sparse"},
    "convolutional, variational": {"kind": "variational"},
    "masked": {"network": "masked", "kind": "plain"},
    "dense, denoising": {"network": "dense"},
}

Images = npt.NDArray[np.uint8]
Features = Callable[[Images], npt.NDArray[np.floating]]


def images_of(files: list[Path]) -> Images:
    """Grey, shape (n, 28, 28, 1)."""
    return decode_all(Dataset(files), SIZE, strict=True).pixels[..., :1]


def flat(images: Images) -> npt.NDArray[np.floating]:
    return images.reshape(len(images), -1) / 255


def false_and_true_alarms(coder: Autoencoder, folder: Path) -> tuple[float, float]:
    """Shares of test images, and of photos, that are called odd."""
    usual = images_of([file for file, _ in k_shot(folder, K, 0).test])
    files = sorted((folder.parent / FOREIGN / "unlabelled").iterdir())[: len(usual)]
    photos = decode_all(Dataset(files), SIZE, strict=True).pixels.mean(axis=3, keepdims=True).astype(np.uint8)
    return coder.is_anomaly(usual, LEVEL).mean(), coder.is_anomaly(photos, LEVEL).mean()


def accuracies(folder: Path, features: Features) -> list[float]:
    """In percent, for each seed."""
    found = []
    for seed in SEEDS:
        draw = k_shot(folder, K, seed)
        (train, targets), (test, truth) = (zip(*part, strict=True) for part in (draw.train, draw.test))
        probe = LinearProbe().fit(features(images_of(list(train))), np.array(targets))
        found.append(100 * probe.score(features(images_of(list(test))), np.array(truth)))
    return found


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--others", action="store_true", help="the other networks and kinds too")
    parser.add_argument("--sheet", type=Path, help="where to save a sheet of restored images")
    args = parser.parse_args()
    folder = data_folder(args, [NAME, FOREIGN], "unlabelled") / NAME
    pool = images_of(sorted((folder / "unlabelled").iterdir()))
    table = []

    def row(name: str, features: Features, seconds: float) -> float:
        each = accuracies(folder, features)
        say(f"{name}: {np.mean(each):.2f} ({seconds:.0f} s)")
        table.append({"features": name, "accuracy": float(np.mean(each)), "each": str(np.round(each, 1).tolist())})
        table[-1]["seconds"] = round(seconds, 1)
        return float(np.mean(each))

    def learned(name: str, coder: Autoencoder) -> float:
        start = time.process_time()
        coder.fit(pool)
        return row(name, coder.transform, time.process_time() - start)

    pca = PCA(N_FEATURES, random_state=0).fit(flat(pool))
    baseline = row(f"PCA, {N_FEATURES}", lambda images: pca.transform(flat(images)), 0.0)
    row("raw pixels", flat, 0.0)
    coder = Autoencoder(n_features=N_FEATURES, held_out=0.0)
    ours = learned("convolutional, denoising", coder)
    if args.sheet:
        shown = pool[:24]
        reconstruction_sheet(shown, coder.inverse_transform(coder.transform(shown))).save(args.sheet)
    calibrated = Autoencoder(n_features=N_FEATURES, n_passes=FEWER_PASSES)
    learned("convolutional, denoising, a quarter of the passes", calibrated)
    false_alarms, true_alarms = false_and_true_alarms(calibrated, folder)
    for name, settings in OTHERS.items() if args.others else ():
        learned(name, Autoencoder(n_features=N_FEATURES, held_out=0.0, n_passes=FEWER_PASSES, **settings))
    figures = {
        "autoencoder_over_pca": figure(ours - baseline, ">= 3", "points", n_features=N_FEATURES),
        "false_alarms": figure(false_alarms, "0.02 to 0.08", "share", level=LEVEL),
        "true_alarms": figure(true_alarms, None, "share", level=LEVEL),
    }
    report(args, figures, {"fashion_mnist at 10 per class": table}, ("scikit-learn", "torch"))


if __name__ == "__main__":
    main()
