"""Files that are whole or absent: a temporary neighbour first, then a rename."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from handful.core.errors import JobError, UsageError


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


def check_replaceable(out: Path, ours: Set[str], sign: str, called: str) -> None:
    """Refuse to replace anything but a folder of ours, as it was written, or an empty folder.

    Args:
        out: Where a folder is to be put.
        ours: The files that such a folder may hold.
        sign: The one that tells it from all others.
        called: What such a folder is called.
    Raises:
        UsageError: when something else stands there, or lies in the folder, or nothing can be written there.
    """
    if not out.exists() and not out.is_symlink():
        ground = next(above for above in Path(os.path.abspath(out)).parents if above.exists())
        if not ground.is_dir() or not os.access(ground, os.W_OK):
            raise UsageError("no folder can be made at the destination", str(out), "choose another --out")
        return
    inside = {entry.name for entry in out.iterdir()} if out.is_dir() and not out.is_symlink() else set()
    if inside - ours and sign in inside:
        what = f"the {called} folder holds other files: {', '.join(sorted(inside - ours)[:5])}"
        raise UsageError(what, str(out), "move them, or choose another --out")
    if not out.is_dir() or out.is_symlink() or (inside and sign not in inside):
        raise UsageError(f"something that is no {called} stands at the destination", str(out), "choose another --out")


def check_picture(path: Path, called: str, option: str) -> None:
    """Refuse a place where no PNG file can be put, before any work.

    Raises:
        UsageError: when it is named otherwise, is a folder, or has no folder to lie in.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"a {called} is a PNG file", str(path), f"name it {called}.png, say")
    if path.is_dir():
        raise UsageError(f"a folder stands where the {called} should go", str(path), "name a file in it")
    if not path.resolve().parent.is_dir():
        raise UsageError(f"there is no folder for the {called}", str(path), f"make it, or choose another {option}")


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
