"""From a learned recipe to what ships: one graph, checked against what was measured, and its manifest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from handful.bundle.graph import calibrated
from handful.bundle.inputs import Feed
from handful.bundle.manifest import Manifest
from handful.core.errors import JobError
from handful.core.rng import stream
from handful.core.versions import versions
from handful.data.text_inputs import shortened
from handful.evaluate.arrays import Floats
from handful.nn.backbone import Backbone
from handful.nn.onnx_runtime import open_session
from handful.tasks.learn import Learned

if TYPE_CHECKING:
    from handful.tasks.fitting import Subject

MOST_REFERENCES = 2000  # training examples kept to know the unfamiliar by; more find nothing new
PARITY = 5e-3  # largest difference of a probability; features were rounded to float16 when they were measured


def assemble_graph(learned: Learned, backbone: Backbone) -> bytes:
    """`model.onnx`: raw input, as the backbone takes it, to calibrated probabilities and an embedding."""
    graph = learned.fitted.graph(backbone)
    return calibrated(graph, learned.calibration.scale, learned.calibration.bias, learned.recipe.describe())


def check_parity(graph: bytes, measured: Floats, feeds: Iterable[Feed]) -> None:
    """The graph must give the probabilities that were measured.

    Args:
        graph: The serialized model.
        measured: Probabilities of the first examples, shape (m, n_classes).
        feeds: What the graph takes for them.
    Raises:
        JobError: when it does not.
    """
    session, shipped = open_session(graph), np.full(measured.shape, np.nan)
    for feed in feeds:
        shipped[feed.places] = session.run(["probabilities"], feed.arrays)[0]
    worst = float(np.abs(shipped - measured).max())
    if not worst <= PARITY:
        raise JobError(
            f"the graph that would ship differs from what was measured by {worst:.2g}, expected at most {PARITY}",
            remedy="please report this; nothing was written",
        )


def describe(
    learned: Learned, backbone: Backbone, subject: Subject, distances: Floats, name: str, seed: int
) -> Manifest:
    """`handful.json`, before the digests of the files are known."""
    train, targets = subject.data.train.data, subject.data.train.targets
    kept = _kept(len(train), seed)
    return Manifest(
        task=subject.task,
        classes=train.classes,
        **{"size": None, **subject.manifest},
        conformal_scores=tuple(learned.conformal.tolist()),
        familiar_distances=tuple(np.sort(distances[np.isfinite(distances)]).tolist()),
        recipe=learned.recipe.to_json(),
        calibration={"scale": learned.calibration.scale, "bias": learned.calibration.bias.tolist()},
        data={"name": name, "n": len(train), "sha256": subject.digest},
        licences=(
            {"what": f"weights of {backbone.name}", "licence": backbone.licence},
            {"what": f"the {subject.called} and labels", "licence": "yours; handful does not know it"},
            {"what": "handful", "licence": "Apache-2.0"},
        ),
        versions=versions(),
        files={},
        costs=learned.metric.costs,
        references=tuple(_short_name(train.name(int(row)), "window" in subject.manifest) for row in kept),
        reference_targets=tuple(targets[kept].tolist()),
    )


def _short_name(name: str, is_text: bool) -> str:
    """The beginning of a text, or a file with its folder: where that lies is nobody's business."""
    return shortened(name) if is_text else "/".join(Path(name).parts[-2:])


def tensors(learned: Learned, references: npt.NDArray[np.float32], seed: int) -> dict[str, npt.NDArray[np.floating]]:
    """`weights.safetensors`: the head to go on training, and the training examples' embeddings, at most so many."""
    return {
        **learned.fitted.tensors(),
        "reference.embedding": references[_kept(len(references), seed)].astype(np.float16),
    }


def _kept(n: int, seed: int) -> npt.NDArray[np.int64]:
    """Which training examples are remembered, at most so many."""
    if n <= MOST_REFERENCES:
        return np.arange(n)
    return np.sort(stream(seed, "references").choice(n, MOST_REFERENCES, replace=False))
