"""`handful compare`: the paired difference of two models."""

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
    say,
    show,
    show_json,
    signed,
    with_interval,
)


def compare(
    first: Annotated[Path, typer.Argument(help="A model folder.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    data: Annotated[Path, typer.Argument(help="Labelled photos or texts that neither has seen.")],
    metric: Metric = "accuracy",
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Compare two models on the same photos or texts."""
    from handful.bundle.model import load
    from handful.evaluate.metric_names import check_metric
    from handful.tasks.evaluation import compare_models, read_labelled

    check_metric(metric)
    models = load(first), load(second)
    labelled, notes = read_labelled(models[0], data)
    for note in notes:
        say(f"note: {note}")
    result = compare_models(*models, labelled, metric, seed, jobs, Terminal())
    if any(result["leaked"]):
        numbers = " and ".join(map(str, result["leaked"]))
        say(f"warning: left out {models[0].inputs.kind}s the models were made from: {numbers}")
    if as_json:
        show_json(result)
        return
    for which in ("first", "second"):
        show(f"{result[which]['model']:30} {with_interval(result[which])}")
    unit = result["gain_unit"]
    gain, low, high = (signed(result["difference"][end], unit) for end in ("value", "low", "high"))
    show(f"{'gain of the second':30} {gain} {unit} [{low}, {high}]")
    show(f"{'verdict':30} {result['verdict']}")
