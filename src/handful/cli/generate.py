"""`handful generate`: new images like those of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from handful.cli.output import AsJson, Jobs, Seed, Terminal, show, show_json

TAB = 12
MEASURES = (  # what is printed: the key, times what, how many digits, and what it means
    ("kernel", 1, ".3f", ""),
    ("frechet", 1, ".0f", ""),
    ("precision", 100, ".0f", " % lie among real ones"),
    ("recall", 100, ".0f", " % of the real ones lie among them"),
)
CLEAR = 0.75  # of the nearest real images: an interval that ends below shows that few samples are copies


def generate(
    data: Annotated[Path, typer.Argument(help="Folder class/photo.png, or a table of images; up to 64 pixels.")],
    count: Annotated[int, typer.Option(min=1, help="New images of each class.")],
    out: Annotated[Path, typer.Option(help="Folder for them, CLASS/generated-1.png and so on.")],
    sheet: Annotated[Path | None, typer.Option(help="Draw samples into a PNG file, again and again.")] = None,
    size: Annotated[int | None, typer.Option(min=8, max=64, help="Shrink the images to this side first.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="That the GAN learns for; more for more images.")] = 3000,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Learn to paint images like these (a GAN), paint some, and say how real they are."""
    from handful.core.errors import JobError
    from handful.tasks.generating import Settings, generate_images

    how = Settings(count, size, steps, seed=seed, jobs=jobs)
    try:
        result = generate_images(data, out, how, sheet, Terminal())
    except KeyboardInterrupt as stop:
        left = "the sheet is as it was last drawn" if sheet and sheet.exists() else "run it again"
        raise JobError("interrupted; no images were written", str(out), left) from stop
    if as_json:
        show_json(result)
    else:
        _report(result)


def _report(result: dict[str, Any]) -> None:
    for note in result["notes"]:
        show(f"note: {note}", indent=2)
    side, n_classes = result["size"], len(result["classes"])
    show(f"learned     from {result['n']} images of {n_classes} classes, {side} x {side}, {result['steps']} steps", TAB)
    show(f"generated   {result['out']}: {result['count']} of each class", TAB)
    if result["sheet"]:
        show(f"sheet       {result['sheet']}", TAB)
    if result["distances"]:
        _say_distances(result)


def _say_distances(result: dict[str, Any]) -> None:
    found, real, copied = result["distances"], result["real_distances"], result["memorising"]
    beside = "; in round brackets what real images reach" if real else ""
    show(f"against     {result['against']}, {found['n']} against as many{beside}", TAB)
    for name, unit, digits, meaning in MEASURES:
        value, low, high = (unit * found[name][key] for key in ("value", "low", "high"))
        of_real = f" ({unit * real[name]['value']:{digits}})" if real else ""
        show(f"{name:12}{value:{digits}} [{low:{digits}}, {high:{digits}}]{of_real}{meaning}", TAB)
    if copied:
        interval = f"{copied['value']:.2f} [{copied['low']:.2f}, {copied['high']:.2f}]"
        unclear = "no sign that it memorises" if copied["high"] < CLEAR else "cannot tell"
        verdict = "it memorises in part" if copied["low"] > 0.5 else unclear
        show(f"memorising  {interval}, 0.50 where nothing is copied: {verdict}", TAB)
