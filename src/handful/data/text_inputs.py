"""Texts to predict: named on the command line, or one of many in a list; each is readable, or it is said why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from handful.core.errors import DataError
from handful.data.encoding import read_utf8

TEXT_COLUMNS = ("text", "sentence")
TEXT_SUFFIX = ".txt"
_STDIN = "-"
_SHORT = 60  # characters of a text in a message


def readable_text(item: Any) -> str:
    """The text that an input is: a string itself, or the whole of the UTF-8 file that a `Path` names.

    Raises:
        DataError: when it is neither, or holds nothing to read.
    """
    if not isinstance(item, str | Path):
        raise DataError(f"expected a text or the `Path` of a text file, found {type(item).__name__}")
    text = read_utf8(item) if isinstance(item, Path) else item
    if "\0" in text:
        raise DataError("it holds NUL characters: it is no text")
    if not text.strip():
        raise DataError("the text is empty")
    return text


def shortened(text: str) -> str:
    """The beginning of a text, on one line.

    Example:
        >>> shortened("Was  it\\n good?"), len(shortened("very " * 50))
        ('Was it good?', 60)
    """
    line = " ".join(text[: 10 * _SHORT].split())
    return line if len(line) <= _SHORT and len(text) <= 10 * _SHORT else line[: _SHORT - 3].rstrip() + "..."


def read_text_inputs(
    arguments: Sequence[str], texts: Sequence[str] = (), stdin: BinaryIO | None = None
) -> tuple[list[str | Path], list[str]]:
    """List the texts that files, folders, patterns, tables and the standard input hold.

    Args:
        arguments: A .txt file is one text; so is `-`, the standard input. A table has one in each row, in its column
            `text`. Of a folder, every .txt file below it.
        texts: Texts themselves, which come last.
        stdin: What `-` reads.
    Returns:
        Strings, and the paths of .txt files, each file once; and where each of them stands, for messages.
    Raises:
        DataError: when an argument names no texts.
    """
    found: dict[tuple[str, str | Path], None] = {}
    for argument in arguments:
        found.update(dict.fromkeys(_standard_input(stdin) if argument == _STDIN else _named(argument)))
    found.update({(f"--text {number}", text): None for number, text in enumerate(texts, start=1)})
    if not found:
        raise DataError("no inputs were named", remedy="name text files, tables or folders, or write --text")
    return [item for _, item in found], [place for place, _ in found]


def _named(argument: str) -> Iterator[tuple[str, str | Path]]:
    from handful.data.readers import read_inputs  # not needed to predict images, which shall start fast
    from handful.data.tables import is_table

    try:
        files = [Path(file) for file in read_inputs([argument])]
    except DataError as failure:
        raise DataError(failure.what, failure.where, "check the path, or write --text for a text itself") from failure
    if Path(argument).is_dir():
        files = [file for file in files if file.suffix.lower() == TEXT_SUFFIX]
        if not files:
            raise DataError("the folder has no .txt files", argument, "name a table, or a folder of texts")
    for file in files:
        if is_table(file):
            yield from _rows(file)
        elif file.suffix.lower() == TEXT_SUFFIX:
            yield str(file), file
        else:
            what = "this model reads texts: the file is neither .txt nor a table"
            raise DataError(what, str(file), "give .txt, .csv, .tsv, .jsonl or .parquet")


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    from handful.data.tables import open_table

    table = open_table(path, "text")
    for row, cell in enumerate(table.needed_cells(TEXT_COLUMNS)):
        text = "" if cell is None or cell != cell else str(cell)  # NaN is not itself
        yield f"{path}, row {table.number(row)}", text


def _standard_input(stdin: BinaryIO | None) -> Iterator[tuple[str, str]]:
    content = stdin.read() if stdin else b""
    try:
        yield "the standard input", content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        what = f"the text is not UTF-8 (byte {failure.start})"
        raise DataError(what, "the standard input", "convert it: iconv -f ENCODING -t UTF-8") from failure
