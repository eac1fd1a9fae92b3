"""From unlabelled texts to a sentence encoder in a folder, resumable."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful.core.budget import TimeIsUp
from handful.core.errors import UsageError
from handful.core.progress import SILENT, Progress
from handful.core.versions import versions
from handful.core.words import count
from handful.data.texts import read_text_pool
from handful.nn.pretrained import backbone_files
from handful.nn.sentence_encoder import SentenceEncoder
from handful.tasks.pretraining.desk import Desk, check_out, write_backbone
from handful.tasks.pretraining.settings import Settings
from handful.unsupervised.masked_language import MaskedLanguage
from handful.unsupervised.pretraining import OF_TEXTS, SMALL

if TYPE_CHECKING:
    from handful.training.checkpoint import Run

EVERY = 20  # steps between two checkpoints


def pretrain_on_texts(data: Path, settings: Settings, out: Path, progress: Progress = SILENT) -> dict[str, Any]:
    """Let the embedded sentence encoder read on in texts, and write it.

    An interrupted run goes on when it is started again in the same way.

    Args:
        data: A table or a folder of texts; of one with an unlabelled part that part, else all but the test part.
        settings: What the user asked for; `start`, `size` and `jobs` are of images.
        out: The backbone's folder; one that stands there is replaced.
        progress: Told what goes on.
    Returns:
        An account: method, n, steps, notes, where the backbone is.
    Raises:
        UsageError, DataError: before any work, where something makes no sense.
        JobError: when the disk is full, or the training diverges.
    """
    started = time.monotonic()
    _check(settings)
    check_out(out, data)
    texts, notes = read_text_pool(data)
    n_steps, seconds = settings.n_steps_or_seconds
    method = MaskedLanguage() if n_steps is None else MaskedLanguage(steps=n_steps)

    desk = Desk.beside(out, _identity(settings, method, texts))
    desk.claim({"steps": method.steps, "every": EVERY})
    losses: list[float] = []

    def watch(run: Run) -> None:
        losses[:] = [row["loss"] for row in run.history]
        if seconds is not None and time.monotonic() - started > seconds and run.step < method.steps:
            raise TimeIsUp

    kept = desk.checkpoint(EVERY, progress)
    encoder = method.read_on(texts, SentenceEncoder(), settings.seed, kept, progress, watch)
    account = _account(method, texts, losses, notes)
    made = {**account, "seed": settings.seed, "versions": versions()}
    write_backbone(out, backbone_files(encoder, encoder.weights, {"made": made}, _card(account)))
    desk.clear()
    return {**account, "seconds": round(time.monotonic() - started, 1), "backbone": str(out)}


def _check(settings: Settings) -> None:
    """Refuse what is of images."""
    if settings.method not in (None, OF_TEXTS):
        raise UsageError(f"texts are not pre-trained on by {settings.method!r}", "method", f"use {OF_TEXTS}")
    if settings.labels is not None:
        raise UsageError("looking at labelled texts on the way is not supported yet", "labels", "leave it out")
    for name, value, unset in (("from", settings.start, SMALL), ("size", settings.size, None)):
        if value != unset:
            what = f"{value} is of images, these are texts, in which {SentenceEncoder.name} reads on"
            raise UsageError(what, name, "leave it out")


def _account(method: MaskedLanguage, texts: list[str], losses: list[float], notes: list[str]) -> dict[str, Any]:
    """What was done, as it is printed and kept in the backbone's folder."""
    if len(losses) < method.steps:
        notes = [*notes, f"the time was up after {len(losses)} of {method.steps} steps"]
    return {
        "method": OF_TEXTS,
        "from": SentenceEncoder.name,
        "called": "text",
        "n": len(texts),
        "steps": len(losses),
        "epochs": round(len(losses) * method.batch_size / len(texts), 1),
        "loss": [_mean(losses[:10]), _mean(losses[-10:])],
        "curve": [],
        "notes": notes,
    }


def _identity(settings: Settings, method: MaskedLanguage, texts: list[str]) -> dict[str, Any]:
    """What makes two runs the same."""
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:16]
    return {"method": repr(method), "budget": settings.budget, "seed": settings.seed, "texts": digest}


def _mean(losses: list[float]) -> float:
    return round(sum(losses) / max(len(losses), 1), 4)


def _card(account: dict[str, Any]) -> str:
    return f"""# A backbone made by handful pretrain

{account["from"]} read on in {count(account["n"], "text")}, guessing hidden words: {count(account["steps"], "step")}, \
{account["epochs"]} epochs.

    handful fit DATA --backbone THIS_FOLDER --out MODEL
"""
