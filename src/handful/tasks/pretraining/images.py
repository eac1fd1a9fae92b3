"""From unlabelled images to a backbone in a folder, step by step and resumable."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from handful.augment.views import ORIGINAL
from handful.core.budget import TimeIsUp
from handful.core.errors import DataError
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.core.versions import versions
from handful.core.words import count
from handful.data.folders import IMAGES, files_below
from handful.data.images import decode_all
from handful.data.listing import part_named
from handful.data.pixels import Pixels
from handful.data.readers import read
from handful.evaluate.intervals import Interval, wilson
from handful.nn.backbone import Backbone
from handful.nn.features import frozen_features
from handful.nn.pretrained import backbone_files
from handful.tasks.pretraining.desk import Curve, Desk, check_out, write_backbone
from handful.tasks.pretraining.settings import Settings
from handful.transfer.probe import Probe, ProbeRows
from handful.unsupervised.image_pool import ImagePool, image_pool
from handful.unsupervised.pretraining import METHODS, check_choice

if TYPE_CHECKING:
    from handful.training.checkpoint import Run
    from handful.unsupervised.pretraining_torch import Pretraining

N_LOOKS = 10  # at the labelled examples while it trains
MOST_LABELLED = 2000  # of them that are looked at
MOST_EPOCHS = 400  # beyond, a pool is known by heart
SHARE_OF_TIME = 0.9  # of the budget, for the steps; the rest is for looking and writing
SECONDS_APART = 10.0  # of two checkpoints, about


def pretrain_on_images(folder: Path, settings: Settings, out: Path, progress: Progress = SILENT) -> dict[str, Any]:
    """Learn from a folder of unlabelled images, and write the backbone.

    An interrupted run goes on when it is started again in the same way.

    Args:
        folder: Images at any depth, whatever their folders are called; of one with `unlabelled/` those there.
        settings: What the user asked for.
        out: The backbone's folder; one that stands there is replaced.
        progress: Told what goes on.
    Returns:
        An account: method, n, steps, curve, notes, where the backbone is.
    Raises:
        UsageError, DataError: before any work, where something makes no sense.
        JobError: when the disk is full, or the training diverges at once.
    """
    started = time.monotonic()
    method = settings.method or METHODS[0]
    check_choice(method, settings.start, settings.seen_size)
    n_steps, seconds = settings.n_steps_or_seconds
    check_out(out, folder)
    looked_at = None if settings.labels is None else _labelled(settings, progress)
    files, notes = pool_files(folder)
    pool = image_pool(files, settings.seen_size, str(folder), jobs=settings.jobs, progress=progress)
    for note in notes:
        progress.note(note)

    from handful.unsupervised.pretraining_torch import pretraining

    job = pretraining(method, settings.start, pool, settings.seed)
    desk = Desk.beside(out, _identity(method, settings, pool))
    plan = desk.plan or _planned(job, n_steps, seconds, time.monotonic() - started, progress)
    desk.claim(plan)
    end = None if seconds is None else started + seconds
    watch = _Watch(plan["steps"], end, job, looked_at, desk, progress)
    backbone, history, stopped = job.run(plan["steps"], desk.checkpoint(plan["every"], progress), watch, progress)
    notes += [stopped] if stopped else []
    notes += [f"{count(len(pool.unreadable), 'file')} could not be read and left out"] if pool.unreadable else []
    account = {
        "method": method,
        "from": settings.start,
        "size": settings.seen_size,
        "called": "image",
        "n": len(pool),
        "steps": len(history),
        "epochs": round(len(history) * job.how.batch_size / len(pool), 1),
        "loss": [_mean_loss(history[:10]), _mean_loss(history[-10:])],
        "curve": [row for row in watch.curve if row["step"] <= len(history)],
        "notes": notes,
    }
    _write(out, backbone, account, settings)
    desk.clear()
    return {**account, "seconds": round(time.monotonic() - started, 1), "backbone": str(out)}


def pool_files(folder: Path) -> tuple[list[Path], list[str]]:
    """The images of a pool, in natural order, and what to tell the user.

    Raises:
        DataError: when there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder", str(folder), "give a folder with unlabelled images")
    parts = {part_named(entry.name): entry for entry in sorted(folder.iterdir()) if entry.is_dir()}
    folder, test = parts.get("unlabelled", folder), parts.get("test")
    found = list(files_below(folder))
    files = [file for file in found if file.suffix.lower() in IMAGES]
    kept = [file for file in files if test is None or not file.is_relative_to(test)]
    if not kept:
        what = f"none of the {count(len(found), 'file')} is an image" if found else "the folder holds no files"
        raise DataError(what, str(folder), "give a folder with PNG, JPEG or other image files")
    left = len(files) - len(kept)
    return kept, [f"{count(left, 'image')} of the test set are left out: nothing learns from them"] if left else []


