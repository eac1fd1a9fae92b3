"""`handful fit`: from labelled photos to a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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


def fit(
    data: Annotated[Path, typer.Argument(help="Folder class/photo.jpg (or train/, test/), or a table image,label.")],
    out: Annotated[Path, typer.Option(help="The model folder; a model that stands there is replaced.")],
    test: Annotated[Path | None, typer.Option(help="Labelled photos to test on, never trained on.")] = None,
    unlabelled: Annotated[Path | None, typer.Option(help="Photos without labels.")] = None,
    task: Annotated[str | None, typer.Option(help="image-classification, the only one so far.")] = None,
    backbone: Annotated[
        str, typer.Option(help="efficientnet-lite0, @160 for smaller pictures, or a folder.")
    ] = "efficientnet-lite0",
    recipe: Annotated[str, typer.Option(help="auto, or probe: frozen features alone.")] = "auto",
    augment: Annotated[str, typer.Option(help="auto, a policy (none, flips, light ...), or rotate=15,...")] = "auto",
    budget: Annotated[str, typer.Option(help="A ceiling: 5m, 90s or 40fits.")] = "5m",
    metric: Metric = "accuracy",
    seed: Seed = 0,
    jobs: Jobs = None,
    engine: Annotated[str, typer.Option(help="local, the only one so far.")] = "local",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse data with unreadable files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a model from labelled photos, with an honest score."""
    from handful.bundle.save import check_destination
    from handful.core.errors import UsageError
    from handful.data.readers import read
    from handful.tasks.fit_images import TASK, Settings, fit_images

    _check_supported("--task", task, TASK.replace(" ", "-"))
    _check_supported("--engine", engine, "local")
    check_destination(out)
    if out.resolve().is_relative_to(data.resolve()):
        raise UsageError("the model would lie among the photos", str(out), "choose an --out elsewhere")
    settings = Settings(backbone, recipe, augment, budget, checked_metric(metric), seed=seed, jobs=jobs, strict=strict)
    splits, terminal = read(data, test=test, unlabelled=unlabelled), Terminal()
    for note in splits.notes:
        terminal.note(note)
    if splits.unlabelled is not None:
        terminal.note(f"{len(splits.unlabelled)} unlabelled photos are left aside: no recipe learns from them yet")
    metrics = fit_images(splits, settings, data.resolve().name, terminal).save(out)
    if as_json:
        show_json(metrics)
    else:
        _report(metrics, out)


def _check_supported(option: str, asked: str | None, supported: str) -> None:
    from handful.core.errors import UsageError

    if asked is not None and asked.replace("_", "-") != supported:
        raise UsageError(f"{asked!r} is not supported yet", option, f"supported is {supported}")


def _report(metrics: dict[str, Any], out: Path) -> None:
    from handful.core.words import count

    findings = metrics["audit"]["findings"]
    for finding in findings:
        show(f"{finding['severity']}: {finding['message']}", indent=2)
    if findings:
        show()
    score, majority = metrics["score"], metrics["majority"]
    if score:
        show(f"{score['metric'].replace('_', ' '):18} {with_interval(score)}  (cross-validated)")
    else:
        show(f"no score: {metrics['score_missing']}", indent=2)
    if metrics["test_score"]:
        leaked = f", {metrics['test']['leaked']} leaked left out" if metrics["test"]["leaked"] else ""
        show(f"{'on the test set':18} {with_interval(metrics['test_score'])}{leaked}")
    show(f"{'always guessing':18} {percent(majority['value'])}  ({majority['class']})")
    show(f"{'recipe':18} {metrics['recipe']['description']}", indent=19)
    if metrics["evidence"]:
        show()
        for line in table(_evidence(metrics["evidence"]), ("technique", "on", "gain, points", "verdict")):
            show(line)
        show()
    if metrics.get("n_candidates_skipped"):
        show(f"{count(metrics['n_candidates_skipped'], 'recipe')} not tried: the budget was spent", indent=2)
    for answer in (metrics["learning_curve"] or {}).get("answers", []):
        show(f"for {100 * answer['target']:.0f} %: {answer['say']}", indent=2)
    show()
    show(f"model   {out} ({metrics['model_bytes'] / 1e6:.1f} MB), in {metrics['seconds']:.0f} s")
    show(f"report  {out / 'report.html'}")
    show(f"next    handful predict {out} PHOTO...")


def _evidence(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            row["technique"],
            "on" if row["on"] else "off",
            f"{_signed(row['gain'])} [{_signed(row['low'])}, {_signed(row['high'])}]",
            row["verdict"],
        )
        for row in rows
    ]


def _signed(points: float) -> str:
    """Never -0.0.

    Example:
        >>> _signed(-0.04), _signed(3.14)
        ('+0.0', '+3.1')
    """
    return f"{round(points, 1) + 0.0:+.1f}"
