"""An augmented data set: the training part with copies of each image, everything else as it was."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from handful.core.errors import DataError, ImageError, JobError
from handful.core.files import write_whole
from handful.core.progress import SILENT, Progress
from handful.core.words import count
from handful.data.coco import CocoImage
from handful.data.coco_writing import write_coco
from handful.data.folders import files_below
from handful.data.origins import read_origins
from handful.data.pixels import Pixels
from handful.tasks.augmenting.claim import check_out, claim, complete, digest
from handful.tasks.augmenting.copier import Copier, Copy, encoded, place_of_copy, record_of
from handful.tasks.augmenting.how import Wish, copier_for
from handful.tasks.augmenting.source import Example, Source, pixels_of
from handful.tasks.augmenting.threads import one_image_each

NAMED = 5  # unreadable images in a note


@dataclass(frozen=True)
class Settings:
    """What to write.

    Args:
        n_copies: Of each training image.
        originals: Whether they are part of the result.
        jobs: Threads; None for one on each core. The bytes do not depend on it.
        strict: Refuse data with unreadable images rather than leave them out.
    """

    n_copies: int = 5
    originals: bool = True
    jobs: int | None = None
    strict: bool = False


@dataclass(frozen=True)
class Boxes:
    """What became of boxes: of n, how many lost a part, how many were dropped; and how many were implanted."""

    n: int = 0
    clipped: int = 0
    lost: int = 0
    implanted: int = 0

    def __add__(self, other: Boxes) -> Boxes:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Boxes(*(a + b for a, b in pairs))


@dataclass(frozen=True)
class Made:
    """What came of one example.

    Args:
        written: Copies that this run wrote.
        skipped: Copies that were there.
        boxes: Of all its copies.
        images: Its lines of a COCO file.
        problem: Why it cannot be read, which leaves everything else empty.
    """

    written: int = 0
    skipped: int = 0
    boxes: Boxes = Boxes()
    images: tuple[CocoImage, ...] = ()
    problem: str = ""


def augment_data(
    source: Source, out: Path, wish: Wish, settings: Settings, progress: Progress = SILENT
) -> dict[str, Any]:
    """Write a data set of the same layout in which each training image has augmented copies beside it.

    The parts to test on, to validate on, and without labels are copied as they are. Files appear whole, one by one;
    a run that was killed is continued by the next one with the same arguments, and ends with the same bytes.

    Args:
        source: What to augment.
        out: Where to; a new folder, or one that an earlier run with the same arguments began.
        wish: How to augment.
        settings: What to write.
        progress: Told of every training image.
    Returns:
        What was done, as `handful augment --json` prints it.
    Raises:
        UsageError: when `out` lies in the data, is something else, or was begun in another way.
        DataError: when no image can be read; with `strict`, when one cannot.
        JobError: when the disk is full or cannot be written.
    """
    start = time.monotonic()
    check_out(out, source.folder)
    copier, unsafe = copier_for(source, wish, progress)
    try:
        made = _write_all(source, out, wish, settings, copier, progress)
    except OSError as failure:
        remedy = "mend that and run it again: it goes on where it stopped"
        raise JobError(
            f"cannot write: {failure.strerror or failure}", str(failure.filename or out), remedy
        ) from failure
    boxes = sum((each.boxes for each in made), Boxes())
    problems = [
        {"input": str(example.path), "reason": each.problem}
        for example, each in zip(source.examples, made, strict=True)
        if each.problem
    ]
    return {
        "task": source.task,
        "policy": copier.name,
        "operations": str(copier.policy),
        "seed": wish.seed,
        "n": len(made) - len(problems),
        "copies": settings.n_copies,
        "originals": settings.originals,
        "written": sum(each.written for each in made),
        "skipped": sum(each.skipped for each in made),
        "boxes": vars(boxes) if source.splits else None,
        "out": str(out),
        "problems": problems,
        "notes": [*source.notes, *unsafe, *_notes(source, problems)],
        "seconds": round(time.monotonic() - start, 2),
    }


def _write_all(
    source: Source, out: Path, wish: Wish, settings: Settings, copier: Copier, progress: Progress
) -> list[Made]:
    places = places_of_copies(source, settings.n_copies)
    origins = _origins(source, places)
    train_file = [source.folder / source.splits[0].name] if source.splits else []
    with one_image_each(settings.jobs) as pool:
        others = [*source.beside, *source.papers]
        inputs = [*(example.path for example in source.examples), *others, *train_file]
        about = {
            "policy": str(copier.policy),
            "seed": wish.seed,
            "implant": wish.implant,
            "copies": settings.n_copies,
            "originals": settings.originals,
            "inputs": digest(source.folder, inputs, pool, progress),
            "cutouts": wish.cutouts and digest(wish.cutouts, files_below(wish.cutouts), pool, progress),
        }
        if settings.strict:
            _check_readable(source, pool, progress)
        claim(out, about)
        made = _make_all(_Writer(source, out, settings, copier), places, pool, progress)
        for _ in pool.map(partial(_copy, source.folder, out), others):
            pass
    if source.splits:
        images = [image for each in made for image in each.images]
        write_coco(source.splits[0], images, _with_folder(out / source.splits[0].name))
    complete(out, origins)
    return made


def _origins(source: Source, places: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """For each copy its original; copies of copies, where the source is augmented itself, have the first one."""
    before = read_origins(source.folder)
    pairs = zip(source.examples, places, strict=True)
    return before | {copy: before.get(each.place, each.place) for each, copies in pairs for copy in copies}


def _make_all(writer: _Writer, places: Sequence[tuple[str, ...]], pool: Executor, progress: Progress) -> list[Made]:
    source, made = writer.source, []
    with progress.track("augmenting", len(source.examples)) as advance:
        for each in pool.map(writer.make, source.examples, places):
            made.append(each)
            advance(1)
    if all(each.problem for each in made):
        what = f"none of the {len(made)} images can be read" if made else "there are no images to augment"
        raise DataError(what, str(source.folder), "check that these are image files")
    return made


@dataclass(frozen=True)
class _Writer:
    """Makes the files of one example after the other; knows what they all share."""

    source: Source
    out: Path
    settings: Settings
    copier: Copier

    def make(self, example: Example, places: Sequence[str]) -> Made:
        """The original and all copies; nothing is decoded or written where all of them are there."""
        missing = [place for place in places if not (self.out / place).exists()]
        new_original = self.settings.originals and not (self.out / example.place).exists()
        try:
            pixels = pixels_of(example) if missing or new_original else None
        except ImageError as failure:
            return Made(problem=failure.what)
        if new_original:
            _copy(self.source.folder, self.out, example.path)
        copies = [
            self._copy(example, number, place, pixels if place in missing else None)
            for number, place in enumerate(places, start=1)
        ]
        n_missing = len(missing)
        if not example.coco:
            return Made(n_missing, len(places) - n_missing)
        images = [record_of(example.coco, place, copy) for place, copy in zip(places, copies, strict=True) if copy]
        originals = (example.coco,) if self.settings.originals else ()
        boxes = sum((_boxes(copy) for copy in copies if copy), Boxes())
        return Made(n_missing, len(places) - n_missing, boxes, (*originals, *images))

    def _copy(self, example: Example, number: int, place: str, pixels: Pixels | None) -> Copy | None:
        """Written if there are pixels; what is on it if there are boxes."""
        if pixels is not None:
            copy = self.copier.copy(example, number, pixels)
            if copy.pixels is not None:
                _put(self.out / place, encoded(copy.pixels, Path(place).suffix), like=example.path)
            return replace(copy, pixels=None)
        image = example.coco
        return self.copier.objects(example, number, image.width, image.height) if image else None


def _boxes(copy: Copy) -> Boxes:
    implanted = int((copy.rows < 0).sum())
    return Boxes(len(copy.visible), int(copy.clipped.sum()), int(copy.lost.sum()), implanted)


def places_of_copies(source: Source, n_copies: int) -> list[tuple[str, ...]]:
    """Where the copies of each example go: `x-1.jpg` beside `x.jpg`, with more dashes where that name is taken.

    Upper and lower case count as the same, as they do on many disks; and in a COCO folder a name that a file of it
    uses is taken everywhere, since an image is looked for in several places.
    """
    taken = {example.place.casefold() for example in source.examples}
    taken |= {path.relative_to(source.folder).as_posix().casefold() for path in source.beside}
    taken |= {image.file_name.casefold() for split in source.splits for image in split.images}
    places = []
    for example in source.examples:
        for n_dashes in itertools.count(1):
            names = [
                tuple(place_of_copy(name, "-" * n_dashes, number) for number in range(1, n_copies + 1))
                for name in (example.place, example.coco.file_name if example.coco else example.place)
            ]
            keys = {name.casefold() for each in names for name in each}
            if taken.isdisjoint(keys):
                break
        taken |= keys
        places.append(names[0])
    return places


def _notes(source: Source, problems: Sequence[dict[str, str]]) -> Iterator[str]:
    if problems:
        few = "; ".join(f"{problem['input']} ({problem['reason']})" for problem in problems[:NAMED])
        more = ", ..." if len(problems) > NAMED else ""
        yield f"left out: {count(len(problems), 'unreadable image')}: {few}{more}"
    if source.beside:
        yield "only the training part is augmented; all others are copied as they are"
    yield "copies are no new examples, and augment.json says which they are: keep each beside its original"


def _check_readable(source: Source, pool: Executor, progress: Progress) -> None:
    """Before anything is written: a folder that is begun is in the way of the next try."""
    with progress.track("checking", len(source.examples)) as advance:
        for example, problem in zip(source.examples, pool.map(_problem_of, source.examples), strict=True):
            if problem:
                raise ImageError(problem, str(example.path), "replace or remove it")
            advance(1)


def _problem_of(example: Example) -> str:
    try:
        pixels_of(example)
    except ImageError as failure:
        return failure.what
    return ""


def _copy(folder: Path, out: Path, path: Path) -> None:
    """A file to its place in another folder, unless it is there."""
    goal = out / path.relative_to(folder)
    if not goal.exists():
        _put(goal, path.read_bytes(), like=path)


def _put(goal: Path, content: bytes, like: Path) -> None:
    """A whole file, for whoever may read the one that it is made from."""
    write_whole(goal, content)
    shutil.copymode(like, goal)


def _with_folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
