"""Feature vectors on disk, one small file each: found by key, checked when read, the longest unused dropped first."""

from __future__ import annotations

import os
import shutil
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from handful.core.files import cache_folder, write_whole

DEFAULT_LIMIT = 4 * 2**30  # bytes
CHECKSUM_BYTES = 4


@dataclass(frozen=True)
class CacheState:
    """What `handful cache` shows."""

    folder: Path
    n_entries: int
    n_bytes: int
    limit: int


class FeatureCache:
    """Vectors of float16 under hexadecimal keys.

    An entry is a CRC-32 and the raw numbers. One that is damaged, or of another length than asked for, counts as
    missing and is computed again; whoever writes replaces it.

    Args:
        folder: Where the entries lie; `features` in the user's cache folder when None.
        limit: Bytes above which `trim` drops the entries that were longest unused.
    """

    def __init__(self, folder: Path | None = None, limit: int = DEFAULT_LIMIT) -> None:
        self.folder = folder or cache_folder() / "features"
        self.limit = limit

    def get(self, key: str, dim: int) -> npt.NDArray[np.float16] | None:
        """The vector kept under `key`, or None."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        payload = content[CHECKSUM_BYTES:]
        if len(payload) != 2 * dim or zlib.crc32(payload) != int.from_bytes(content[:CHECKSUM_BYTES], "little"):
            return None
        with suppress(OSError):  # a cache that can only be read is still a cache
            os.utime(path)  # recently used
        return np.frombuffer(payload, dtype=np.float16)

    def put(self, key: str, vector: npt.NDArray[np.float16]) -> None:
        """Keep a vector."""
        payload = vector.tobytes()
        write_whole(self._path(key), zlib.crc32(payload).to_bytes(CHECKSUM_BYTES, "little") + payload)

    def state(self) -> CacheState:
        """How full the cache is."""
        sizes = [stat.st_size for _, stat in self._entries()]
        return CacheState(self.folder, len(sizes), sum(sizes), self.limit)

    def trim(self) -> None:
        """Drop the entries that were longest unused until a tenth of the limit is free again."""
        known = self._entries()
        total = sum(stat.st_size for _, stat in known)
        if total <= self.limit:
            return
        for path, stat in sorted(known, key=lambda entry: entry[1].st_mtime):
            path.unlink(missing_ok=True)
            total -= stat.st_size
            if total <= 0.9 * self.limit:
                return

    def clear(self) -> CacheState:
        """Drop everything; returns what there was."""
        before = self.state()
        shutil.rmtree(self.folder, ignore_errors=True)
        return before

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.f16"

    def _entries(self) -> list[tuple[Path, os.stat_result]]:
        found = []
        for path in self.folder.glob("??/*.f16"):
            with suppress(FileNotFoundError):  # another process trims, too
                found.append((path, path.stat()))
        return found
