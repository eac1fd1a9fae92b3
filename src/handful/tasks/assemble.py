"""From a learned recipe to what ships: one graph, checked against what was measured, and its manifest."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from handful.bundle.graph import EMBEDDING_POWER, Head, splice
from handful.bundle.manifest import Manifest
from handful.core.errors import JobError
from handful.core.rng import stream
from handful.core.versions import versions
from handful.evaluate.arrays import Floats
from handful.nn.backbone import Backbone, FeatureMatrix
from handful.nn.onnx_runtime import open_session
from handful.tasks.images import Part, Pixels
from handful.tasks.learn import Learned
from handful.transfer.probe import prepare

MOST_REFERENCES = 2000  # training examples kept to know the unfamiliar by; more find nothing new
PARITY = 5e-3  # largest difference of a probability; features were rounded to float16 when they were measured


def embedding(features: FeatureMatrix, backbone: Backbone) -> npt.NDArray[np.float32]:
    """What unfamiliar inputs are known by: the last layer of the plain view, shape (n, dim), unit length."""
    return prepare(features[:, 0], backbone.columns(backbone.last)[:1], EMBEDDING_POWER)


def assemble_graph(learned: Learned, backbone: Backbone) -> bytes:
    """`model.onnx`: raw pixels to calibrated probabilities and an embedding."""
    probe = learned.recipe.adapt
    head = Head(
        columns=backbone.columns(probe.layers),
        power=probe.power,
        weight=learned.head.weight,
        bias=learned.head.bias,
        scale=learned.calibration.scale,
        shift=learned.calibration.bias,
        mirrored=len(probe.test_views) > 1,
        embedding=backbone.columns(backbone.last)[0],
    )
    return splice(backbone.graph_bytes, head, learned.recipe.describe())


def check_parity(graph: bytes, measured: Floats, pixels: Pixels) -> None:
    """The graph must give the probabilities that were measured.

    Args:
        graph: The serialized model.
        measured: Probabilities of the first examples, shape (m, n_classes).
        pixels: At least those examples.
    Raises:
        JobError: when it does not.
    """
    shipped = open_session(graph).run(["probabilities"], {"pixels": pixels[: len(measured)]})[0]
    worst = float(np.abs(shipped - measured).max())
    if not worst <= PARITY:
        raise JobError(
            f"the graph that would ship differs from what was measured by {worst:.2g}, expected at most {PARITY}",
            remedy="please report this; nothing was written",
        )


def describe(learned: Learned, backbone: Backbone, part: Part, distances: Floats, task: str, name: str) -> Manifest:
    """`handful.json`, before the digests of the files are known."""
    return Manifest(
        task=task,
        classes=part.data.classes,
        size=backbone.spec.size,
        conformal_scores=tuple(learned.conformal.tolist()),
        familiar_distances=tuple(np.sort(distances[np.isfinite(distances)]).tolist()),
        recipe=learned.recipe.to_json(),
        calibration={"scale": learned.calibration.scale, "bias": learned.calibration.bias.tolist()},
        data={"name": name, "n": len(part.data), "sha256": _digest(part)},
        licences=(
            {"what": f"weights of {backbone.name}", "licence": backbone.licence},
            {"what": "the photos and labels", "licence": "yours; handful does not know it"},
            {"what": "handful", "licence": "Apache-2.0"},
        ),
        versions=versions(),
        files={},
    )


def tensors(learned: Learned, references: npt.NDArray[np.float32], seed: int) -> dict[str, npt.NDArray[np.floating]]:
    """`weights.safetensors`: the head to go on training, and the training examples' embeddings, at most so many."""
    kept = np.arange(len(references))
    if len(kept) > MOST_REFERENCES:
        kept = np.sort(stream(seed, "references").choice(kept, MOST_REFERENCES, replace=False))
    return {
        "head.weight": learned.head.weight.astype(np.float32),
        "head.bias": learned.head.bias.astype(np.float32),
        "reference.embedding": references[kept].astype(np.float16),
    }


def _digest(part: Part) -> str:
    """Of the decoded pixels and their labels, whatever the files are called."""
    digest = hashlib.sha256()
    for image, target in zip(part.pixels, part.targets, strict=True):
        digest.update(image.tobytes())
        digest.update(int(target).to_bytes(8, "little"))
    return digest.hexdigest()
