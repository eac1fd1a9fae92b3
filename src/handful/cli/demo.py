"""`handful demo`: the main job, end to end, on real data that is already installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from handful.cli.output import say, show, with_interval


def demo(
    out: Annotated[Path, typer.Option(help="Where the photos and the model go.")] = Path("handful-demo"),
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
    some = str(out / "digits" / "test" / "3")
    _type("check", photos)
    _type("fit", photos, "--out", model)
    _type("evaluate", model, photos)
    _type("predict", model, some, "--csv", str(out / "predictions.csv"))
    show()
    show(f"Score: {_score(model)}, cross-validated on 100 labelled digits.")
    show(f"Look at the report: {Path(model, 'report.html').resolve()}")
    show("With your own photos: one folder for each class, then")
    show("  handful check photos/")
    show("  handful fit photos/ --out model/")
    show("  handful predict model/ new-photo.jpg")


def _type(*arguments: str) -> None:
    """Echo a command as a user would type it, and run it.

    Raises:
        JobError: when it fails.
    """
    from handful.core.errors import JobError

    show()
    show("$ handful " + " ".join(arguments))
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "handful", *arguments], check=False)
    if done.returncode:
        raise JobError(f"handful {arguments[0]} failed with exit code {done.returncode}", remedy="see the line above")


def _score(model: str) -> str:
    saved = json.loads(Path(model, "metrics.json").read_text(encoding="utf-8"))
    return f"{saved['score']['metric']} {with_interval(saved['score'])}"
