"""What is wrong with a COCO folder, found by reading every image once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from handful.core.errors import ImageError
from handful.core.progress import SILENT, Progress
from handful.core.words import count
from handful.data.audit import Finding, Severity
from handful.tasks.augmenting.source import Example, Source, example_of, pixels_of
from handful.tasks.augmenting.threads import one_image_each

FEW = 10  # boxes of a class


@dataclass(frozen=True)
class Seen:
    """One image of any part.

    Args:
        train: Whether it is one to learn from.
        place: Below the folder of the data.
        content: What tells its bytes from others; empty if it cannot be used.
        problem: Why it cannot be used; empty if it can.
    """

    train: bool
    place: str
    content: bytes
    problem: str = ""


def audit_boxes(source: Source, jobs: int | None = None, progress: Progress = SILENT) -> list[Finding]:
    """Images that cannot be used, that are in two parts, that repeat, and classes of few boxes; the worst first."""
    seen = _all_seen(source, jobs, progress)
    in_train = Counter(each.content for each in seen if each.train and each.content)
    leaked = [each.place for each in seen if not each.train and in_train[each.content]]
    twice = [each.place for each in seen if each.train and in_train[each.content] > 1]
    return [
        *_finding("leak", "problem", "also in the training data: {} of another part", leaked),
        *_unusable([each for each in seen if each.problem]),
        *_finding("duplicate", "warning", "identical to another training image: {}", twice),
        *_rare(source),
    ]


def _all_seen(source: Source, jobs: int | None, progress: Progress) -> list[Seen]:
    images = [(split, image) for split in source.splits for image in split.images]
    examples = [example_of(image, source.folder) for _, image in images]
    seen = []
    with one_image_each(jobs) as pool, progress.track("reading images", len(images)) as advance:
        for (split, _), example, (content, problem) in zip(images, examples, pool.map(_look, examples), strict=True):
            seen.append(Seen(split is source.splits[0], example.place, content, problem))
            advance(1)
    return seen


def _look(example: Example) -> tuple[bytes, str]:
    try:
        pixels_of(example)
    except ImageError as failure:
        return b"", failure.what
    with example.path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest(), ""


def _finding(kind: str, severity: Severity, message: str, places: Sequence[str]) -> Iterator[Finding]:
    if places:
        what = message.format(count(len(places), "image"))
        yield Finding(kind, severity, f"{what} ({_few(places)})", tuple(places))


def _unusable(seen: Sequence[Seen]) -> Iterator[Finding]:
    if seen:
        message = f"{count(len(seen), 'image')} cannot be used; first {seen[0].place}: {seen[0].problem}"
        yield Finding("unreadable", "warning", message, tuple(each.place for each in seen))


def _rare(source: Source) -> Iterator[Finding]:
    boxes = Counter(int(label) for example in source.examples for label in example.objects.labels)
    names = tuple(name for label, name in enumerate(source.classes) if boxes[label] < FEW)
    if names:
        yield Finding("small-class", "warning", f"fewer than {FEW} boxes to learn from: {_few(names)}", names)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
