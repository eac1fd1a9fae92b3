"""Independent pieces of work side by side, through joblib, whose backend is the user's choice."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import TimeoutError as TookTooLong
from typing import Any, TypeVar

from handful.core.budget import TimeIsUp
from handful.core.errors import JobError, UsageError
from handful.core.optional import require
from handful.core.progress import SILENT, Progress

ENGINES = ("local", "ray")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[..., Result],
    pieces: Sequence[tuple[Any, ...]],
    jobs: int | None = None,
    label: str = "working",
    progress: Progress = SILENT,
    engine: str = "local",
    seconds: float = math.inf,
) -> list[Result]:
    """`[work(*piece) for piece in pieces]`, several at a time.

    Args:
        work: A function at the top of its module; what it returns must not depend on who runs it.
        pieces: Its arguments, one tuple a call.
        jobs: Processes; one for each usable core when None; 1 runs everything here.
        label: What the progress bar says.
        progress: Told how many are done.
        engine: "local", or "ray" for a Ray cluster.
        seconds: What all may take. Processes are stopped where it ends; in this process, and where the backend cannot
            stop its workers, a piece that was begun is finished.
    Raises:
        MissingPackage: without the extra that an engine needs.
        TimeIsUp: when that is not enough.
        JobError: when a process was killed.
    """
    from joblib import Parallel, delayed

    end, n_jobs = time.monotonic() + seconds, n_at_once(len(pieces), jobs)
    if n_jobs == 1 and engine == "local":
        with progress.track(label, len(pieces)) as done:
            return [_and_tell(_in_time(work, piece, end), done) for piece in pieces]
    with _engine(engine), progress.track(label, len(pieces)) as done:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator", timeout=_timeout(seconds))
        begins_by = end if engine == "local" else math.inf  # the clocks of other machines show another time
        results: Iterable[Result] = parallel(delayed(_in_time)(work, piece, begins_by) for piece in pieces)
        found: list[Result] = []
        try:
            for result in results:
                found.append(_and_tell(result, done))
                parallel.timeout = _timeout(max(end - time.monotonic(), 0))  # joblib counts anew for every result
        except TookTooLong as late:
            raise TimeIsUp from late
        except (BrokenExecutor, MemoryError) as death:  # a worker was killed, by want of memory most likely
            reason = " ".join(str(death).split())[:200]
            raise JobError(f"a worker process ended ({reason})", label, "use fewer --jobs, or more memory") from death
        return found


def n_at_once(n_pieces: int, jobs: int | None = None) -> int:
    """How many of some pieces are worked on side by side."""
    from joblib import cpu_count

    return max(1, min(n_pieces, cpu_count() if jobs is None else jobs))


def _engine(engine: str) -> AbstractContextManager[Any]:
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}", "engine", f"use {' or '.join(ENGINES)}")
    if engine == "local":
        return nullcontext()
    from joblib import parallel_config

    require("ray.util.joblib", "ray").register_ray()
    backend: AbstractContextManager[Any] = parallel_config(backend="ray")
    return backend


def _timeout(seconds: float) -> float | None:
    """As joblib takes it; None where its backend cannot stop workers, and would warn of that each time."""
    from joblib.parallel import get_active_backend

    return seconds if math.isfinite(seconds) and get_active_backend()[0].supports_timeout else None


def _in_time(work: Callable[..., Result], piece: tuple[Any, ...], end: float) -> Result:
    """One piece, unless it would begin too late."""
    if time.monotonic() > end:
        raise TimeIsUp
    return work(*piece)


def _and_tell(result: Result, done: Callable[[int], None]) -> Result:
    done(1)
    return result
