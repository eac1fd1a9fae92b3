"""`handful demo`: the main job, end to end, on real data that is already installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from handful.cli.output import AsJson, Seed, say, show, show_json, with_interval


def demo(
    out: Annotated[Path, typer.Option(help="Where the photos and the model go.")] = Path("handful-demo"),
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Run check, fit, evaluate and predict on scikit-learn's handwritten digits."""
    from handful.core.errors import UsageError
    from handful.tasks.demo_data import write_digits

    if out.exists() and not (out.is_dir() and ((out / "digits").is_dir() or not any(out.iterdir()))):
        raise UsageError("the folder holds something else", str(out), "choose another --out")
    say(f"Writing scikit-learn's handwritten digits to {out / 'digits'}: 10 labelled of each,")
    say("1,000 unlabelled, the rest to test on.")
    write_digits(out / "digits")
    photos, model = str(out / "digits"), str(out / "model")
    some, table = str(out / "digits" / "test" / "3"), str(out / "predictions.csv")
    seeded = ("--seed", str(seed)) if seed else ()
    commands = (
        ("check", photos, *seeded),
        ("fit", photos, "--out", model, *seeded),
        ("evaluate", model, photos, *seeded),
        ("predict", model, some, "--csv", table),
    )
    for command in commands:
        _type(*command, aside=as_json)
    metrics = json.loads(Path(model, "metrics.json").read_text(encoding="utf-8"))
    report = str(Path(model, "report.html").resolve())
    if as_json:
        show_json({"score": metrics["score"], "model": model, "report": report, "predictions": table})
        return
    show()
    show(f"Score: {metrics['score']['metric']} {with_interval(metrics['score'])}, cross-validated.")
    show(f"Look at the report: {report}")
    show("With your own photos: one folder for each class, then")
    show("  handful check photos/")
    show("  handful fit photos/ --out model/")
    show("  handful predict model/ new-photo.jpg")


def _type(*arguments: str, aside: bool) -> None:
    """Echo a command as a user would type it, and run it; aside: all on standard error.

    Raises:
        JobError: when it fails.
    """
    from handful.core.errors import JobError

    out = sys.stderr if aside else sys.stdout
    print("\n$ handful " + " ".join(arguments), file=out, flush=True)
    done = subprocess.run([sys.executable, "-m", "handful", *arguments], check=False, stdout=out)
    if done.returncode:
        raise JobError(f"handful {arguments[0]} failed with exit code {done.returncode}", remedy="see the line above")
