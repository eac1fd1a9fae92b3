"""A model folder at work: ONNX Runtime and NumPy, with OpenCV for images and tokenizers for texts; nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from handful.bundle.inputs import Batch, Flags, ImageInputs, Inputs, TextInputs, name_of
from handful.bundle.manifest import REMEDY, Manifest, read_manifest
from handful.core.errors import ModelError, UsageError
from handful.core.progress import SILENT, Progress
from handful.data.text_inputs import shortened
from handful.evaluate.conformal import abstains, p_value, prediction_sets, threshold
from handful.evaluate.costs import Costs, decided
from handful.evaluate.unfamiliar import nearest_distance
from handful.nn.onnx_runtime import open_session

if TYPE_CHECKING:
    from handful.data.images import Problem  # brings Pillow and OpenCV, which a model for texts does not need

GRAPH = "model.onnx"
WEIGHTS = "weights.safetensors"
TOKENIZER = "tokenizer.json"
UNFAMILIAR = 0.05  # share of familiar inputs that may be flagged by mistake
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
        costs: What mistakes cost, shape (n_classes, n_classes), where that decides rather than the largest probability;
            the answer may then lie outside of the set, which says what is likely.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    sets: npt.NDArray[np.bool_] | None
    abstain: npt.NDArray[np.bool_]
    unfamiliar: npt.NDArray[np.bool_]
    costs: Costs | None = None

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """The answer to each input, as the index of a class: the most probable, or of the least expected cost."""
        return decided(self.probabilities, self.costs)

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
    """A fitted model at work; `load` reads one from its folder.

    Args:
        manifest: What the model says about itself.
        graph: The serialized ONNX graph.
        references: Embeddings of training examples, shape (m, dim).
        tokenizer: The content of `tokenizer.json`, of a model for texts.
        name: What to call it in messages: its folder.
        threads: Threads inside one operation; all usable cores when None.
    Raises:
        ModelError: when the parts do not fit together.
    """

    def __init__(
        self,
        manifest: Manifest,
        graph: bytes,
        references: npt.NDArray[np.floating],
        tokenizer: bytes = b"",
        name: str = "model",
        threads: int | None = None,
    ) -> None:
        self.manifest, self.name = manifest, name
        self.inputs = _inputs(manifest, tokenizer)
        lengths = np.linalg.norm(references.astype(np.float64), axis=1, keepdims=True)
        if manifest.references and len(manifest.references) != len(references):
            raise ModelError("handful.json and weights.safetensors disagree on the training examples", name, REMEDY)
        self.references = references / np.maximum(lengths, 1e-6)  # float16 has made them a little longer or shorter
        self._familiar = np.array(manifest.familiar_distances)
        self._conformal = np.array(manifest.conformal_scores)
        self._session = open_session(graph, threads, name)
        self._check_shapes()

    @property
    def classes(self) -> tuple[str, ...]:
        return self.manifest.classes

    def stream(
        self, inputs: Sequence[Any], coverage: float = DEFAULT_COVERAGE, jobs: int | None = None
    ) -> Iterator[tuple[Predictions | None, tuple[Problem, ...]]]:
        """Batch by batch, in memory that does not grow: predictions, and what could not be read.

        Yields:
            Predictions of the readable inputs of a batch (None when there are none) and the problems of the others.
        """
        for batch in self.inputs.batches(inputs, jobs):
            names = [name_of(inputs[row], int(row)) for row in batch.rows]
            yield self.judge(*self.run(batch), names, coverage) if names else None, batch.problems

    def predict(
        self,
        inputs: Sequence[Any],
        coverage: float = DEFAULT_COVERAGE,
        jobs: int | None = None,
        progress: Progress = SILENT,
    ) -> Predictions:
        """Predict; every input must be readable.

        Args:
            inputs: For images: paths, arrays or Pillow images. For texts: strings, or a `Path` for each text file.
            coverage: How often a prediction set should hold the truth.
            jobs: Threads that decode images; all usable cores when None.
            progress: Told of every input.
        Raises:
            DataError: for the first that cannot be read.
        """
        kind = self.inputs.kind
        if isinstance(inputs, str | Path):
            given = "text" if kind == "text" and isinstance(inputs, str) else "path"
            what = f"one {given} was given; a list of {kind}s was expected"
            raise UsageError(what, shortened(str(inputs)), f"pass [{given}]")
        found = []
        with progress.track("predicting", len(inputs)) as done:
            for predictions, problems in self.stream(inputs, coverage, jobs):
                if problems:
                    raise self.inputs.error(problems[0])
                if predictions:
                    found.append(predictions)
                    done(len(predictions))
        if not found:
            raise UsageError("there is nothing to predict", remedy=f"give at least one {kind}")
        return _joined(found, self.classes)

    def run(self, batch: Batch) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """Probabilities (n, n_classes) and embeddings (n, dim) of the readable inputs of a batch, in their order."""
        probabilities = np.empty((len(batch.rows), len(self.classes)))
        embedding = np.empty((len(batch.rows), self.references.shape[1]), dtype=np.float32)
        for feed in batch.feeds:
            found = self._session.run(["probabilities", "embedding"], feed.arrays)
            probabilities[feed.places], embedding[feed.places] = found
        return probabilities, embedding

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
        costs = self.manifest.costs
        return Predictions(tuple(names), self.classes, probabilities, sets, abstain, unfamiliar, costs)

    def limit(self, coverage: float) -> float | None:
        """The conformal threshold at a coverage; None when the training set was too small to promise it."""
        if not 0 < coverage < 1:
            raise UsageError(f"a coverage lies between 0 and 1, got {coverage:g}", "coverage", "write 0.9, say")
        try:
            return threshold(self._conformal, coverage)
        except UsageError:
            return None

    def unfamiliarity(self, embedding: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """How probable it is that a familiar input lies as far from the training examples, shape (n,)."""
        return p_value(self._familiar, self.nearest(embedding))

    def nearest(self, embedding: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Distance to the nearest training example, shape (n,)."""
        return nearest_distance(embedding.astype(np.float64), self.references)

    def seen(self, inputs: Sequence[Any], embedding: npt.NDArray[np.floating]) -> Flags:
        """Which of these readable inputs the model was made from, shape (n,)."""
        return self.inputs.seen(inputs, self.nearest(embedding))

    @property
    def unfamiliar_level(self) -> float:
        """Up to it an input is flagged: 5 %, or the least that so few training examples can show; never without any."""
        return max(UNFAMILIAR, 1 / (len(self._familiar) + 1)) if len(self._familiar) else 0.0

    def _check_shapes(self) -> None:
        shapes = {port.name: port.shape[1:] for port in (*self._session.get_inputs(), *self._session.get_outputs())}
        outputs = {"probabilities": [len(self.classes)], "embedding": [self.references.shape[1]]}
        wanted = {**self.inputs.shapes, **outputs}
        if shapes != wanted:
            raise ModelError(f"{GRAPH} and handful.json disagree: {shapes}, expected {wanted}", self.name, REMEDY)


