"""`handful pretrain` from end to end: what the data are of says which way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handful.core.progress import SILENT, Progress
from handful.data.kind import kind_of
from handful.tasks.pretraining.images import pretrain_on_images
from handful.tasks.pretraining.settings import Settings
from handful.tasks.pretraining.texts import pretrain_on_texts


def pretrain(data: Path, settings: Settings, out: Path, progress: Progress = SILENT) -> dict[str, Any]:
    """A backbone from unlabelled images or texts; see `pretrain_on_images` and `pretrain_on_texts`."""
    kind, _ = kind_of(data)
    return (pretrain_on_texts if kind == "text" else pretrain_on_images)(data, settings, out, progress)
