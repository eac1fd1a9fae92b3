"""`handful predict`: what a model says of photos or texts; streams, so that any number of photos fits into memory."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handful.cli.output import AsJson, Jobs, Seed, Terminal, say, show

if TYPE_CHECKING:
    from handful.bundle.model import Model

FIELDS = ("input", "label", "probability", "set", "abstain", "unfamiliar")


def predict(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Photos, folders of photos, or patterns like 'photos/*.jpg'. For texts: .txt files, folders of them, "
            "tables with a column text, or - for standard input."
        ),
    ] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="A text itself; may be repeated.")] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write a table instead; - for standard output.")
    ] = None,
    coverage: Annotated[float, typer.Option(help="How often the set should hold the truth.")] = 0.9,
    why: Annotated[
        Path | None,
        typer.Option(help="A folder for one picture (or page, of a text) per input: what speaks for the answer."),
    ] = None,
    seed: Seed = 0,  # noqa: ARG001 - every verb has it; nothing here is random
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Name what photos show or texts say: label, probability, prediction set, and whether to trust it."""
    from handful.bundle.model import load
    from handful.core.words import count

    loaded = load(model)
    given, places = _given(loaded, inputs or [], text or [])
    if loaded.limit(coverage) is None:
        say(f"note: no prediction sets: {len(loaded.manifest.conformal_scores)} examples are too few for {coverage:g}")
    if loaded.manifest.costs is not None:
        say("note: answers weigh what mistakes cost: a label may not be the likeliest class")
    problems: list[dict[str, str]] = []
    found = _records(loaded, loaded.stream(given, coverage, jobs), places, problems)
    records = (record for _, record in found) if why is None else _explained(loaded, found, given, places, why)
    if as_json:
        _print_json(records, problems)
    elif csv_file is not None:
        _write_csv(records, csv_file)
        say(f"wrote {csv_file}: {count(len(given) - len(problems), 'prediction')}")
    else:
        whole = frozenset(places)
        for record in records:
            print(_line(record, whole))  # noqa: T201 - one line an input, however long its path
            if "why" in record:
                for line in record["why"]["said"]:
                    show(f"    {line}", indent=6)
                print(f"    {record['why']['file']}")  # noqa: T201 - a path is copied whole


def _given(loaded: Model, inputs: list[str], texts: list[str]) -> tuple[Sequence[Any], Sequence[str]]:
    """What to predict, and where each of it stands."""
    from handful.core.errors import UsageError
    from handful.data.readers import read_inputs

    if loaded.inputs.kind == "text":
        from handful.data.text_inputs import read_text_inputs

        return read_text_inputs(inputs, texts, getattr(sys.stdin, "buffer", None))
    if texts:
        raise UsageError("this model is for images, not for texts", "--text", "name image files or folders")
    files = read_inputs(inputs)
    return files, files


def _records(
    loaded: Model, stream: Any, places: Sequence[str], problems: list[dict[str, str]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The place of each readable input and its record, as they come; what cannot be read is named and noted.

    Raises:
        DataError: when nothing could be read.
    """
    from handful.core.errors import DataError

    start = 0
    with Terminal().track("predicting", len(places)) as done:
        for predictions, failed in stream:
            for problem in failed:
                say(f"warning: skipped {places[problem.row]}: {problem.reason}")
                problems.append({"input": places[problem.row], "reason": problem.reason})
            n_here = len(failed) + (len(predictions) if predictions else 0)
            unread = {problem.row for problem in failed}
            rows = [row for row in range(start, start + n_here) if row not in unread]
            yield from zip(rows, predictions.records() if predictions else [], strict=True)
            start += n_here
            done(n_here)
    if len(problems) == len(places):
        what = f"none of the {len(places)} inputs can be read: {problems[0]['reason']}"
        raise DataError(what, problems[0]["input"], loaded.inputs.remedy)


def _explained(
    loaded: Model,
    found: Iterator[tuple[int, dict[str, Any]]],
    given: Sequence[Any],
    places: Sequence[str],
    folder: Path,
) -> Iterator[dict[str, Any]]:
    """The records with their reasons, each of them a file in the folder too: `0001-cat.png`."""
    from handful.bundle.why import why
    from handful.core.files import disk_error, write_whole

    for row, record in found:
        reasons = why(loaded, given[row])
        ending, content = reasons.to_file()
        name = re.sub(r"[^\w.]+", "-", Path(places[row]).stem).strip("-")[:40]
        path = folder / f"{row + 1:04d}-{name}{ending}"
        try:
            write_whole(path, content)
        except OSError as failure:
            raise disk_error(failure, path) from failure
        yield {**record, "why": {"file": str(path), **reasons.to_json()}}


def _print_json(records: Iterator[dict[str, Any]], problems: list[dict[str, str]]) -> None:
    """One object on one line, written as the records come; nothing when there are none."""
    out = sys.stdout
    for at, record in enumerate(records):
        out.write((", " if at else '{"predictions": [') + json.dumps(record, ensure_ascii=False))
    out.write(f'], "problems": {json.dumps(problems, ensure_ascii=False)}}}\n')


def _write_csv(records: Iterator[dict[str, Any]], path: Path) -> None:
    from handful.core.files import replaced_file

    with nullcontext(sys.stdout) if str(path) == "-" else replaced_file(path) as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore")  # reasons are no column
        writer.writeheader()
        for record in records:
            writer.writerow({**record, "set": "|".join(record["set"]) if record["set"] is not None else ""})


def _line(record: dict[str, Any], places: frozenset[str]) -> str:
    from handful.data.text_inputs import shortened

    name = record["input"] if record["input"] in places else shortened(record["input"])
    line = f"{name}  {record['label']}  {100 * record['probability']:.0f} %"
    if record["unfamiliar"]:
        return f"{line}  unlike anything seen in training"
    if record["set"] is not None and len(record["set"]) != 1:
        return f"{line}  unsure: {' or '.join(record['set'])}"
    return line
