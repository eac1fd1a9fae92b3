"""What a finished model scores on labelled photos or texts, and how two models compare on the same ones."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.bundle.model import DEFAULT_COVERAGE, Model
from handful.core.errors import DataError, UsageError
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.data.dataset import Dataset
from handful.data.images import Problem
from handful.data.readers import read_test
from handful.data.text_inputs import shortened
from handful.data.texts import read_texts_to_test
from handful.evaluate.arrays import Floats, Ints
from handful.evaluate.intervals import wilson
from handful.evaluate.metric_names import metric_named
from handful.tasks.estimate import majority, probability_sections, tested_sections


def read_labelled(model: Model, path: str | Path) -> tuple[Dataset, tuple[str, ...]]:
    """Read labelled examples of the model's kind and classes, and what the reader did that the user should know.

    Raises:
        DataError: when an example is of another class, or of another kind.
    """
    if model.inputs.kind == "text":
        return read_texts_to_test(path, model.classes)
    return read_test(path, model.classes), ()


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


def evaluate_model(
    model: Model,
    data: Dataset,
    metric: str | npt.ArrayLike = "accuracy",
    seed: int = 0,
    jobs: int | None = None,
    strict: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Score the answers of a model; keys as of `fit`, and what share it abstained on or found unfamiliar.

    Args:
        metric: A name, or a cost matrix, as `metric_named` takes it; the answers stay those of the model.
    """
    start = time.perf_counter()
    plain = metric_named(metric, model.classes)
    judge = plain.deciding_by(model.manifest.costs)
    tested = predict_labelled(model, data, jobs, strict, progress)
    targets, classes = tested.targets, model.classes
    sections = tested_sections(tested.probabilities, targets, tested.units, classes, judge, seed)
    counts = np.bincount(targets, minlength=len(classes))
    return {
        "task": model.manifest.task,
        "n": len(targets),
        "classes": list(classes),
        "counts": dict(zip(classes, counts.tolist(), strict=True)),
        **sections,
        "test_score": sections["score"],
        **probability_sections(tested.probabilities, targets, len(classes), judge),
        "majority": majority(targets, classes, plain),
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


def compare_models(
    first: Model,
    second: Model,
    data: Dataset,
    metric: str | npt.ArrayLike = "accuracy",
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """How much better the second of two models does on the same examples, in the unit of the metric.

    Args:
        metric: As of `evaluate_model`; each model keeps its answers.
    """
    if first.inputs.kind != second.inputs.kind:
        what = f"one model is for {first.inputs.kind}s, the other for {second.inputs.kind}s"
        raise UsageError(what, remedy="compare models of the same kind")
    if first.classes != second.classes:
        raise UsageError(
            f"the models know different classes: {', '.join(first.classes)} and {', '.join(second.classes)}",
            remedy="compare models of the same classes",
        )
    judges = [metric_named(metric, model.classes).deciding_by(model.manifest.costs) for model in (first, second)]
    tested = [predict_labelled(model, data, jobs, False, progress) for model in (first, second)]
    shared = np.intersect1d(tested[0].rows, tested[1].rows)
    if not len(shared):
        raise DataError("every example is one that a model was made from", _first(data), "give new ones")
    places = [np.searchsorted(each.rows, shared) for each in tested]
    targets, units = tested[0].targets[places[0]], tested[0].units[places[0]]
    found = [each.probabilities[place] for each, place in zip(tested, places, strict=True)]
    judged = list(zip(judges, found, strict=True))
    scores = [tested_sections(each, targets, units, first.classes, judge, seed)["score"] for judge, each in judged]
    before, after = (judge.contributions(targets, each) for judge, each in judged)
    answers = [judge.decide(each) for judge, each in judged]
    difference = judges[0].difference(before, after, targets, units, stream(seed, "compare"))
    if difference is None:
        raise DataError(str(judges[0].note(targets, first.classes)), _first(data), "give examples of other classes too")
    unit = judges[0].in_units
    low, high = unit * difference.low, unit * difference.high
    verdict = "the second is better" if low > 0 else "the first is better" if high < 0 else "cannot tell"
    return {
        "task": first.manifest.task,
        "n": len(targets),
        "metric": judges[0].name,
        "first": {"model": first.name, **scores[0]},
        "second": {"model": second.name, **scores[1]},
        "difference": {"value": unit * difference.value, "low": low, "high": high},
        "gain_unit": judges[0].unit,
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
        for batch in model.inputs.batches(data.inputs, jobs):
            problems += batch.problems
            if strict and problems:
                raise model.inputs.error(problems[0])
            rows.append(batch.rows)
            parts.append(model.run(batch))
            done(len(batch.rows) + len(batch.problems))
    read = np.concatenate(rows)
    if not len(read):
        what = f"none of the {len(data)} {model.inputs.kind}s can be read"
        raise DataError(what, problems[0].name, model.inputs.remedy)
    probabilities, embedding = (np.concatenate(column) for column in zip(*parts, strict=True))
    leaked = model.seen([data.inputs[row] for row in read], embedding)
    kept = ~leaked
    if not kept.any():
        raise DataError(f"all {len(read)} examples are ones the model was made from", _first(data), "give new ones")
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


def _first(data: Dataset) -> str:
    return shortened(data.name(0))


def _share(flags: npt.NDArray[np.bool_]) -> dict[str, Any]:
    return asdict(wilson(float(flags.sum()), len(flags)))
