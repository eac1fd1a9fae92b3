"""A folder that says how it came to be: made in several runs, but never in two ways."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from handful.core.errors import DataError, UsageError
from handful.core.files import replaced_file
from handful.core.progress import Progress
from handful.core.versions import versions
from handful.data.origins import FILE, KEY

TOOLS = ("handful", "numpy", "opencv-python-headless", "pillow")  # what the bytes depend on


def check_out(out: Path, data: Path) -> None:
    """Refuse a folder that cannot take an augmented data set, before any work is done.

    Raises:
        UsageError: when it lies in the data, or something else stands there.
    """
    if out.resolve().is_relative_to(data.resolve()):
        raise UsageError("the copies would lie among the originals", str(out), "choose an --out elsewhere")
    taken = out.exists() and not (out.is_dir() and ((out / FILE).is_file() or not any(out.iterdir())))
    if taken:
        raise UsageError(
            "something that is no augmented data set stands at the destination", str(out), "choose another --out"
        )


def claim(out: Path, about: dict[str, Any]) -> None:
    """Write down how this folder is made, or find it written down so; sweep up what a killed run left half done.

    Raises:
        UsageError: when the folder was begun in another way; names the first thing that differs.
    """
    about = {**about, "versions": {name: version for name, version in versions().items() if name in TOOLS}}
    if (out / FILE).is_file() and any(path.name != FILE for path in out.iterdir()):
        _check_same(out, _read(out / FILE), about)
        for half in out.rglob(".writing-*"):
            half.unlink()
    else:
        _write(out, about, complete=False)


def complete(out: Path, origins: dict[str, str]) -> None:
    """Write down that all of it is there, and which images are copies of which."""
    about = _read(out / FILE)
    _write(out, {**about, KEY: origins}, complete=True)


def digest(folder: Path, files: Iterable[Path], pool: Executor, progress: Progress) -> str:
    """A name for the places and the bytes of all these files, whatever their order."""
    ordered = sorted(dict.fromkeys(files))
    whole = hashlib.blake2b(digest_size=16)
    with progress.track("reading", len(ordered)) as advance:
        for path, content in zip(ordered, pool.map(_digest_of, ordered), strict=True):
            whole.update(path.relative_to(folder).as_posix().encode(errors="surrogateescape") + b"\0" + content)
            advance(1)
    return whole.hexdigest()


def _digest_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return bytes(64)  # whoever needs this file says what is wrong with it


def _check_same(out: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    for key, value in now.items():
        if before.get(key) == value:
            continue
        if key in ("inputs", "cutouts"):
            what = (
                f"the folder was begun with other {'data' if key == 'inputs' else 'cut-outs'}: files have changed since"
            )
        elif key == "versions":
            then = before[key] if isinstance(before.get(key), dict) else {}
            name = next(name for name in (*value, *then) if then.get(name) != value.get(name))
            what = f"the folder was begun with {name} {then.get(name)}, now it is {value.get(name)}"
        else:
            what = f"the folder was begun with {key} {before.get(key)}, now it is {value}"
        raise UsageError(what, str(out), "choose another --out, or remove that folder")


def _read(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as failure:
        raise DataError(f"not JSON: {failure}", str(path), "remove the folder, or choose another --out") from failure
    if not isinstance(about, dict):
        raise DataError("not a JSON object", str(path), "remove the folder, or choose another --out")
    return about


def _write(out: Path, about: dict[str, Any], *, complete: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with replaced_file(out / FILE) as file:
        file.write(json.dumps({**about, "complete": complete}, indent=1, ensure_ascii=False) + "\n")
