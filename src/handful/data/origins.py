"""An augmented data set says which of its images are copies of which: they are no examples of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from handful.core.errors import DataError
from handful.data.listing import Records

FILE = "augment.json"
KEY = "origins"
MOST_BYTES = 256 * 2**20  # more is not ours


def read_origins(folder: Path) -> dict[str, str]:
    """For each copy its original, both as paths below the folder; empty for a data set that is not augmented.

    Raises:
        DataError: when the file that says so is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{FILE} is too large to be ours", str(path), "remove it, or augment again")
    try:
        origins = json.loads(path.read_text(encoding="utf-8"))[KEY]
        return {str(copy): str(original) for copy, original in origins.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as failure:
        what = f"{FILE} does not say which images are copies of which"
        raise DataError(what, str(path), "finish the augmentation by running it again, or remove the file") from failure


def all_origins(folders: Iterable[Path]) -> dict[Path, Path]:
    """For each copy in any of these folders its original."""
    return {folder / copy: folder / original for folder in folders for copy, original in read_origins(folder).items()}


def without_copies(records: Records, origins: dict[Path, Path]) -> Records:
    """Without the copies whose original is among them; copies of one that is not there are a group."""
    there = set(records.inputs)
    kept = [row for row, file in enumerate(records.inputs) if origins.get(file) not in there]
    inputs = [records.inputs[row] for row in kept]
    labels = [records.labels[row] for row in kept] if records.labels is not None else None
    groups = [str(origins.get(file, file)) for file in inputs]
    return replace(records, inputs=inputs, labels=labels, groups=groups if len(set(groups)) < len(groups) else None)
