"""What a folder or a table lists, before anything is decoded and before labels become indices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Part: TypeAlias = Literal["train", "val", "test", "unlabelled"]

_PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
    "unlabelled": "unlabelled",
    "unlabeled": "unlabelled",
}


@dataclass(frozen=True)
class Records:
    """Examples of one part, n of them.

    Args:
        inputs: Image files.
        labels: Class names, n of them; None when unlabelled.
        groups: What belongs together, n of them; None when unknown.
    """

    inputs: list[Path]
    labels: list[str] | None = None
    groups: list[str] | None = None


@dataclass(frozen=True)
class Listing:
    """All parts of a data set.

    Args:
        parts: What is there; `train` always is.
        places: The folders of the parts, where each has one.
        notes: What the reader did that the user should know.
    """

    parts: dict[Part, Records]
    places: dict[Part, Path]
    notes: tuple[str, ...] = ()


def part_named(name: str) -> Part | None:
    """The part that people mean by a folder or a value of this name.

    Example:
        >>> part_named("Validation"), part_named("cats")
        ('val', None)
    """
    return _PART_NAMES.get(name.strip().lower())


def joined(first: Records, second: Records) -> Records:
    """Both, one after the other; groups are kept only where both have them."""
    groups = first.groups + second.groups if first.groups and second.groups else None
    return Records(first.inputs + second.inputs, (first.labels or []) + (second.labels or []), groups)
