"""Text from bytes: UTF-8 or an error that says where it is not and what it seems to be instead."""

from __future__ import annotations

import codecs
from pathlib import Path

from handful.core.errors import DataError


def read_utf8(path: Path, what: str = "the file") -> str:
    """The text of a file in UTF-8, with or without its mark at the start.

    Raises:
        DataError: when it cannot be read, or is not UTF-8: naming the byte and the line, and how to convert.
    """
    try:
        content = path.read_bytes()
    except OSError as failure:
        reason = failure.strerror or str(failure)
        raise DataError(
            f"{what} cannot be read: {reason}", str(path), "check the file and its permissions"
        ) from failure
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = content.count(b"\n", 0, failure.start) + 1
        likely = likely_encoding(content)
        seems = f"it seems to be {likely}: iconv -f {likely} -t UTF-8 FILE" if likely else "it does not seem to be text"
        seen = f"{what} is not UTF-8 text (byte {failure.start})"
        raise DataError(seen, f"{path}, line {line}", f"save it as UTF-8; {seems}") from failure


def likely_encoding(content: bytes) -> str:
    """What text that is not UTF-8 most often is; empty for what is no text.

    Example:
        >>> likely_encoding("naïve".encode("cp1252")), likely_encoding("a".encode("utf-16")), likely_encoding(bytes(9))
        ('WINDOWS-1252', 'UTF-16', '')
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    return "" if b"\0" in content else "WINDOWS-1252"
