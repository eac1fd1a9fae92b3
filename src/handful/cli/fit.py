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
    guessed,
    show,
    show_json,
    signed,
    table,
    with_interval,
)

OTHER = 0.05  # from where what guessing scores on the test set is another figure


def fit(
    data: Annotated[Path, typer.Argument(help="Folder class/photo.jpg or class/*.txt, or a table image|text,label.")],
    out: Annotated[Path, typer.Option(help="The model folder; a model that stands there is replaced.")],
    test: Annotated[Path | None, typer.Option(help="Labelled examples to test on, never trained on.")] = None,
    unlabelled: Annotated[
        Path | None, typer.Option(help="Examples without labels, which help where labels are few.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="image-classification or text-classification; told from the data when not given.")
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="A name (efficientnet-lite0@160, all-minilm-l6-v2), a folder, or org/model on the hub.")
    ] = "",
    recipe: Annotated[str, typer.Option(help="auto, or probe: frozen features alone.")] = "auto",
    augment: Annotated[str, typer.Option(help="auto, a policy (none, flips, light ...), or rotate=15,...")] = "auto",
    budget: Annotated[str, typer.Option(help="A ceiling: 5m, 90s or 40fits.")] = "5m",
    metric: Metric = "accuracy",
    seed: Seed = 0,
    jobs: Jobs = None,
    engine: Annotated[str, typer.Option(help="local, or ray: folds on a Ray cluster.")] = "local",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse data with unreadable files.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a model from labelled photos or texts, with an honest score."""
    from handful.bundle.save import check_destination
    from handful.core.errors import UsageError
    from handful.evaluate.metric_names import metric_named
    from handful.tasks.fitting import Settings, check_settings
    from handful.tasks.tasks import task_of

    check_destination(out)
    if out.resolve().is_relative_to(data.resolve()):
        raise UsageError("the model would lie among the examples", str(out), "choose an --out elsewhere")
    settings = Settings(
        backbone, recipe, augment, budget, metric, seed=seed, jobs=jobs, engine=engine, strict=strict,
        offline=offline,
    )  # fmt: skip
    check_settings(settings)
    terminal = Terminal()
    chosen, why = task_of(data, task)
    if why:
        terminal.note(f"task: {chosen.name}, as {why}")
    splits = chosen.read(data, test, unlabelled)
    metric_named(metric, splits.train.classes)  # a cost matrix that makes no sense is refused before any work
    for note in splits.notes:
        terminal.note(note)
    if splits.unlabelled is not None and recipe == "probe":
        from handful.core.words import count

        pool = count(len(splits.unlabelled), "unlabelled example")
        terminal.note(f"{pool} left aside: a probe learns from labels alone")
    metrics = chosen.fit(splits, settings, data.resolve().name, terminal).save(out)
    if as_json:
        show_json(metrics)
    else:
        _report(metrics, out)


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
        if metrics["test"]["shift_note"]:
            show(f"warning: {metrics['test']['shift_note']}", indent=2)
    if metrics["score_note"]:
        show(f"note: {metrics['score_note']}", indent=2)
    show(f"{'always guessing':18} {guessed(majority, metrics['metric'])}{_guessed_there(metrics)}", indent=19)
    if floor := metrics.get("floor"):
        show(f"{floor['name'] + ' alone':18} {with_interval(floor['score'])}")
    show(f"{'recipe':18} {metrics['recipe']['description']}", indent=19)
    if pool := metrics.get("unlabelled"):
        show(f"{'unlabelled data':18} {'' if pool['in_recipe'] else 'not '}learned from by this recipe")
    for line in metrics.get("given_up", []):
        show(f"stopped early: {line}", indent=2)
    if metrics["evidence"]:
        show()
        head = ("technique", "on", f"gain, {metrics['gain_unit']}", "verdict")
        for line in table(_evidence(metrics["evidence"], metrics["gain_unit"]), head):
            show(line)
        show()
    if metrics.get("n_candidates_skipped"):
        skipped = count(metrics["n_candidates_skipped"], "recipe")
        show(f"{skipped} not tried: the budget would not have sufficed", indent=2)
    for answer in (metrics["learning_curve"] or {}).get("answers", []):
        show(f"for {100 * answer['target']:.0f} %: {answer['say']}", indent=2)
    show()
    show(f"model   {out} ({metrics['model_bytes'] / 1e6:.1f} MB), in {metrics['seconds']:.0f} s")
    show(f"report  {out / 'report.html'}")
    show(f"next    handful predict {out} {metrics['called'].removesuffix('s').upper()}...")


def _guessed_there(metrics: dict[str, Any]) -> str:
    """What guessing scores on the test set, where other shares of the classes make that another figure."""
    here, there = metrics["majority"], (metrics["test"] or {}).get("majority")
    if not there or here["value"] is None or there["value"] is None or abs(here["value"] - there["value"]) < OTHER:
        return ""
    return f"; on the test set {guessed(there, metrics['metric'])}"


def _evidence(rows: list[dict[str, Any]], unit: str) -> list[tuple[str, ...]]:
    return [
        (
            row["technique"],
            "on" if row["on"] else "off",
            f"{signed(row['gain'], unit)} [{signed(row['low'], unit)}, {signed(row['high'], unit)}]",
            row["verdict"],
        )
        for row in rows
    ]
