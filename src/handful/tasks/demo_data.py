"""Real data that is already installed: scikit-learn's handwritten digits as an image folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from handful.core.errors import UsageError

N_LABELLED, N_UNLABELLED = 10, 1000
ABOUT = "readme-handful-demo.txt"  # readers pass it over; without it nothing here is ever removed
ENLARGED = 8  # times: 8 x 8 pixels are too small to look at


def write_digits(folder: Path) -> None:
    """Write `train/` (10 a class), `unlabelled/` (1,000) and `test/` (the rest) as PNG files; the same every time.

    Raises:
        UsageError: when the folder holds anything else than what this wrote before.
    Source: the test set of the UCI ML hand-written digits (Alpaydin and Kaynak 1998), bundled with scikit-learn.
    """
    from sklearn.datasets import load_digits

    if folder.exists() and any(folder.iterdir()) and not (folder / ABOUT).is_file():
        raise UsageError("the folder holds something else", str(folder), "choose another --out")
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    seen = np.zeros(10, dtype=int)
    labelled: list[int] = []
    rest: list[int] = []
    for row in order:
        seen[digits.target[row]] += 1
        (labelled if seen[digits.target[row]] <= N_LABELLED else rest).append(row)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / ABOUT).write_text("Written by handful demo, which will write it anew.\n")
    for row in labelled:
        _write(folder / "train" / str(digits.target[row]), row, digits.images[row])
    for row in rest[:N_UNLABELLED]:
        _write(folder / "unlabelled", row, digits.images[row])
    for row in rest[N_UNLABELLED:]:
        _write(folder / "test" / str(digits.target[row]), row, digits.images[row])


def _write(folder: Path, row: int, image: npt.NDArray[np.float64]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    grey = np.clip(255 - image * (255 / 16), 0, 255).astype(np.uint8)
    large = cv2.resize(grey, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(folder / f"{row:04d}.png"), large)
