"""`handful check`: what is wrong with the data."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from handful.cli.output import AsJson, Jobs, Seed, Terminal, show, show_json


def check(
    data: Annotated[Path, typer.Argument(help="Folder class/photo.jpg (or train/, test/), or a table image,label.")],
    test: Annotated[Path | None, typer.Option(help="Labelled photos to test on: do they leak?")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write every finding's examples to a table.")] = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Find unreadable, repeated, contradictory, leaking, rare and likely mislabelled photos."""
    from handful.data.readers import read
    from handful.tasks.check_images import check_images

    result = check_images(read(data, test=test), seed=seed, jobs=jobs, progress=Terminal())
    if csv_file is not None:
        _write_csv(result["findings"], csv_file)
    if as_json:
        show_json(result)
        return
    counts = ", ".join(f"{name} {count}" for name, count in list(result["counts"].items())[:12])
    more = ", ..." if len(result["counts"]) > 12 else ""
    show(f"{result['n']} labelled photos of {len(result['classes'])} classes: {counts}{more}", indent=2)
    show(f"{result['n_test']} to test on, {result['n_unlabelled']} unlabelled")
    for note in result["notes"]:
        show(f"note: {note}")
    for finding in result["findings"]:
        show(f"{finding['severity']}: {finding['message']}", indent=2)
    if not result["findings"]:
        show("nothing found that would spoil a model")


def _write_csv(findings: list[dict[str, Any]], path: Path) -> None:
    from handful.core.files import replaced_file

    with replaced_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(("kind", "severity", "name", "message"))
        for finding in findings:
            for name in finding["names"] or ("",):
                writer.writerow((finding["kind"], finding["severity"], name, finding["message"]))
