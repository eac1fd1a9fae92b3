"""`handful check`: what is wrong with the data."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from handful.cli.output import AsJson, Jobs, Seed, Terminal, show, show_json, table

MOST_CLASSES = 12  # in words
WIDEST = 24  # letters of a class in a table


def check(
    data: Annotated[
        Path, typer.Argument(help="Folder class/photo.jpg or class/*.txt, a table image|text,label, or a COCO folder.")
    ],
    test: Annotated[Path | None, typer.Option(help="Labelled examples to test on: do they leak?")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write every finding's examples to a table.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="An augmentation: is it safe, and what would it do to boxes? standard for COCO.")
    ] = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Find unreadable, repeated, contradictory, leaking, rare and likely mislabelled examples."""
    from handful.data.coco import is_coco
    from handful.data.kind import kind_of

    boxes = data.is_dir() and is_coco(data)
    texts = not boxes and kind_of(data)[0] == "text"
    if boxes:
        result = _boxes(data, test, policy, seed, jobs)
    else:
        result = _texts(data, test, policy) if texts else _photos(data, test, policy, seed, jobs)
    if csv_file is not None:
        _write_csv(result["findings"], csv_file)
    if as_json:
        show_json(result)
    elif boxes:
        _say_boxes(result)
    else:
        _say_examples(result, "texts" if texts else "photos")


def _drawn(result: dict[str, Any]) -> str:
    drawn = result["n_drawn_images"]
    return f"{drawn} images" if drawn == result["n"] else f"{drawn} images (at random, of {result['n']})"


def _photos(data: Path, test: Path | None, policy: str | None, seed: int, jobs: int | None) -> dict[str, Any]:
    from handful.augment.policy import Policy
    from handful.augment.safety import safe_policy
    from handful.data.readers import read
    from handful.tasks.check_images import check_images

    wanted = None if policy is None else Policy.parse(policy)
    splits = read(data, test=test)
    result = check_images(splits, seed=seed, jobs=jobs, progress=Terminal())
    if wanted is None:
        return result
    safe, unsafe = safe_policy(wanted, splits.train.classes)
    return {**result, "policy": safe.name, "operations": str(safe), "notes": [*result["notes"], *unsafe]}


def _texts(data: Path, test: Path | None, policy: str | None) -> dict[str, Any]:
    from handful.core.errors import UsageError
    from handful.data.texts import read_texts
    from handful.tasks.check_texts import check_texts

    if policy is not None:
        raise UsageError("policies are for photos, and these are texts", "--policy", "leave it out")
    return check_texts(read_texts(data, test=test))


def _boxes(data: Path, test: Path | None, policy: str | None, seed: int, jobs: int | None) -> dict[str, Any]:
    from handful.core.errors import UsageError
    from handful.tasks.augmenting.source import read_source
    from handful.tasks.check_boxes import check_boxes

    if test is not None:
        raise UsageError("another folder to test on is for photos without boxes", "--test", "put test.json beside it")
    return check_boxes(read_source(data), policy or "standard", seed, jobs, Terminal())


def _say_examples(result: dict[str, Any], called: str) -> None:
    show(f"{result['n']} labelled {called} of {len(result['classes'])} classes: {_counts(result['counts'])}", indent=2)
    show(f"{result['n_test']} to test on, {result['n_unlabelled']} unlabelled")
    if "policy" in result:
        show(f"policy {result['policy']}")
    _say_findings(result)


def _say_boxes(result: dict[str, Any]) -> None:
    from handful.core.words import count

    images = f"{result['n_boxes']} boxes on {result['n']} training images"
    show(f"{images}, {count(len(result['classes']), 'class', 'classes')}: {_counts(result['counts'])}", indent=2)
    if result["n_without_boxes"]:
        show(f"{result['n_without_boxes']} of these images have no box")
    for name, split in list(result["splits"].items())[1:]:
        show(f"{name}: {split['boxes']} boxes on {split['images']} images", indent=2)
    show()
    named = "" if "=" in result["policy"] else f"{result['policy']}: "
    show(f"policy {named}{result['operations'].replace(',', ', ') or 'nothing happens'}", indent=2)
    show(f"Boxes that it clips or loses, in {result['draws']} draws of each of {_drawn(result)}, in %:")
    show()
    for line in table(_rows(result), ("class", "boxes", "clipped", "lost")):
        show(line)
    show()
    _say_findings(result)


def _rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    every = {name: result["by_class"][name] for name in list(result["by_class"])[:MOST_CLASSES]}
    shares = {"all": result, **every} if len(every) > 1 else every
    return [
        (name[:WIDEST], str((each["lost"] or {"n": 0})["n"]), _interval(each["clipped"]), _interval(each["lost"]))
        for name, each in shares.items()
    ]


def _interval(share: dict[str, Any] | None) -> str:
    if share is None:
        return "-"
    return f"{100 * share['value']:.1f} [{100 * share['low']:.1f}, {100 * share['high']:.1f}]"


def _counts(counts: dict[str, int]) -> str:
    few = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:MOST_CLASSES])
    return few + (", ..." if len(counts) > MOST_CLASSES else "")


def _say_findings(result: dict[str, Any]) -> None:
    for note in result["notes"]:
        show(f"note: {note}", indent=2)
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
