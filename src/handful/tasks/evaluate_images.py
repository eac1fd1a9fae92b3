"""What a finished model scores on labelled photos, and how two models compare on the same ones."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.bundle.model import BATCH_SIZE, DEFAULT_COVERAGE, Model
from handful.core.errors import DataError, ImageError, UsageError
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.data.dataset import Dataset
from handful.data.images import Problem, decode_stream
from handful.evaluate.arrays import Averaging, Floats, Ints
from handful.evaluate.comparison import paired_difference
from handful.evaluate.intervals import wilson
from handful.tasks.estimate import majority, probability_sections, score_sections

SAME = 5e-3  # distance of embeddings below which an example is one that the model was made from


@dataclass(frozen=True)
class Tested:
    """Predictions for labelled examples.

    Args:
        rows: Which of the examples these are, ascending, shape (n,).
        targets: Class indices, shape (n,).
        units: What is drawn together, shape (n,).
        probabilities: Shape (n, n_classes).
        covered: Whether the truth was in the prediction set, shape (n,); None when the model promises no sets.
        abstained: Shape (n,).
        unfamiliar: Shape (n,).
        n_leaked: Examples that the model was made from, left out.
        problems: What could not be read.
    """

    rows: Ints
    targets: Ints
    units: Ints
    probabilities: Floats
    covered: npt.NDArray[np.bool_] | None
    abstained: npt.NDArray[np.bool_]
    unfamiliar: npt.NDArray[np.bool_]
    n_leaked: int
    problems: tuple[Problem, ...]


def evaluate_images(
    model: Model,
    data: Dataset,
    metric: Averaging = "accuracy",
    seed: int = 0,
    jobs: int | None = None,
    strict: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Score a model; keys as of `fit`, and what share of examples it abstained on or found unfamiliar."""
    start = time.perf_counter()
    tested = predict_labelled(model, data, jobs, strict, progress)
    targets, classes = tested.targets, model.classes
    correct = (tested.probabilities.argmax(axis=1) == targets).astype(np.float64)
    sections = score_sections(correct, targets, tested.units, classes, metric, seed)
    counts = np.bincount(targets, minlength=len(classes))
    return {
        "task": model.manifest.task,
        "n": len(targets),
        "classes": list(classes),
        "counts": dict(zip(classes, counts.tolist(), strict=True)),
        **sections,
        "test_score": sections["score"],
        **probability_sections(tested.probabilities, targets, len(classes)),
        "majority": majority(targets, classes, metric),
        "coverage": None if tested.covered is None else {"asked": DEFAULT_COVERAGE, **_share(tested.covered)},
        "abstained": _share(tested.abstained),
        "unfamiliar": _share(tested.unfamiliar),
        "leaked": tested.n_leaked,
        "n_unreadable": len(tested.problems),
        "problems": [{"input": problem.name, "reason": problem.reason} for problem in tested.problems],
        "recipe": model.manifest.recipe,
        "evidence": [],
        "seconds": time.perf_counter() - start,
        "model": model.name,
    }


def compare_images(
    first: Model,
    second: Model,
    data: Dataset,
    metric: Averaging = "accuracy",
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """The paired difference of two models, second minus first, in percentage points, on the same examples."""
    if first.classes != second.classes:
        raise UsageError(
            f"the models know different classes: {', '.join(first.classes)} and {', '.join(second.classes)}",
            remedy="compare models of the same classes",
        )
    tested = [predict_labelled(model, data, jobs, False, progress) for model in (first, second)]
    shared = np.intersect1d(tested[0].rows, tested[1].rows)
    if not len(shared):
        raise DataError("every example is one that a model was made from", data.name(0), "give new ones")
    places = [np.searchsorted(each.rows, shared) for each in tested]
    targets, units = tested[0].targets[places[0]], tested[0].units[places[0]]
    answers = [each.probabilities[place].argmax(axis=1) for each, place in zip(tested, places, strict=True)]
    correct = [(answer == targets).astype(np.float64) for answer in answers]
    scores = [score_sections(right, targets, units, first.classes, metric, seed)["score"] for right in correct]
    difference = paired_difference(correct[0], correct[1], targets, units, metric, stream(seed, "compare"))
    low, high = 100 * difference.low, 100 * difference.high
    verdict = "the second is better" if low > 0 else "the first is better" if high < 0 else "cannot tell"
    return {
        "task": first.manifest.task,
        "n": len(targets),
        "metric": metric,
        "first": {"model": first.name, **scores[0]},
        "second": {"model": second.name, **scores[1]},
        "difference": {"value": 100 * difference.value, "low": low, "high": high},
        "agreement": _share(answers[0] == answers[1]),
        "leaked": [each.n_leaked for each in tested],
        "verdict": verdict,
    }


def predict_labelled(model: Model, data: Dataset, jobs: int | None, strict: bool, progress: Progress) -> Tested:
    """Predict labelled examples in batches; leaves out what cannot be read and what the model was made from."""
    if data.targets is None:
        raise DataError("these examples have no labels", remedy="give labelled examples")
    rows: list[Ints] = []
    problems: list[Problem] = []
    parts: list[tuple[Floats, npt.NDArray[np.float32]]] = []
    with progress.track("predicting", len(data)) as done:
        for batch in decode_stream(data.inputs, model.manifest.size, BATCH_SIZE, jobs):
            problems += batch.problems
            if strict and problems:
                raise ImageError(problems[0].reason, problems[0].name, "replace or remove it")
            if len(batch.rows):
                rows.append(batch.rows)
                parts.append(model.run(batch.pixels))
            done(len(batch.rows) + len(batch.problems))
    if not rows:
        raise DataError(f"none of the {len(data)} images can be read", data.name(0), "check that these are image files")
    read = np.concatenate(rows)
    probabilities, embedding = (np.concatenate(column) for column in zip(*parts, strict=True))
    leaked = model.nearest(embedding) < SAME
    kept = ~leaked
    if not kept.any():
        raise DataError(f"all {len(read)} examples are ones the model was made from", data.name(0), "give new ones")
    judged = model.judge(probabilities[kept], embedding[kept], [""] * int(kept.sum()))
    targets = data.targets[read[kept]]
    covered = None if judged.sets is None else judged.sets[np.arange(len(targets)), targets]
    groups = None if data.groups is None else data.groups[read[kept]]
    units = np.arange(len(targets)) if groups is None else np.unique(groups, return_inverse=True)[1]
    return Tested(
        read[kept],
        targets,
        units,
        judged.probabilities,
        covered,
        judged.abstain,
        judged.unfamiliar,
        int(leaked.sum()),
        tuple(problems),
    )


def _share(flags: npt.NDArray[np.bool_]) -> dict[str, Any]:
    return asdict(wilson(float(flags.sum()), len(flags)))
