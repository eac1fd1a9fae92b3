"""New images like those of a data set: learned from it, painted, and judged against images kept aside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from handful.augment.views import ORIGINAL
from handful.core.errors import DataError, ImageError, UsageError
from handful.core.files import check_picture, check_replaceable, replaced_file, replaced_folder
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.core.words import count
from handful.data.cache import FeatureCache
from handful.data.dataset import Dataset
from handful.data.duplicates import different_images, join_units
from handful.data.images import Decoded, decode_all
from handful.data.kind import kind_of
from handful.data.pixels import Pixels, from_file, squash
from handful.data.readers import Splits, read
from handful.evaluate.arrays import Floats
from handful.evaluate.generated import (
    N_NEIGHBOURS,
    frechet_distance,
    kernel_distance,
    nearer_to_training,
    precision_recall,
)
from handful.nn.backbones import backbone_named
from handful.nn.features import frozen_features
from handful.unsupervised.gan import GAN
from handful.unsupervised.gan_examples import FEWEST, INSTEAD, LARGEST, SMALLEST

JUDGE = "efficientnet-lite0@128"  # small pictures have no more to show at 224
MOST_JUDGED = 2000
BATCH = 2048  # images held at the judge's size
KEPT_ASIDE = 5  # one image in so many, where there is no test part
ENOUGH = KEPT_ASIDE * FEWEST  # images of which some can be spared
LONGEST_NAME = 255  # bytes of a folder's, on most disks
COLUMNS, SHOWN, GAP = 10, 96, 4  # of a sheet: images of a class, their sides and the space between them, in pixels

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """How images are generated.

    Args:
        count: Of each class.
        size: Side of the square that pictures are shrunk to first; as they are when None.
        steps: That the GAN learns for.
        seed: Of everything random.
        jobs: Images read at a time.
    """

    count: int
    size: int | None = None
    steps: int = 3000
    seed: int = 0
    jobs: int | None = None


@dataclass(frozen=True, eq=False)
class _Real:
    """The images of a data set: those to learn from, and those to judge by, if any can be spared."""

    classes: tuple[str, ...]
    pixels: Pixels
    targets: Index
    aside: Pixels | None
    aside_called: str
    notes: tuple[str, ...]


def generate_images(
    data: Path, out: Path, how: Settings, sheet: Path | None = None, progress: Progress = SILENT
) -> dict[str, Any]:
    """Learn from a data set, and write a folder of new images: a folder for each class, nothing else.

    Args:
        data: An image folder or a table of images, of up to 64 pixels unless `how.size` shrinks them.
        out: A folder that is not there, or empty.
        sheet: A PNG file of samples, a row for each class; it is drawn again and again while the GAN learns.
    Returns:
        What was done and how good it is, as `handful generate --json` prints it.
    Raises:
        UsageError, DataError: when a place is taken, or the images are too few, too large or none.
        JobError: when the training diverges at once, or the disk is full.
    """
    start = time.monotonic()
    _check_places(data, out, sheet)
    real = _read(data, how, progress)
    listening = _Heard(progress)
    gan = GAN(how.steps, random_state=how.seed)

    def watch(so_far: GAN) -> None:
        if sheet is not None:
            _draw(so_far, len(real.classes), sheet)

    gan.fit(real.pixels, real.targets, watch, listening)
    by_class = [gan.sample(how.count, label, _seed_of(how.seed, label)) for label in range(len(real.classes))]
    with replaced_folder(out) as folder:
        for name, images in zip(real.classes, by_class, strict=True):
            _write(folder / name, images)
    return {
        "n": len(real.pixels),
        "classes": list(real.classes),
        "count": how.count,
        "written": how.count * len(real.classes),
        "size": real.pixels.shape[1],
        "steps": gan.n_steps_,
        "seed": how.seed,
        "out": str(out),
        "sheet": None if sheet is None else str(sheet),
        **_judged(real, _as_frequent(by_class, real.targets), how.seed, progress),
        "notes": [*real.notes, *listening.notes],
        "seconds": round(time.monotonic() - start, 2),
    }


class _Heard(Progress):
    """Passes bars on and keeps notes, which belong to the result."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.notes: list[str] = []

    @contextmanager
    def track(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        with self.progress.track(label, total) as advance:
            yield advance

    def note(self, message: str) -> None:
        self.notes.append(message)


def _check_places(data: Path, out: Path, sheet: Path | None) -> None:
    for path, option in ((out, "--out"), (sheet, "--sheet")):
        if path is not None and path.resolve().is_relative_to(data.resolve()):
            raise UsageError("what is generated would lie among the data", str(path), f"choose another {option}")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError("the folder is not empty", str(out), "choose another --out, or remove it")
    check_replaceable(out, frozenset(), "", "folder for generated images")
    if sheet is None:
        return
    if sheet.resolve().is_relative_to(out.resolve()):
        raise UsageError("the sheet would lie among the generated images", str(sheet), "choose another --sheet")
    check_picture(sheet, "sheet", "--sheet")


def _read(data: Path, how: Settings, progress: Progress) -> _Real:
    if kind_of(data)[0] == "text":
        raise UsageError("these are texts, and images are generated", str(data), "name a folder of images")
    splits = read(data)
    train = splits.train
    if foreign := [name for name in train.classes if not _can_be_a_folder(name)]:
        raise DataError(f"a class called {foreign[0][:60]!r} cannot be a folder", str(data), "rename it")
    decoded = decode_all(train, how.size or _side_of(train, data), jobs=how.jobs, progress=progress)
    if len(decoded.pixels) < FEWEST:
        what = f"{count(len(decoded.pixels), 'image')}: from fewer than {FEWEST} a GAN learns nothing but to copy them"
        raise DataError(what, str(data), f"add images, or {INSTEAD}")
    few = ", ".join(problem.name for problem in decoded.problems[:3])
    notes = [*splits.notes, *([f"{len(decoded.problems)} images cannot be read: {few}"] if few else [])]
    return _parted(splits, decoded, notes, how, progress)


def _can_be_a_folder(name: str) -> bool:
    try:
        length = len(os.fsencode(name))
    except UnicodeEncodeError:
        return False
    return Path(name).name == name and name not in (".", "..") and "\0" not in name and length <= LONGEST_NAME


def _side_of(data: Dataset, where: Path) -> int:
    """The side of the largest image, if all are small enough."""
    largest = SMALLEST
    for source in data.inputs:
        try:
            side = max(from_file(Path(source), LARGEST).shape[:2])
        except ImageError:
            continue  # reading them all says so
        if side > LARGEST:
            what = (
                f"{Path(source).name} has a side of more than {LARGEST} pixels: more takes days and thousands of images"
            )
            raise DataError(what, str(where), f"write --size {LARGEST} to shrink all of them, or {INSTEAD}")
        largest = max(largest, side)
    return largest


def _parted(splits: Splits, decoded: Decoded, notes: list[str], how: Settings, progress: Progress) -> _Real:
    """What to learn from and what to judge by: the test part, else some of each class, where there are enough.

    Of copies the first counts: one that is learned from must not lie among those that it is judged by.
    """
    first = different_images(decoded.pixels)
    if n_copies := len(decoded.pixels) - len(first):
        notes.append(f"{count(n_copies, 'exact copy', 'exact copies')} left out")
    train, pixels = splits.train.take(decoded.rows[first]), decoded.pixels[first]
    targets = np.asarray(train.targets)
    painted = set(targets.tolist())
    if empty := [name for label, name in enumerate(train.classes) if label not in painted]:
        what = f"no image of the class {empty[0]!r} can be read and is no copy of another"
        raise DataError(what, "images", "check its files")
    if splits.test is not None:
        aside = decode_all(splits.test, pixels.shape[1], jobs=how.jobs, progress=progress).pixels
        new = different_images(np.concatenate([pixels, aside])) - len(pixels)
        new = new[new >= 0]
        if n_copies := len(aside) - len(new):
            notes.append(f"{count(n_copies, 'test image')} left out: exact copies of others")
        aside = aside[new]
        return _Real(train.classes, pixels, targets, aside, "the test images", tuple(notes))
    spared = _spared(targets, join_units(np.arange(len(pixels)), train.groups), stream(how.seed, "aside"))
    if len(pixels) < ENOUGH or len(spared) <= N_NEIGHBOURS + 1 or len(pixels) - len(spared) < FEWEST:
        what = f"{len(pixels)} images" if train.groups is None else f"{len(pixels)} images in so large groups"
        notes.append(f"{what} are too few to keep some aside: whether it memorises is not known")
        return _Real(train.classes, pixels, targets, None, "the images learned from", tuple(notes))
    kept = np.setdiff1d(np.arange(len(pixels)), spared)
    whole = "" if train.groups is None else ", of whole groups,"
    notes.append(f"{len(spared)} images{whole} are kept aside to judge by")
    return _Real(train.classes, pixels[kept], targets[kept], pixels[spared], "images kept aside", tuple(notes))


def _spared(targets: Index, units: Index, rng: np.random.Generator) -> Index:
    """About one unit in `KEPT_ASIDE` of each class; units stay whole, and no class is spared altogether."""
    _, firsts = np.unique(units, return_index=True)
    order = firsts[rng.permutation(len(firsts))]
    by_class = order[np.argsort(targets[order], kind="stable")]
    spared = np.isin(units, units[by_class[KEPT_ASIDE - 1 :: KEPT_ASIDE]])
    learned = np.bincount(targets[~spared], minlength=targets.max() + 1)
    needed = units[spared & (learned[targets] == 0)]
    return np.flatnonzero(spared & ~np.isin(units, needed))


def _judged(real: _Real, samples: Pixels, seed: int, progress: Progress) -> dict[str, Any]:
    """Distances at equal n, beside those of the images that it learned from, which no GAN can be asked to beat."""
    rng = stream(seed, "judging")
    aside = real.pixels if real.aside is None else real.aside
    n = min(len(aside), len(samples), MOST_JUDGED, *([] if real.aside is None else [len(real.pixels)]))
    if n <= N_NEIGHBOURS + 1:
        return {"against": None, "distances": None, "real_distances": None, "memorising": None}
    some = [_features(_some(each, n, rng), progress) for each in (aside, samples)]
    found = {"against": real.aside_called, "distances": _distances(*some), "real_distances": None, "memorising": None}
    if real.aside is None:
        return found
    learned = _features(real.pixels, progress)
    spread = nearer_to_training(some[1], learned, _features(real.aside, progress), rng)
    return {**found, "real_distances": _distances(some[0], _some(learned, n, rng)), "memorising": asdict(spread)}


def _as_frequent(by_class: list[Pixels], targets: Index) -> Pixels:
    """Samples of each class in the shares of the real ones: other shares alone would look like a distance."""
    shares = np.bincount(targets, minlength=len(by_class)) / len(targets)
    most = min(len(each) / share for each, share in zip(by_class, shares, strict=True))
    return np.concatenate([each[: round(share * most)] for each, share in zip(by_class, shares, strict=True)])


def _distances(real: Floats, generated: Floats) -> dict[str, Any]:
    covered = precision_recall(real, generated)
    return {
        "n": len(real),
        "kernel": asdict(kernel_distance(real, generated)),
        "frechet": asdict(frechet_distance(real, generated)),
        **asdict(covered),
    }


def _some(examples: npt.NDArray[Any], n: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    return examples[np.sort(rng.permutation(len(examples))[:n])]


def _features(images: Pixels, progress: Progress) -> Floats:
    """Some at a time: enlarged for the judge, all of them might not fit into memory."""
    backbone, found = backbone_named(JUDGE), []
    for at in range(0, len(images), BATCH):
        squashed = np.stack([squash(image, backbone.spec.size) for image in images[at : at + BATCH]])
        found.append(frozen_features(backbone, squashed, [ORIGINAL], FeatureCache(), progress=progress)[:, 0])
    features = np.concatenate(found)
    return np.hstack([features[:, column] for column in backbone.columns(backbone.last)]).astype(np.float64)


def _seed_of(seed: int, label: int) -> int:
    """Every class has draws of its own."""
    return int(stream(seed, "generated", label).integers(2**31))


def _write(folder: Path, images: Pixels) -> None:
    folder.mkdir()
    digits = len(str(len(images)))
    for number, image in enumerate(images, start=1):
        Image.fromarray(image).save(folder / f"generated-{number:0{digits}d}.png")


def _draw(gan: GAN, n_classes: int, path: Path) -> None:
    """A row of samples for each class, the same draws every time."""
    rows = [gan.sample(COLUMNS, label, _seed_of(gan.random_state, label)) for label in range(n_classes)]
    step = SHOWN + GAP
    picture = np.full((n_classes * step + GAP, COLUMNS * step + GAP, 3), 255, np.uint8)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            tile = np.asarray(Image.fromarray(image).resize((SHOWN, SHOWN), Image.Resampling.BICUBIC))
            top, left = GAP + row * step, GAP + column * step
            picture[top : top + SHOWN, left : left + SHOWN] = tile
    with replaced_file(path) as file:
        Image.fromarray(picture).save(file.buffer, "PNG")
