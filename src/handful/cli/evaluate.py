"""`handful evaluate`: what a model scores on labelled photos or texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli.output import (
    AsJson,
    Jobs,
    Metric,
    Seed,
    Terminal,
    guessed,
    say,
    show,
    show_json,
    table,
    with_interval,
)


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    data: Annotated[Path, typer.Argument(help="Labelled photos or texts the model has not seen.")],
    metric: Metric = "accuracy",
    seed: Seed = 0,
    jobs: Jobs = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse data with unreadable examples.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a model on labelled photos or texts, with the interval."""
    from handful.bundle.model import load
    from handful.core.words import count
    from handful.evaluate.metric_names import metric_named
    from handful.tasks.evaluation import evaluate_model, read_labelled

    loaded = load(model)
    asked = metric_named(metric, loaded.classes)
    labelled, notes = read_labelled(loaded, data)
    for note in notes:
        say(f"note: {note}")
    metrics = evaluate_model(loaded, labelled, metric, seed, jobs, strict, Terminal())
    if as_json:
        show_json(metrics)
        return
    for problem in metrics["problems"]:
        show(f"warning: left out {problem['input']}: {problem['reason']}")
    if metrics["leaked"]:
        show(f"warning: left out {count(metrics['leaked'], loaded.inputs.kind)} that the model was made from")
    for score in filter(None, metrics["scores"].values()):
        show(f"{score['metric'].replace('_', ' '):18} {with_interval(score)}")
    if metrics["score_note"]:
        show(f"note: {metrics['score_note']}")
    show(f"{'always guessing':18} {guessed(metrics['majority'], asked.name)}")
    if metrics["coverage"]:
        show(f"{'90 % sets cover':18} {with_interval(metrics['coverage'])}")
    show(f"{'abstains on':18} {with_interval(metrics['abstained'])}")
    show()
    rows = [(row["class"], with_interval(row["recall"])) for row in metrics["per_class"] if row["recall"] is not None]
    for line in table(rows, ("class", "recall")):
        show(line)
