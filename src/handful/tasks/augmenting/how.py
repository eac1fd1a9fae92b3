"""From what was asked for to what is done: a safe policy, and cut-outs of the data's own objects or of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice, zip_longest
from pathlib import Path

import numpy as np

from handful.augment.implanting.cutout_files import read_cutouts
from handful.augment.implanting.cutouts import Cutout, cut_out
from handful.augment.implanting.implant import Implanting
from handful.augment.policy import Policy
from handful.augment.safety import may_mirror, safe_policy
from handful.augment.scene import Scene
from handful.core.errors import DataError, ImageError, UsageError
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.core.words import count
from handful.tasks.augmenting.copier import Copier
from handful.tasks.augmenting.source import Example, Source, pixels_of

MOST_CUTOUTS = 120  # of the data's own objects, spread over the classes
LEAST_SIDE = 8  # pixels: of what is smaller no outline can be found
REVEALING = ("rotate", "scale", "translate_x", "translate_y", "shear_x", "shear_y", "perspective", "elastic", "trivial")
BLACK_BORDER = "beyond the edge is black; border=reflect would mirror objects there, without boxes"

Found = tuple[Example, int]  # an object: its row on an example


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Args:
        policy: A named one, or its text.
        seed: Of all draws: same seed, same bytes.
        implant: Objects to put on each copy; needs boxes.
        cutouts: A folder of cut-outs `CLASS/x.png`; None cuts them out of the training images.
    """

    policy: str = "standard"
    seed: int = 0
    implant: int = 0
    cutouts: Path | None = None


def copier_for(source: Source, wish: Wish, progress: Progress = SILENT) -> tuple[Copier, tuple[str, ...]]:
    """What makes the copies, and what to tell the user.

    On images with boxes what lies beyond the edge is black, unless the policy says otherwise: a mirrored edge shows
    objects again, and there they have no box.

    Raises:
        UsageError: when the policy cannot be read, or something should be implanted on images without boxes.
        DataError: when there is nothing to implant.
    """
    policy, notes = safe_policy(Policy.parse(wish.policy), source.classes, keypoint_pairs=source.keypoint_pairs)
    name = policy.name
    if source.splits and "border" not in wish.policy:
        policy = replace(policy, border="constant")
        notes += (BLACK_BORDER,) if any(each.kind.name in REVEALING for each in policy.operations) else ()
    if not wish.implant:
        if wish.cutouts is not None:
            raise UsageError("cut-outs are given and none is to be implanted", "--cutouts", "write --implant 3, say")
        return Copier(policy, wish.seed, source.keypoint_pairs, name=name), notes
    if not source.splits:
        remedy = "give a COCO folder, or leave it out"
        raise UsageError(
            "objects are implanted on images with boxes, and these have one class each", "--implant", remedy
        )
    cutouts = _own(source, wish.seed, progress) if wish.cutouts is None else read_cutouts(wish.cutouts, source.classes)
    implanting = Implanting(wish.implant, may_mirror=may_mirror(source.classes))
    outlines = any(example.objects.outlines for example in source.examples)
    copier = Copier(policy, wish.seed, source.keypoint_pairs, implanting, tuple(cutouts), outlines, name)
    return copier, (*notes, _told(cutouts, source.classes))


def _own(source: Source, seed: int, progress: Progress) -> list[Cutout]:
    """Cut out of the training images: by outline, else by GrabCut."""
    order = {example.place: at for at, example in enumerate(source.examples)}
    found = sorted(islice(_spread(source, seed), MOST_CUTOUTS), key=lambda each: order[each[0].place])
    cutouts: list[Cutout] = []
    with progress.track("cutting out objects", len(found)) as advance:
        for _, alike in groupby(found, key=lambda each: each[0].place):
            examples, rows = zip(*alike, strict=True)
            cutouts += _cut(examples[0], rows)
            advance(len(rows))
    if not cutouts:
        raise DataError("there is no object to cut out", str(source.folder), "give --cutouts, a folder of PNG files")
    return cutouts


def _cut(example: Example, rows: Sequence[int]) -> list[Cutout]:
    """These objects of one image, without those whose outline is too thin to cover half of any pixel."""
    try:
        scene = Scene(pixels_of(example), example.objects)
    except ImageError:  # it is named where it would be copied
        return []
    cutouts = []
    for row in rows:
        outlined = bool(example.objects.outlines and example.objects.outlines[row])
        with suppress(DataError):  # too thin
            cutouts.append(cut_out(scene, row, "outline" if outlined else "grabcut"))
    return cutouts


def _spread(source: Source, seed: int) -> Iterator[Found]:
    """Objects in random order, the classes by turns; those that the edge of the image cuts come last."""
    every = [
        (example, row) for example in source.examples for row in range(len(example.objects)) if _fits(example, row)
    ]
    shuffled = [every[at] for at in stream(seed, "cut-outs").permutation(len(every))]
    shuffled.sort(key=_touches_edge)
    of_class = [
        [(example, row) for example, row in shuffled if example.objects.labels[row] == label]
        for label in range(len(source.classes))
    ]
    return (each for each in chain.from_iterable(zip_longest(*of_class)) if each is not None)


def _fits(example: Example, row: int) -> bool:
    """Whether it is one object, and large enough to be cut out."""
    left, top, right, bottom = example.objects.boxes[row]
    crowd = example.coco is not None and bool(example.coco.kept) and bool(example.coco.kept[row].get("iscrowd"))
    return bool(min(right - left, bottom - top) >= LEAST_SIDE) and not crowd


def _touches_edge(found: Found) -> bool:
    example, row = found
    size = (example.coco.width, example.coco.height) if example.coco else (np.inf, np.inf)
    box = example.objects.boxes[row]
    return bool((box[:2] < 1).any() or (box[2:] > np.subtract(size, 1)).any())


def _told(cutouts: list[Cutout], classes: tuple[str, ...]) -> str:
    kinds = Counter("without a class" if cutout.label is None else classes[cutout.label] for cutout in cutouts)
    ways = Counter(cutout.by for cutout in cutouts)
    by_class, by_way = (", ".join(f"{name} {n}" for name, n in each.items()) for each in (kinds, ways))
    return f"implanted from {count(len(cutouts), 'cut-out')} ({by_class}), got by {by_way}"
