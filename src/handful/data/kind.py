"""What a data set is of, from how it is laid out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from handful.core.errors import DataError
from handful.data.folders import IMAGES, files_below
from handful.data.tables import IMAGE_COLUMNS, is_table, open_table
from handful.data.text_inputs import TEXT_COLUMNS, TEXT_SUFFIX

Kind = Literal["image", "text"]


def kind_of(path: str | Path) -> tuple[Kind, str]:
    """Whether the examples are images or texts, and how that was told.

    Args:
        path: A table or a folder.
    Raises:
        DataError: when a table has neither images nor texts.
    """
    path = Path(path)
    if not path.exists():
        raise DataError("no such folder or file", str(path), "check the path")
    if path.is_file() and is_table(path):
        return _kind_of_table(path)
    if path.is_dir():
        suffixes = Counter(file.suffix.lower() for file in files_below(path))
        n_images, n_texts = sum(suffixes[suffix] for suffix in IMAGES), suffixes[TEXT_SUFFIX]
        if n_texts > n_images:
            return "text", f"the folder holds {TEXT_SUFFIX} files"
        tables = [file for file in sorted(path.iterdir()) if file.is_file() and is_table(file)]
        if tables and not n_images:
            return _kind_of_table(tables[0])
    return "image", "the folder holds images"


def _kind_of_table(path: Path) -> tuple[Kind, str]:
    table = open_table(path, "example")
    for kind, columns in (("image", IMAGE_COLUMNS), ("text", TEXT_COLUMNS)):
        if table.cells(columns) is not None:
            return ("image" if kind == "image" else "text"), f"{path.name} has a column of {kind}s"
    found = ", ".join(dict.fromkeys(key for row in table.rows for key in row))
    what = f"the table names neither images nor texts; found the columns {found}"
    raise DataError(what, str(path), "name a column image or text")
