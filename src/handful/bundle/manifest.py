"""`handful.json`: what a model folder says about itself, checked field by field when it is read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from handful.core.errors import DataError, ModelError
from handful.evaluate.costs import Costs, checked_costs

FORMAT = 1
REMEDY = "copy the folder again or fit the model again"
FILE_NAME = "handful.json"
SEAL = "sha256"
LARGEST = 3  # of a conformal score (at most 1) or a distance (at most 2), whatever rounding adds
MOST_BYTES = 64 * 2**20  # of the manifest: more is not ours


@dataclass(frozen=True)
class Manifest:
    """Everything that predicting needs to know beside the graph.

    Args:
        task: Such as "image classification".
        classes: Names, in the order of the probabilities.
        size: Height and width of the pixels that the graph takes; pictures are squashed to it. None for texts.
        conformal_scores: Sorted out-of-fold nonconformity scores, 1 - probability of the truth.
        familiar_distances: Sorted distances of each training example to its nearest neighbour.
        recipe: What was decided, as `Recipe.to_json`.
        calibration: Scale and bias that the graph applies to the scores.
        data: Number of examples and the digest of the training set.
        licences: Of weights and data.
        versions: Of what made the folder.
        files: SHA-256 of the files that predicting reads.
        window: Tokens that the graph reads at once, special ones included; longer texts are read in windows that
            overlap. None for images.
        seen_texts: Digests of the training texts, by which an evaluation knows them again.
        references: What the training examples are called whose embeddings are kept, in their order.
        reference_targets: Their classes, as indices.
        costs: What it costs to take the class of a row for the class of a column; the answer is the class of least
            expected cost. None where it is the likeliest.
        format: Version of this schema.
    """

    task: str
    classes: tuple[str, ...]
    size: int | None
    conformal_scores: tuple[float, ...]
    familiar_distances: tuple[float, ...]
    recipe: dict[str, Any]
    calibration: dict[str, Any]
    data: dict[str, Any]
    licences: tuple[dict[str, str], ...]
    versions: dict[str, str]
    files: dict[str, str]
    window: int | None = None
    seen_texts: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    reference_targets: tuple[int, ...] = ()
    costs: Costs | None = None
    format: int = FORMAT

    def to_bytes(self) -> bytes:
        """As indented JSON, sealed; a folder name that is no text is written with escapes."""
        fields = json.loads(json.dumps(asdict(self), allow_nan=False))
        sealed = {**fields, SEAL: _seal(fields)}
        return (json.dumps(sealed, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def read_manifest(folder: Path) -> Manifest:
    """Read and check `handful.json`.

    Raises:
        ModelError: when it is missing, damaged, incomplete or of a newer version.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise ModelError(
            f"this is not a model folder: it has no {FILE_NAME}", str(folder), "give a folder made by handful fit"
        )
    if path.stat().st_size > MOST_BYTES:
        raise ModelError(f"{FILE_NAME} is too large to be ours", str(path), REMEDY)
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as damage:  # no text, no JSON, a number of a million digits
        raise ModelError(f"{FILE_NAME} is damaged ({damage})", str(path), REMEDY) from damage
    version = saved.get("format") if isinstance(saved, dict) else None
    if type(version) is not int or version < 1:
        raise ModelError(f"{FILE_NAME} names no format version", str(path), REMEDY)
    if version > FORMAT:
        raise ModelError(
            f"the model has format {version}, this handful reads up to {FORMAT}", str(path), "upgrade handful"
        )
    seal = saved.pop(SEAL, None)
    manifest = _checked(saved, path)
    if seal != _seal(saved):
        raise ModelError(f"{FILE_NAME} is not the file that was saved", str(path), REMEDY)
    return manifest


def _seal(fields: dict[str, Any]) -> str:
    """SHA-256 of all fields: a changed class name or threshold is as bad as a changed weight."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _checked(saved: dict[str, Any], path: Path) -> Manifest:
    def wrong(field: str) -> ModelError:
        return ModelError(f"{FILE_NAME} has no usable {field!r}", str(path), REMEDY)

    for field, kind in _KINDS.items():
        if field not in saved or not isinstance(saved[field], kind) or isinstance(saved[field], bool):
            raise wrong(field)
    if unknown := saved.keys() - _KINDS.keys():
        raise ModelError(f"{FILE_NAME} has unknown fields: {', '.join(sorted(unknown))}", str(path), REMEDY)
    names = saved["classes"]
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names) or len(names) < 2:
        raise wrong("classes")
    if saved["window"] is None and not 1 <= (saved["size"] or 0) <= 4096:
        raise wrong("size")
    if saved["window"] is not None and (saved["size"] is not None or not 3 <= saved["window"] <= 2**20):
        raise wrong("window")
    if not all(isinstance(digest, str) for digest in saved["seen_texts"]):
        raise wrong("seen_texts")
    if not all(isinstance(name, str) for name in saved["references"]):
        raise wrong("references")
    targets = saved["reference_targets"]
    if len(targets) != len(saved["references"]) or not all(type(c) is int and 0 <= c < len(names) for c in targets):
        raise wrong("reference_targets")
    for field in ("conformal_scores", "familiar_distances"):
        numbers = saved[field]
        if not all(type(x) in (int, float) and abs(x) <= LARGEST for x in numbers) or numbers != sorted(numbers):
            raise wrong(field)
    try:
        costs = None if saved["costs"] is None else checked_costs(saved["costs"], names)
    except DataError as failure:
        raise wrong("costs") from failure
    tuples = {field: tuple(saved[field]) for field, kind in _KINDS.items() if kind is list}
    return Manifest(**{**saved, **tuples, "costs": costs})


_KINDS: dict[str, type | tuple[type, ...]] = {
    "task": str,
    "classes": list,
    "size": (int, NoneType),
    "window": (int, NoneType),
    "seen_texts": list,
    "references": list,
    "reference_targets": list,
    "costs": (list, NoneType),
    "conformal_scores": list,
    "familiar_distances": list,
    "recipe": dict,
    "calibration": dict,
    "data": dict,
    "licences": list,
    "versions": dict,
    "files": dict,
    "format": int,
}
