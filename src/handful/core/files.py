"""Files that are whole or absent: a temporary neighbour first, then a rename."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from handful.core.errors import JobError


def cache_folder() -> Path:
    """The user's cache folder for handful: `HANDFUL_CACHE`, else the platform's usual place."""
    if named := os.environ.get("HANDFUL_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base) / "handful"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Fill a new folder; on success it takes the place of `path` by rename, on failure it vanishes.

    Raises:
        JobError: when the disk is full or not writable. What stood at `path` stands there still.
    """
    path = Path(os.path.abspath(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    except OSError as failure:
        raise disk_error(failure, path) from failure
    try:
        yield fresh
        fresh.chmod(0o755)
        _swap(fresh, path)
    except OSError as failure:
        raise disk_error(failure, path) from failure
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def replaced_file(path: Path) -> Iterator[TextIO]:
    """Fill a UTF-8 text; on success it takes the place of `path` by rename, on failure it vanishes.

    Raises:
        JobError: when the disk is full or not writable.
    """
    path = path.resolve()
    plain = path.is_file() or not path.exists()  # a device or a pipe is written to, never replaced
    temporary = path.with_name(f".writing-{os.getpid()}") if plain else path
    try:
        with temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            yield file
        if plain:
            temporary.replace(path)
    except OSError as failure:
        raise disk_error(failure, path) from failure
    finally:
        if plain:
            temporary.unlink(missing_ok=True)


def _swap(fresh: Path, path: Path) -> None:
    if not path.exists():
        fresh.rename(path)
        return
    aside = Path(tempfile.mkdtemp(prefix=".replaced-", dir=path.parent)) / "old"
    try:
        path.rename(aside)
        fresh.rename(path)
    except BaseException:
        if aside.exists():
            aside.rename(path)
        aside.parent.rmdir()  # empty, or else it holds all that is left of the old folder
        raise
    shutil.rmtree(aside.parent, ignore_errors=True)


def disk_error(failure: OSError, path: Path) -> JobError:
    """Turn what the system says into one line that tells the user what to do."""
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return JobError("the disk is full", str(path), "free some space or write elsewhere; nothing was changed")
    reason = failure.strerror or str(failure)
    return JobError(f"cannot write: {reason}", str(path), "choose a place that can be written; nothing was changed")
