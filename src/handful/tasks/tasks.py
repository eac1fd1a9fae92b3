"""The tasks that `handful fit` knows, and which of them a data set is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from handful.core.errors import UsageError
from handful.core.progress import Progress
from handful.data.kind import Kind, kind_of
from handful.data.readers import Splits, read
from handful.data.texts import read_texts
from handful.tasks.fit_images import fit_images
from handful.tasks.fit_texts import fit_texts
from handful.tasks.fitting import Fit, Settings


@dataclass(frozen=True)
class Task:
    """How a task is read and fitted.

    Args:
        name: As on the command line.
        read: From a data set, a test set and unlabelled examples, the latter maybe None, to splits.
        fit: From splits, settings and the name of the data to a model.
    """

    name: str
    read: Callable[[Path, Path | None, Path | None], Splits]
    fit: Callable[[Splits, Settings, str, Progress], Fit]


TASKS: dict[Kind, Task] = {
    "image": Task("image-classification", lambda data, test, pool: read(data, test=test, unlabelled=pool), fit_images),
    "text": Task(
        "text-classification", lambda data, test, pool: read_texts(data, test=test, unlabelled=pool), fit_texts
    ),
}


def task_of(data: Path, asked: str | None = None) -> tuple[Task, str]:
    """The task that was asked for, or the one that the data are for; and how that was told, empty when asked.

    Raises:
        UsageError: when there is no task of that name.
    """
    if asked is None:
        kind, why = kind_of(data)
        return TASKS[kind], why
    named = {task.name: task for task in TASKS.values()}
    name = asked.replace("_", "-")
    if name not in named:
        raise UsageError(f"{asked!r} is not supported yet", "task", f"supported are {', '.join(named)}")
    return named[name], ""
