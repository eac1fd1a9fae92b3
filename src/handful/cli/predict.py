"""`handful predict`: what a model says of photos; streams, so that any number of them fits into memory."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from handful.cli.output import AsJson, Jobs, Seed, Terminal, say

FIELDS = ("input", "label", "probability", "set", "abstain", "unfamiliar")


def predict(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    inputs: Annotated[list[str], typer.Argument(help="Photos, folders of photos, or patterns like 'photos/*.jpg'.")],
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write a table instead; - for standard output.")
    ] = None,
    coverage: Annotated[float, typer.Option(help="How often the set should hold the truth.")] = 0.9,
    seed: Seed = 0,  # noqa: ARG001 - every verb has it; nothing here is random
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Name what is on photos: label, probability, prediction set, and whether to trust it."""
    from handful.bundle.model import load
    from handful.core.words import count
    from handful.data.readers import read_inputs

    files = read_inputs(inputs)
    loaded = load(model)
    if loaded.limit(coverage) is None:
        say(f"note: no prediction sets: {len(loaded.manifest.conformal_scores)} examples are too few for {coverage:g}")
    problems: list[dict[str, str]] = []
    records = _records(loaded.stream(files, coverage, jobs), len(files), problems)
    if as_json:
        _print_json(records, problems)
    elif csv_file is not None:
        _write_csv(records, csv_file)
        say(f"wrote {csv_file}: {count(len(files) - len(problems), 'prediction')}")
    else:
        for record in records:
            print(_line(record))  # noqa: T201 - one line an input, however long its path


def _records(stream: Any, total: int, problems: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """One record a readable input, as they come; what cannot be read is named on standard error and noted.

    Raises:
        DataError: when nothing could be read.
    """
    from handful.core.errors import DataError

    with Terminal().track("predicting", total) as done:
        for predictions, failed in stream:
            for problem in failed:
                say(f"warning: skipped {problem.name}: {problem.reason}")
                problems.append({"input": problem.name, "reason": problem.reason})
            if predictions:
                yield from predictions.records()
            done(len(failed) + (len(predictions) if predictions else 0))
    if len(problems) == total:
        what = f"none of the {total} inputs can be read: {problems[0]['reason']}"
        raise DataError(what, problems[0]["input"], "check that these are image files")


def _print_json(records: Iterator[dict[str, Any]], problems: list[dict[str, str]]) -> None:
    """One object on one line, written as the records come; nothing when there are none."""
    out = sys.stdout
    for at, record in enumerate(records):
        out.write((", " if at else '{"predictions": [') + json.dumps(record, ensure_ascii=False))
    out.write(f'], "problems": {json.dumps(problems, ensure_ascii=False)}}}\n')


def _write_csv(records: Iterator[dict[str, Any]], path: Path) -> None:
    from handful.core.files import replaced_file

    with nullcontext(sys.stdout) if str(path) == "-" else replaced_file(path) as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for record in records:
            writer.writerow({**record, "set": "|".join(record["set"]) if record["set"] is not None else ""})


def _line(record: dict[str, Any]) -> str:
    line = f"{record['input']}  {record['label']}  {100 * record['probability']:.0f} %"
    if record["unfamiliar"]:
        return f"{line}  unlike anything seen in training"
    if record["set"] is not None and len(record["set"]) != 1:
        return f"{line}  unsure: {' or '.join(record['set'])}"
    return line