@dataclass(frozen=True)
class Labelled:
    """Labelled images to look at a network with.

    Args:
        pixels: Shape (n, size, size, 3).
        targets: Class indices, shape (n,).
        n_classes: Number of classes.
    """

    pixels: Pixels
    targets: npt.NDArray[np.int64]
    n_classes: int

    def accuracy(self, backbone: Backbone) -> Interval:
        """Of the exact probe on all pooled layers, by leave-one-out."""
        probe = Probe(tuple(layer.name for layer in backbone.layers))
        features, units = frozen_features(backbone, self.pixels, (ORIGINAL,)), np.arange(len(self.targets))
        rows = ProbeRows(probe, features, backbone, self.targets, self.n_classes, units)
        scores = rows.leave_one_out([rows.best_penalty()])[0]
        return wilson(int((scores.argmax(axis=1) == self.targets).sum()), len(self.targets))


@dataclass
class _Watch:
    """Ends a training whose time is up, and looks at it now and then with the labelled examples."""

    n_steps: int
    end: float | None
    job: Pretraining
    labelled: Labelled | None
    desk: Desk
    progress: Progress
    curve: Curve = field(default_factory=list)
    begun: bool = False

    def __call__(self, run: Run) -> None:
        from handful.unsupervised.pretraining_torch import weights_of, with_weights

        if not self.begun:
            self.begun = True
            self.curve = self.desk.curve(run.step)
            if run.step == 1:
                self._look(0, 0, self.job.backbone, math.nan)
        every = max(self.n_steps // N_LOOKS, 1)
        if self.labelled is not None and (run.step % every == 0 or run.step == self.n_steps):
            recent = _mean_loss(run.history[-every:])
            backbone = with_weights(self.job.backbone, weights_of(run.module))
            self._look(run.step, int(run.history[-1]["epoch"]), backbone, recent)
        if self.end is not None and time.monotonic() > self.end and run.step < self.n_steps:
            raise TimeIsUp

    def _look(self, step: int, epoch: int, backbone: Backbone, loss: float) -> None:
        if self.labelled is None:
            return
        accuracy = self.labelled.accuracy(backbone)
        found = {name: round(value, 4) for name, value in asdict(accuracy).items() if name != "n"}
        row = {"step": step, "epoch": epoch, "accuracy": found["value"], "low": found["low"], "high": found["high"]}
        self.curve.append(row if math.isnan(loss) else {**row, "loss": round(loss, 4)})
        self.desk.keep(self.curve)
        self.progress.note(
            f"after {count(step, 'step')} the probe is right on {_in_per_cent(row)} of the labelled images"
        )


def _labelled(settings: Settings, progress: Progress) -> Labelled:
    data = read(str(settings.labels)).train
    if len(data) > MOST_LABELLED:
        data = data.take(np.sort(stream(0, "looked at").choice(len(data), MOST_LABELLED, replace=False)))
    decoded = decode_all(data, settings.seen_size, jobs=settings.jobs, progress=progress)
    targets = np.asarray(data.targets)[decoded.rows]
    return Labelled(decoded.pixels, targets, len(data.classes))


def _identity(method: str, settings: Settings, pool: ImagePool) -> dict[str, Any]:
    """What makes two runs the same."""
    names = "\n".join(f"{file}" for file in pool.files)
    return {
        "method": method,
        "from": settings.start,
        "size": settings.seen_size,
        "budget": settings.budget,
        "seed": settings.seed,
        "images": len(pool),
        "files": hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()[:16],
    }


def _planned(
    job: Pretraining, n_steps: int | None, seconds: float | None, spent: float, progress: Progress
) -> dict[str, int]:
    """How many steps the budget has time for, and how often a checkpoint is worth its writing."""
    each = job.seconds_a_step()
    most = math.ceil(MOST_EPOCHS * job.n / job.how.batch_size)
    affordable = most if seconds is None else int(SHARE_OF_TIME * (seconds - spent) / each)
    steps = n_steps or max(1, min(most, affordable))
    epochs = steps * job.how.batch_size / job.n
    if epochs < 1:
        progress.note(f"the budget has time for {count(steps, 'step')}: each image is seen {epochs:.2f} times")
    return {"steps": steps, "every": max(1, int(SECONDS_APART / each))}


def _mean_loss(history: list[dict[str, float]]) -> float:
    return round(float(np.mean([row["loss"] for row in history])), 4) if history else math.nan


def _write(out: Path, backbone: Any, account: dict[str, Any], settings: Settings) -> None:
    made = {**account, "seed": settings.seed, "versions": versions()}
    files = backbone_files(backbone, backbone.weights, {"made": made}, _card(account))
    write_backbone(out, files)


def _in_per_cent(row: dict[str, float]) -> str:
    return f"{100 * row['accuracy']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def _card(account: dict[str, Any]) -> str:
    looks = "".join(f"| {row['step']} | {_in_per_cent(row)} |\n" for row in account["curve"])
    curve = f"\n| steps | exact probe, leave-one-out |\n|---|---|\n{looks}" if looks else ""
    notes = "".join(f"- {note}\n" for note in account["notes"])
    return f"""# A backbone made by handful pretrain

{account["from"]}, shown pictures of {account["size"]} pixels, learned without labels by {account["method"]} from \
{count(account["n"], "image")}: {count(account["steps"], "step")}, {account["epochs"]} epochs.

    handful fit DATA --backbone THIS_FOLDER --out MODEL
{curve}
{notes}"""
