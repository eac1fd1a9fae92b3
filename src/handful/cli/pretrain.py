"""`handful pretrain`: a backbone from unlabelled images or texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from handful.cli.output import AsJson, Jobs, Seed, Terminal, percent, show, show_json, table


def pretrain(
    data: Annotated[
        Path,
        typer.Argument(help="Folder of images, at any depth, or with unlabelled/ in it; table or folder of texts."),
    ],
    out: Annotated[Path, typer.Option(help="The backbone's folder; a backbone that stands there is replaced.")],
    method: Annotated[
        str | None,
        typer.Option(help="simclr (usual), vicreg, autoencoder or masked; of texts masked-language."),
    ] = None,
    start: Annotated[
        str, typer.Option("--from", help="small: a network for 24 to 96 px, from nothing; or efficientnet-lite0.")
    ] = "small",
    size: Annotated[int | None, typer.Option(help="Of the pictures it is shown, in pixels; 32 for small.")] = None,
    budget: Annotated[str, typer.Option(help="A ceiling: 15m or 1h; or 400steps, which gives the same bytes.")] = "15m",
    labels: Annotated[
        Path | None, typer.Option(help="Labelled images, to see how it gets on; it does not learn from them.")
    ] = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Make a backbone from images or texts without labels.

    Run it again to go on after an interruption.
    """
    from handful.core.errors import JobError
    from handful.tasks.pretraining.pretrain import pretrain as begin
    from handful.tasks.pretraining.settings import Settings

    settings = Settings(method, start, size, budget, labels, seed, jobs)
    try:
        result = begin(data, settings, out, Terminal())
    except KeyboardInterrupt as stop:
        again = "run it again: it goes on from its last checkpoint, if there is one yet"
        raise JobError("interrupted", str(out), again) from stop
    if as_json:
        show_json(result)
    else:
        _report(result)


def _report(result: dict[str, Any]) -> None:
    from handful.core.words import count

    for note in result["notes"]:
        show(f"note: {note}", indent=2)
    if result["curve"]:
        rows = [
            (str(row["step"]), f"{percent(row['accuracy'])} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]")
            for row in result["curve"]
        ]
        for line in table(rows, ("steps", "exact probe, leave-one-out")):
            show(line)
        show()
    learned = f"{count(result['steps'], 'step')}, {result['epochs']} epochs of {count(result['n'], result['called'])}"
    show(f"learned   {learned}; loss {result['loss'][0]:.3g} to {result['loss'][1]:.3g}", indent=10)
    show(f"backbone  {result['backbone']}, in {result['seconds']:.0f} s")
    show(f"next      handful fit DATA --backbone {result['backbone']} --out MODEL")
