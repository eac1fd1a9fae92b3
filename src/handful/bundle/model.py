"""A model folder at work: ONNX Runtime, NumPy and OpenCV, nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.bundle.manifest import Manifest, read_manifest
from handful.core.errors import ModelError, UsageError
from handful.core.progress import SILENT, Progress
from handful.evaluate.conformal import abstains, p_value, prediction_sets, threshold
from handful.evaluate.unfamiliar import nearest_distance
from handful.nn.onnx_runtime import open_session

GRAPH = "model.onnx"
WEIGHTS = "weights.safetensors"
BATCH_SIZE = 16
UNFAMILIAR = 0.05  # share of familiar pictures that may be flagged by mistake
DEFAULT_COVERAGE = 0.9


@dataclass(frozen=True)
class Predictions:
    """What the model says of some inputs.

    Args:
        names: What each input is called.
        classes: Class names.
        probabilities: Calibrated, shape (n, n_classes).
        sets: Which classes the truth is among, at the coverage asked for, shape (n, n_classes); None when the model was
            made from too few examples to promise it.
        abstain: Whether the set is not a single class, or the input is unlike the training data, shape (n,).
        unfamiliar: Whether the input is unlike anything seen in training, shape (n,).
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    sets: npt.NDArray[np.bool_] | None
    abstain: npt.NDArray[np.bool_]
    unfamiliar: npt.NDArray[np.bool_]

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """The most probable class of each input, as an index."""
        return np.asarray(self.probabilities.argmax(axis=1))

    def __len__(self) -> int:
        return len(self.names)

    def records(self) -> list[dict[str, Any]]:
        """One plain dictionary an input, as `handful predict --json` prints them."""
        best = self.indices
        return [
            {
                "input": name,
                "label": self.classes[best[row]],
                "probability": round(float(self.probabilities[row, best[row]]), 6),
                "set": None if self.sets is None else [self.classes[c] for c in np.flatnonzero(self.sets[row])],
                "abstain": bool(self.abstain[row]),
                "unfamiliar": bool(self.unfamiliar[row]),
            }
            for row, name in enumerate(self.names)
        ]


