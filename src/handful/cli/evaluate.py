"""`handful evaluate`: what a model scores on labelled photos."""

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
    checked_metric,
    percent,
    show,
    show_json,
    table,
    with_interval,
)


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    data: Annotated[Path, typer.Argument(help="Labelled photos the model has not seen.")],
    metric: Metric = "accuracy",
    seed: Seed = 0,
    jobs: Jobs = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse data with unreadable files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a model on labelled photos, with the interval."""
    from handful.bundle.model import load
    from handful.data.readers import read_test
    from handful.tasks.evaluate_images import evaluate_images

    loaded = load(model)
    metrics = evaluate_images(
        loaded, read_test(data, loaded.classes), checked_metric(metric), seed, jobs, strict, Terminal()
    )
    if as_json:
        show_json(metrics)
        return
    for problem in metrics["problems"]:
        show(f"warning: left out {problem['input']}: {problem['reason']}")
    if metrics["leaked"]:
        show(f"warning: left out {metrics['leaked']} photos that the model was made from")
    for score in metrics["scores"].values():
        show(f"{score['metric'].replace('_', ' '):18} {with_interval(score)}")
    show(f"{'always guessing':18} {percent(metrics['majority']['value'])}  ({metrics['majority']['class']})")
    if metrics["coverage"]:
        show(f"{'90 % sets cover':18} {with_interval(metrics['coverage'])}")
    show(f"{'abstains on':18} {with_interval(metrics['abstained'])}")
    show()
    rows = [(row["class"], with_interval(row["recall"])) for row in metrics["per_class"] if row["recall"] is not None]
    for line in table(rows, ("class", "recall")):
        show(line)
