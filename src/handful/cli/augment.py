"""`handful augment`: what a policy does to the data, as a sheet to look at or as an augmented data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from handful.cli.output import AsJson, Jobs, Seed, Terminal, show, show_json


def augment(
    data: Annotated[Path, typer.Argument(help="Folder class/photo.jpg (or train/, test/), or a COCO folder.")],
    sheet: Annotated[Path | None, typer.Option(help="Draw a few originals and their copies into a PNG file.")] = None,
    copies: Annotated[int | None, typer.Option(min=1, help="Augmented copies of each training image.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the augmented data set; goes with --copies.")] = None,
    policy: Annotated[
        str, typer.Option(help="none, flips, light, standard, strong, document, scan, trivial, or rotate=15,flip_h=0.5")
    ] = "standard",
    implant: Annotated[int, typer.Option(min=0, help="Objects to put on each copy; COCO folders only.")] = 0,
    cutouts: Annotated[
        Path | None, typer.Option(help="Folder CLASS/x.png with alpha to implant; by default the data's own objects.")
    ] = None,
    originals: Annotated[bool, typer.Option("--originals/--no-originals", help="Keep them beside the copies.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse data with unreadable files.")] = False,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Show what an augmentation does, or write an augmented data set.

    Only the training part is augmented. Run it again to go on after an interruption.
    """
    _check(sheet, copies, out)
    from handful.core.errors import JobError
    from handful.tasks.augmenting.data_set import Settings, augment_data
    from handful.tasks.augmenting.how import Wish
    from handful.tasks.augmenting.sheet import augment_sheet
    from handful.tasks.augmenting.source import read_source

    wish = Wish(policy, seed, implant, cutouts)
    if sheet is not None:
        result = augment_sheet(read_source(data), sheet, wish, Terminal())
    elif copies is not None and out is not None:
        try:
            result = augment_data(read_source(data), out, wish, Settings(copies, originals, jobs, strict), Terminal())
        except KeyboardInterrupt as stop:
            raise JobError("interrupted", str(out), "run it again: it goes on where it stopped") from stop
    if as_json:
        show_json(result)
    else:
        _report(result)


def _check(sheet: Path | None, copies: int | None, out: Path | None) -> None:
    from handful.core.errors import UsageError

    if sheet is not None and (copies is not None or out is not None):
        raise UsageError("a sheet and copies are two jobs", "--sheet", "leave out --copies and --out, or --sheet")
    if sheet is None and copies is None:
        raise UsageError(
            "what to make is not said", "--sheet, --copies", "write --sheet FILE.png, or --copies 5 --out DIR"
        )
    if sheet is None and out is None:
        raise UsageError("where the copies should go is not said", "--out", "write --out DIR")


def _report(result: dict[str, Any]) -> None:
    from handful.core.words import count

    for note in result["notes"]:
        show(f"note: {note}", indent=2)
    if result["notes"]:
        show()
    named = "" if "=" in result["policy"] else f"{result['policy']}: "
    show(f"policy  {named}{result['operations'].replace(',', ', ') or 'nothing happens'}", indent=8)
    originals = count(result["n"], "original")
    if "sheet" in result:
        show(f"sheet   {result['sheet']}: {originals} with {count(result['copies'], 'copy', 'copies')} each", indent=8)
        return
    there = f", {result['skipped']} were there" if result["skipped"] else ""
    show(f"copies  {result['written']} written{there}, of {originals}", indent=8)
    if boxes := result["boxes"]:
        implanted = f"; {boxes['implanted']} implanted" if boxes["implanted"] else ""
        show(f"boxes   {boxes['clipped']} of {boxes['n']} clipped, {boxes['lost']} dropped{implanted}", indent=8)
    show(f"data    {result['out']}, in {result['seconds']:.0f} s")