class Model:
    """A loaded model folder.

    Args:
        folder: As made by `handful fit`.
        threads: Threads inside one operation; all usable cores when None.
    Raises:
        ModelError: when the folder is incomplete, from a newer version, or was altered.
    """

    def __init__(self, folder: str | Path, threads: int | None = None) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise ModelError("no such model folder", str(folder), "give a folder made by handful fit")
        self.manifest: Manifest = read_manifest(self.folder)
        graph = self._sealed(GRAPH)
        self._session = open_session(graph, threads, str(self.folder / GRAPH))
        self._references = self._read_references()
        self._check_shapes()

    @property
    def classes(self) -> tuple[str, ...]:
        return self.manifest.classes

    def predict(
        self,
        inputs: Sequence[Any],
        coverage: float = DEFAULT_COVERAGE,
        jobs: int | None = None,
        progress: Progress = SILENT,
    ) -> Predictions:
        """Predict files, arrays or Pillow images; every one must be readable.

        Raises:
            ImageError: for the first that cannot be read.
        """
        from handful.data.images import decode_stream

        found = []
        with progress.track("predicting", len(inputs)) as done:
            for batch in decode_stream(inputs, self.manifest.size, BATCH_SIZE, jobs):
                if batch.problems:
                    raise UsageError(f"cannot read: {batch.problems[0].reason}", batch.problems[0].name)
                names = [name_of(inputs[row], row) for row in batch.rows]
                found.append(self.predict_pixels(batch.pixels, names, coverage))
                done(len(batch.pixels))
        return _joined(found, self.classes)

    def predict_pixels(
        self, pixels: npt.NDArray[np.uint8], names: Sequence[str], coverage: float = DEFAULT_COVERAGE
    ) -> Predictions:
        """Predict decoded pixels, shape (n, size, size, 3), RGB; in batches."""
        results = [
            self._session.run(["probabilities", "embedding"], {"pixels": pixels[start : start + BATCH_SIZE]})
            for start in range(0, len(pixels), BATCH_SIZE)
        ]
        probabilities = np.concatenate([result[0] for result in results]).astype(np.float64)
        return self.judge(probabilities, np.concatenate([result[1] for result in results]), names, coverage)

    def judge(
        self,
        probabilities: npt.NDArray[np.float64],
        embedding: npt.NDArray[np.floating],
        names: Sequence[str],
        coverage: float = DEFAULT_COVERAGE,
    ) -> Predictions:
        """Sets, abstention and familiarity for probabilities and embeddings that are already there."""
        limit = self.limit(coverage)
        sets = None if limit is None else prediction_sets(probabilities, limit)
        unfamiliar = self.unfamiliarity(embedding) <= self.unfamiliar_level
        abstain = unfamiliar | (abstains(sets) if sets is not None else False)
        return Predictions(tuple(names), self.classes, probabilities, sets, abstain, unfamiliar)

    def limit(self, coverage: float) -> float | None:
        """The conformal threshold at a coverage; None when the training set was too small to promise it."""
        if not 0 < coverage < 1:
            raise UsageError(f"a coverage lies between 0 and 1, got {coverage:g}", "--coverage", "write 0.9, say")
        scores = np.array(self.manifest.conformal_scores)
        try:
            return threshold(scores, coverage)
        except UsageError:
            return None

    def unfamiliarity(self, embedding: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """How probable it is that a familiar input lies as far from the training examples, shape (n,)."""
        distances = nearest_distance(embedding.astype(np.float64), self._references)
        return p_value(np.array(self.manifest.familiar_distances), distances)

    @property
    def unfamiliar_level(self) -> float:
        """Below it an input is flagged: 5 %, or the least that so few training examples can show."""
        return max(UNFAMILIAR, 1 / (len(self.manifest.familiar_distances) + 1))

    def _sealed(self, name: str) -> bytes:
        path = self.folder / name
        if not path.is_file():
            raise ModelError(f"the model folder is incomplete: {name} is missing", str(self.folder), "copy it whole")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.manifest.files.get(name):
            raise ModelError(f"{name} is not the file that was saved", str(path), "copy the folder again or refit")
        return content

    def _read_references(self) -> npt.NDArray[np.float64]:
        from safetensors.numpy import load

        try:
            return np.asarray(load(self._sealed(WEIGHTS))["reference.embedding"], dtype=np.float64)
        except KeyError as missing:
            raise ModelError(f"{WEIGHTS} has no {missing}", str(self.folder), "fit the model again") from missing

    def _check_shapes(self) -> None:
        size, n_classes = self.manifest.size, len(self.classes)
        shapes = {port.name: port.shape[1:] for port in (*self._session.get_inputs(), *self._session.get_outputs())}
        width = self._references.shape[1] if self._references.ndim == 2 else -1
        wanted = {"pixels": [size, size, 3], "probabilities": [n_classes], "embedding": [width]}
        if shapes != wanted:
            raise ModelError(
                f"{GRAPH} and handful.json disagree: {shapes}, expected {wanted}", str(self.folder), "refit"
            )


def name_of(item: Any, row: int) -> str:
    """What to call an input: its path, or its position."""
    return str(item) if isinstance(item, str | Path) else f"input {row}"


def load(folder: str | Path, threads: int | None = None) -> Model:
    """Load a model folder made by `fit`."""
    return Model(folder, threads)


def _joined(parts: list[Predictions], classes: tuple[str, ...]) -> Predictions:
    def together(field: str) -> Any:
        return np.concatenate([getattr(part, field) for part in parts])

    names = tuple(name for part in parts for name in part.names)
    sets = None if parts[0].sets is None else together("sets")
    return Predictions(names, classes, together("probabilities"), sets, together("abstain"), together("unfamiliar"))


def predict_stream(
    model: Model, inputs: Sequence[Any], coverage: float, jobs: int | None = None
) -> Iterator[tuple[Predictions, tuple[Any, ...]]]:
    """Batch by batch, in memory that does not grow: predictions, and the problems of what could not be read."""
    from handful.data.images import decode_stream

    for batch in decode_stream(inputs, model.manifest.size, BATCH_SIZE, jobs):
        names = [name_of(inputs[row], row) for row in batch.rows]
        yield model.predict_pixels(batch.pixels, names, coverage), batch.problems
