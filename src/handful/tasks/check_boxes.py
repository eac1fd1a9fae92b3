"""What is wrong with a COCO folder, and what an augmentation would do to its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.data.coco import CocoSplit
from handful.evaluate.intervals import score_interval
from handful.tasks.audit_boxes import audit_boxes
from handful.tasks.augmenting.copier import Copier
from handful.tasks.augmenting.how import Wish, copier_for
from handful.tasks.augmenting.source import Example, Source, part_of

N_DRAWS = 20
MOST_BOXES = 5000  # of a large data set for the draws: enough for an interval of two or three points

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NONE = np.zeros(0, np.int64)


def check_boxes(
    source: Source, policy: str = "standard", seed: int = 0, jobs: int | None = None, progress: Progress = SILENT
) -> dict[str, Any]:
    """Look at every file of a COCO folder, and draw augmentations of its training images without making them.

    A box is clipped if it keeps its place and loses more than 1 % of its area; it is lost if too little of it stays in
    the picture. Each share is a mean over boxes and 20 draws of each image. Its interval is for other images of the
    same kind: whole images are drawn by `score_interval`'s bootstrap, since boxes of one image, and draws of one
    image, are not independent. Wilson's interval would take each box for an image of its own.

    Args:
        source: A COCO folder.
        policy: A named one, or its text.
        seed: Of the draws and of the bootstrap.
        jobs: Threads that read images.
        progress: Told of every image.
    Returns:
        What was found, as `handful check --json` prints it.
    """
    copier, unsafe = copier_for(source, Wish(policy, seed))
    train = source.splits[0]
    counts = np.bincount(_labels(train), minlength=len(source.classes))
    findings = audit_boxes(source, jobs, progress)
    examples = _some(source, seed)
    drawn = _drawn(examples, copier, progress)
    return {
        "task": source.task,
        "n": len(train.images),
        "n_boxes": int(counts.sum()),
        "n_without_boxes": sum(not len(image.objects) for image in train.images),
        "classes": list(source.classes),
        "counts": dict(zip(source.classes, counts.tolist(), strict=True)),
        "splits": {split.name: _sizes(split) for split in source.splits},
        "policy": copier.name,
        "operations": str(copier.policy),
        "seed": seed,
        "draws": N_DRAWS,
        "n_drawn_images": len(examples),
        **_shares(drawn, np.full(len(drawn.labels), True), seed),
        "by_class": {name: _shares(drawn, drawn.labels == label, seed) for label, name in enumerate(source.classes)},
        "findings": [asdict(finding) for finding in findings],
        "notes": [*source.notes, *unsafe],
    }


def _some(source: Source, seed: int) -> list[Example]:
    """The training images that are drawn: all, or a random part of very many, in their order."""
    order = stream(seed, "check boxes").permutation(len(source.examples))
    n_boxes = np.cumsum([len(source.examples[at].objects) for at in order])
    n_images = 1 + int(np.searchsorted(n_boxes, MOST_BOXES))
    return [source.examples[at] for at in sorted(order[:n_images])]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """The boxes of the images that were drawn, n of them.

    Args:
        clipped, lost: In how many of its draws each was, as a share, shape (n,).
        labels: Classes, shape (n,).
        units: Images, shape (n,).
    """

    clipped: Floats
    lost: Floats
    labels: Ints
    units: Ints


def _drawn(examples: Sequence[Example], copier: Copier, progress: Progress) -> _Drawn:
    clipped, lost, labels, units = [np.zeros(0)], [np.zeros(0)], [NONE], [NONE]
    with progress.track("drawing", len(examples)) as advance:
        for unit, example in enumerate(examples):
            width, height = (example.coco.width, example.coco.height) if example.coco else (0, 0)
            copies = [copier.objects(example, number, width, height) for number in range(1, N_DRAWS + 1)]
            clipped.append(np.mean([copy.clipped for copy in copies], axis=0))
            lost.append(np.mean([copy.lost for copy in copies], axis=0))
            labels.append(example.objects.labels)
            units.append(np.full(len(example.objects), unit))
            advance(1)
    return _Drawn(np.concatenate(clipped), np.concatenate(lost), np.concatenate(labels), np.concatenate(units))


def _shares(drawn: _Drawn, which: npt.NDArray[np.bool_], seed: int) -> dict[str, Any]:
    """The shares of some boxes, with intervals and n, the number of boxes; None where there is no box."""
    if not which.any():
        return {"clipped": None, "lost": None}
    one_class, units = np.zeros(int(which.sum()), np.int64), drawn.units[which]
    return {
        name: asdict(score_interval(values[which], one_class, units, "accuracy", stream(seed, "interval")))
        for name, values in (("clipped", drawn.clipped), ("lost", drawn.lost))
    }


def _labels(split: CocoSplit) -> Ints:
    return np.concatenate([NONE, *(image.objects.labels for image in split.images)])


def _sizes(split: CocoSplit) -> dict[str, Any]:
    return {"part": part_of(split.name), "images": len(split.images), "boxes": len(_labels(split))}
