"""Graphs of backbones on disk, each beside its seal: made once, and made again when the seal does not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress

from handful.core.files import cache_folder, write_whole


def cached_graph(fingerprint: str, make: Callable[[], bytes]) -> bytes:
    """The serialized graph of a backbone: from the cache when it is there and whole, else made and kept.

    A cache folder that cannot be written costs the time of making the graph again, and nothing else.

    Args:
        fingerprint: Names the file; changes whenever the graph would.
        make: Makes the graph.
    """
    path = cache_folder() / "backbones" / f"{fingerprint}.onnx"
    seal = path.with_suffix(".sha256")
    with suppress(OSError):
        content = path.read_bytes()
        if _seal_of(content) == seal.read_bytes():
            return content
    content = make()
    with suppress(OSError):
        write_whole(path, content)
        write_whole(seal, _seal_of(content))
    return content


def _seal_of(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
