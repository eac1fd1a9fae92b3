"""`handful map`: a data set at one glance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from handful.cli.output import AsJson, Jobs, Seed, Terminal, percent, show, show_json

MOST_NAMED = 5


def map(  # noqa: A001 - the verb
    data: Annotated[Path, typer.Argument(help="A folder of images or texts, with class folders or without; a table.")],
    out: Annotated[Path, typer.Option(help="The picture, a PNG file, as wide as A4 at 300 dots per inch.")],
    rows: Annotated[int | None, typer.Option(min=1, help="Of cells; what suits the data by default.")] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Of cells.")] = None,
    grid: Annotated[Literal["rectangular", "hexagonal"], typer.Option(help="The shape of a cell.")] = "rectangular",
    torus: Annotated[
        bool, typer.Option("--torus", help="A map without an edge: the last row touches the first.")
    ] = False,
    passes: Annotated[int, typer.Option(min=1, help="How often the map is bent to the data.")] = 20,
    device: Annotated[Literal["cpu", "cuda", "auto"], typer.Option(help="Where the map is computed.")] = "cpu",
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Draw a map on which like lies beside like: clusters, labels in conflict, lonely examples."""
    from handful.tasks.mapping.map_data import Wish, map_data

    wish = Wish(rows, columns, grid, torus, passes, device, seed)
    result = map_data(data, out, wish, jobs, Terminal())
    if as_json:
        show_json(result)
    else:
        _report(result)


def _report(result: dict[str, Any]) -> None:
    from handful.core.words import count

    for problem in result["problems"][:MOST_NAMED]:
        show(f"note: left out: {problem['input']} ({problem['reason']})", indent=2)
    for note in result["notes"]:
        show(f"note: {note}", indent=2)
    labelled = f", {result['n_labelled']} with labels of {count(len(result['classes']), 'class', 'classes')}"
    called = {"table": "row"}.get(result["kind"], result["kind"])
    show(f"examples   {count(result['n'], called)}{labelled if result['classes'] else ', none labelled'}", indent=11)
    shape = "" if result["grid"] == "rectangular" else ", hexagonal"
    edge = ", without an edge" if result["torus"] else ""
    show(f"map        {result['map']}: {result['rows']} x {result['columns']} cells{shape}{edge}", indent=11)
    torn = percent(result["topographic_error"])
    show(f"fit        quantization error {result['quantization_error']:.3f}, topographic error {torn}", indent=11)
    if result["classes"]:
        show(f"conflicts  {_listed([_place(each) for each in result['conflicts']], 'cell')}", indent=11)
    show(f"lonely     {_listed([each['input'] for each in result['lonely']], 'example')}", indent=11)


def _listed(names: list[str], one: str) -> str:
    from handful.core.words import count

    few = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
    return f"{count(len(names), one)}: {few}" if names else "none"


def _place(cell: dict[str, int]) -> str:
    return f"row {cell['row']} column {cell['column']}"
