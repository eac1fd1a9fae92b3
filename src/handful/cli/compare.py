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
    checked_metric,
    say,
    show,
    show_json,
    with_interval,
)


def compare(
    first: Annotated[Path, typer.Argument(help="A model folder.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    data: Annotated[Path, typer.Argument(help="Labelled photos that neither has seen.")],
    metric: Metric = "accuracy",
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Compare two models on the same photos."""
    from handful.bundle.model import load
    from handful.data.readers import read_test
    from handful.tasks.evaluate_images import compare_images

    models = load(first), load(second)
    labelled = read_test(data, models[0].classes)
    result = compare_images(*models, labelled, checked_metric(metric), seed, jobs, Terminal())
    if any(result["leaked"]):
        say(f"warning: left out photos the models were made from: {' and '.join(map(str, result['leaked']))}")
    if as_json:
        show_json(result)
        return
    for which in ("first", "second"):
        show(f"{result[which]['model']:30} {with_interval(result[which])}")
    gap = result["difference"]
    show(f"{'second minus first':30} {gap['value']:+.1f} points [{gap['low']:+.1f}, {gap['high']:+.1f}]")
    show(f"{'verdict':30} {result['verdict']}")
