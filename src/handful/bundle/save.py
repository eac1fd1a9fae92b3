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
from handful.bundle.model import GRAPH, TOKENIZER, WEIGHTS
from handful.core.files import check_replaceable, replaced_folder

OURS = {GRAPH, WEIGHTS, TOKENIZER, FILE_NAME, "metrics.json", "report.html", "README.md"}
ESCAPED = ("utf-8", "backslashreplace")  # names of files and folders may be no text; in JSON this is its own escape


def check_destination(out: Path) -> None:
    """Refuse to replace anything but a model folder, as it was written, or an empty folder.

    Raises:
        UsageError: when something else stands there, or lies in the model folder, or nothing can be written there.
    """
    check_replaceable(out, OURS, FILE_NAME, "model")


def write_model(
    out: Path,
    graph: bytes,
    tensors: Mapping[str, npt.NDArray[np.floating]],
    manifest: Manifest,
    metrics: Mapping[str, Any],
    report: str,
    tokenizer: bytes = b"",
) -> None:
    """Write the folder beside `out` and put it there by rename when it is complete.

    Args:
        graph: `model.onnx`.
        tensors: `weights.safetensors`.
        manifest: `handful.json`; the digests of the files are filled in here.
        metrics: `metrics.json`.
        report: `report.html`.
        tokenizer: `tokenizer.json`, of a model for texts.
    """
    from safetensors.numpy import save

    check_destination(out)
    read = {GRAPH: graph, WEIGHTS: save(dict(tensors)), **({TOKENIZER: tokenizer} if tokenizer else {})}
    manifest = replace(manifest, files={name: hashlib.sha256(content).hexdigest() for name, content in read.items()})
    contents = {
        **read,
        FILE_NAME: manifest.to_bytes(),
        "metrics.json": (json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(*ESCAPED),
        "report.html": report.encode(*ESCAPED),
        "README.md": model_card(manifest, metrics).encode(*ESCAPED),
    }
    with replaced_folder(out) as fresh:
        for name, content in contents.items():
            (fresh / name).write_bytes(content)
