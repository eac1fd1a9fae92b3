"""Writing a model folder: whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.bundle.card import model_card
from handful.bundle.manifest import FILE_NAME, Manifest
from handful.bundle.model import GRAPH, WEIGHTS
from handful.core.errors import UsageError
from handful.core.files import replaced_folder


def check_destination(out: Path) -> None:
    """Refuse to replace anything but a model folder or an empty folder.

    Raises:
        UsageError: when something else stands there.
    """
    if not out.exists() and not out.is_symlink():
        return
    if out.is_dir() and not out.is_symlink() and ((out / FILE_NAME).is_file() or not any(out.iterdir())):
        return
    raise UsageError("something that is no model stands at the destination", str(out), "choose another --out")


def write_model(
    out: Path,
    graph: bytes,
    tensors: Mapping[str, npt.NDArray[np.floating]],
    manifest: Manifest,
    metrics: Mapping[str, Any],
    report: str,
) -> None:
    """Write the folder beside `out` and put it there by rename when it is complete.

    Args:
        graph: `model.onnx`.
        tensors: `weights.safetensors`.
        manifest: `handful.json`; the digests of the files are filled in here.
        metrics: `metrics.json`.
        report: `report.html`.
    """
    from safetensors.numpy import save

    check_destination(out)
    weights = save(dict(tensors))
    sealed = {GRAPH: hashlib.sha256(graph).hexdigest(), WEIGHTS: hashlib.sha256(weights).hexdigest()}
    manifest = replace(manifest, files=sealed)
    contents = {
        GRAPH: graph,
        WEIGHTS: weights,
        FILE_NAME: manifest.to_bytes(),
        "metrics.json": (json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(),
        "report.html": report.encode(),
        "README.md": model_card(manifest, metrics).encode(),
    }
    with replaced_folder(out) as fresh:
        for name, content in contents.items():
            (fresh / name).write_bytes(content)