def load(folder: str | Path, threads: int | None = None) -> Model:
    """Load a model folder made by `fit`.

    Raises:
        ModelError: when the folder is incomplete, from a newer version, or was altered.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError("no such model folder", str(folder), "give a folder made by handful fit")
    manifest = read_manifest(folder)
    graph = _sealed(folder, GRAPH, manifest)
    tokenizer = _sealed(folder, TOKENIZER, manifest) if manifest.window is not None else b""
    return Model(manifest, graph, _references(folder, manifest), tokenizer, str(folder), threads)


def _inputs(manifest: Manifest, tokenizer: bytes) -> Inputs:
    if manifest.window is not None:
        return TextInputs(tokenizer, manifest.window, manifest.seen_texts)
    return ImageInputs(manifest.size or 0)


def _sealed(folder: Path, name: str, manifest: Manifest) -> bytes:
    path = folder / name
    if not path.is_file():
        raise ModelError(f"the model folder is incomplete: {name} is missing", str(folder), REMEDY)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest.files.get(name):
        raise ModelError(f"{name} is not the file that was saved", str(path), REMEDY)
    return content


def _references(folder: Path, manifest: Manifest) -> npt.NDArray[np.floating]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as tensors_of

    try:
        references = tensors_of(_sealed(folder, WEIGHTS, manifest))["reference.embedding"]
    except (SafetensorError, KeyError) as damage:
        raise ModelError(f"{WEIGHTS} is damaged ({damage})", str(folder), REMEDY) from damage
    if references.ndim != 2 or not len(references) or not np.isfinite(references).all():
        what = f"{WEIGHTS} holds references of shape {references.shape}, or not finite"
        raise ModelError(what, str(folder), REMEDY)
    return references


def _joined(parts: list[Predictions], classes: tuple[str, ...]) -> Predictions:
    def together(field: str) -> Any:
        return np.concatenate([getattr(part, field) for part in parts])

    names = tuple(name for part in parts for name in part.names)
    sets = None if parts[0].sets is None else together("sets")
    flags = together("abstain"), together("unfamiliar")
    return Predictions(names, classes, together("probabilities"), sets, *flags, parts[0].costs)
