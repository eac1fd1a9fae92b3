"""An augmented data set says which of its images are copies of which: those belong together."""

from __future__ import annotations

import json
from pathlib import Path

from handful.core.errors import DataError

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
