"""Where a pre-training works: what it left when it was interrupted, and where its backbone goes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful.core.errors import DataError, UsageError
from handful.core.files import check_replaceable, replaced_folder, write_whole
from handful.core.progress import Progress
from handful.nn.pretrained import CONFIG, FILES, is_pretrained

if TYPE_CHECKING:
    from handful.training.checkpoint import Checkpoint

PLAN, STATE, CURVE = "plan.json", "checkpoint.safetensors", "curve.json"
DAMAGE = (OSError, ValueError, KeyError, TypeError, RecursionError)  # what reading a damaged JSON file raises

Curve = list[dict[str, float]]


def check_out(out: Path, data: Path) -> None:
    """Refuse a destination where something else stands, or among the examples."""
    if out.resolve().is_relative_to(data.resolve()):
        raise UsageError("the backbone would lie among the examples", str(out), "choose an --out elsewhere")
    check_replaceable(out, set(FILES), CONFIG, "backbone")
    if (out / CONFIG).exists() and not is_pretrained(out):
        raise UsageError(
            "something that is no backbone of handful stands at the destination", str(out), "choose another --out"
        )


@dataclass
class Desk:
    """A folder beside the destination with what an interrupted run left, gone when the backbone is written.

    Args:
        folder: Its place.
        identity: What must be equal for a run to go on.
        plan: How many steps, and steps between checkpoints; None before a run has begun.
    """

    folder: Path
    identity: dict[str, Any]
    plan: dict[str, int] | None = None

    @staticmethod
    def beside(out: Path, identity: dict[str, Any]) -> Desk:
        """That of a destination.

        Raises:
            UsageError: when a run of another kind was interrupted there.
            DataError: when what it left is damaged.
        """
        folder = out.resolve().with_name(f".{out.resolve().name}.unfinished")
        path = folder / PLAN
        if not path.is_file():
            return Desk(folder, identity)
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            before, plan = dict(kept["identity"]), {name: int(kept["plan"][name]) for name in ("steps", "every")}
        except DAMAGE as damage:
            raise _damaged(folder) from damage
        if min(plan.values()) < 1:
            raise _damaged(folder)
        for name, value in identity.items():
            if before.get(name) != value:
                what = f"a pre-training was begun there with {name} {before.get(name)}, now it is {value}"
                raise UsageError(what, str(folder), "remove that folder to begin anew, or choose another --out")
        return Desk(folder, identity, plan)

    def claim(self, plan: dict[str, int]) -> None:
        """Write down what is going to be done."""
        content = json.dumps({"identity": self.identity, "plan": plan}, indent=1)
        write_whole(self.folder / PLAN, content.encode())

    def checkpoint(self, every: int, progress: Progress) -> Checkpoint:
        """Where the training is kept every so many steps; says so when it goes on from there."""
        from handful.training.checkpoint import Checkpoint

        if (self.folder / STATE).is_file():
            progress.note("going on where an interrupted run stopped")
        return Checkpoint(self.folder / STATE, every)

    def curve(self, before_step: int) -> Curve:
        """What was seen before a step.

        Raises:
            DataError: when it is damaged.
        """
        path = self.folder / CURVE
        if not path.is_file():
            return []
        try:
            return [row for row in json.loads(path.read_text(encoding="utf-8")) if row["step"] < before_step]
        except DAMAGE as damage:
            raise _damaged(self.folder) from damage

    def keep(self, curve: Curve) -> None:
        """Write down what was seen."""
        write_whole(self.folder / CURVE, json.dumps(curve).encode())

    def clear(self) -> None:
        """All is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _damaged(folder: Path) -> DataError:
    return DataError("what an interrupted run left is damaged", str(folder), "remove that folder")


def write_backbone(out: Path, files: Mapping[str, bytes]) -> None:
    """All files, or none."""
    with replaced_folder(out) as fresh:
        for name, content in files.items():
            (fresh / name).write_bytes(content)
