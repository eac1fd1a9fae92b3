"""The training loop."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import torch
from torch import nn

from handful.core.errors import JobError, UsageError
from handful.core.progress import SILENT, Progress
from handful.training.bar import LossBar
from handful.training.batch_norm import freeze_statistics, learns_statistics
from handful.training.batches import Batches, Rows
from handful.training.checkpoint import Checkpoint, History, Run
from handful.training.devices import Engine, OneProcess
from handful.training.ema import Ema
from handful.training.gradients import Fetch, Gradients
from handful.training.objective import Objective
from handful.training.parameters import Groups, RateShare, everywhere_alike, parameter_groups
from handful.training.settings import Training


class Diverged(JobError):
    """Loss or gradient are no longer finite; what was learned until then is in the last checkpoint."""


def train(
    module: nn.Module,
    objective: Objective,
    fetch: Fetch,
    n: int,
    how: Training,
    seed: int,
    *,
    labels: Rows | None = None,
    rate_share: RateShare = everywhere_alike,
    checkpoint: Checkpoint | None = None,
    progress: Progress = SILENT,
    engine: Engine | None = None,
    watch: Callable[[Run], None] | None = None,
) -> History:
    """Train a module in place; it ends up in eval mode, with the averaged weights if `how.ema` asks for them.

    On a CPU the same seed gives the same bytes, whether or not the training was killed and resumed between. On a GPU
    that holds as far as its kernels are deterministic.

    Args:
        module: On its device. Parameters with `requires_grad` are trained.
        objective: What is minimised.
        fetch: From rows, an int64 array, and a generator to a batch as the objective expects it, on any device. Here
            is the place of augmentation, cached activations and tokenised texts.
        n: Examples; rows are from 0 to n - 1.
        seed: Of the order, and of the generators of fetch, objective and dropout.
        labels: Class indices, shape (n,), if `how.balanced`.
        rate_share: From a parameter's name to its share of the learning rate; see `layerwise`.
        checkpoint: Written now and then; a training that finds one goes on from there.
        engine: Several processes; see `accelerated`. The seed must be the same in all of them.
        watch: Called after every step with what the training is in the middle of, to look at and not to change; once
            where the checkpoint is of the last step.
    Returns:
        A row for each step: step (from 1), epoch (from 1), loss, the objective's named terms, learning_rate, seconds.
    Raises:
        Diverged: when loss or gradient are no longer finite; the weights are those before that step.
        JobError: when memory is too small, or the disk full.
        ModelError: when the checkpoint is damaged or of another training.
    """
    engine = engine or OneProcess()
    device = engine.begin(module)
    _training_mode(module, how)
    learns = learns_statistics(module)
    smallest = 2 if learns else 1
    _check_shares(min(n, how.batch_size), smallest * engine.n_processes, engine)
    labels = _needed(labels, how)
    batches = Batches(n, how.batch_size, seed, smallest * engine.n_processes, labels)
    n_steps = how.n_steps(batches.per_epoch)
    groups = parameter_groups(module, how.weight_decay, rate_share)
    identity = _identity(objective, how, groups, n, seed, labels, engine)
    optimizer = how.optimizer.over(groups)
    ema = None if how.ema is None else Ema(module, how.ema)
    run = Run(module, optimizer, ema, identity, how.parts)
    if checkpoint is not None:
        checkpoint.resume(run)
    optimizer.zero_grad()  # of whatever was done to the module before
    kept = checkpoint if engine.number == 0 else None
    mixed = _has_bfloat16(device) if how.mixed_precision is None else how.mixed_precision
    gradients = Gradients(module, objective, fetch, engine, device, mixed, seed, smallest, run.parts, progress)

    if watch is not None and run.step >= n_steps:
        watch(run)
    own_draws = torch.random.fork_rng([device] if device.type == "cuda" else [])
    with own_draws, LossBar(progress if engine.number == 0 else SILENT, n_steps - run.step) as bar:
        for step, (epoch, rows) in zip(range(run.step, n_steps), batches.after(run.step), strict=False):
            started = time.perf_counter()
            found = _one_step(gradients, optimizer, how, step, n_steps, rows)
            if ema is not None:
                ema.update(module, step + 1)
            if learns:
                _average_buffers(module, engine)
            seconds = time.perf_counter() - started
            run.history.append({"step": step + 1, "epoch": epoch + 1, **found, "seconds": seconds})
            run.step, run.parts = step + 1, gradients.parts
            if watch is not None:  # before the checkpoint: who is killed while looking looks again
                watch(run)
            if kept is not None and (run.step % kept.every == 0 or run.step == n_steps):
                kept.save(run)
            bar.step(found["loss"])
    if ema is not None:
        ema.copy_to(module)
    module.eval()
    return run.history


def _one_step(
    gradients: Gradients, optimizer: torch.optim.Optimizer, how: Training, step: int, n_steps: int, rows: Rows
) -> dict[str, float]:
    """Gradients of one batch, and the update; the objective's terms and the learning rate."""
    rate = how.rate(step, n_steps)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    found = {name: float(term) for name, term in gradients.of(rows, step).items()}
    trained = [weights for group in optimizer.param_groups for weights in group["params"]]
    length = nn.utils.clip_grad_norm_(trained, how.clip_norm or math.inf)
    _check_finite(found["loss"], float(length), step + 1, n_steps, rate)
    optimizer.step()
    optimizer.zero_grad()
    return {**found, "learning_rate": rate}


def _training_mode(module: nn.Module, how: Training) -> None:
    module.train()
    if how.frozen_statistics:
        freeze_statistics(module)


def _has_bfloat16(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def _check_finite(loss: float, length: float, step: int, n_steps: int, rate: float) -> None:
    for name, value in (("loss", loss), ("gradient", length)):
        if not math.isfinite(value):
            what = f"the {name} became {value} at step {step} of {n_steps}, at a learning rate of {rate:.3g}"
            raise Diverged(what, "training", "lower the learning rate, or look for broken examples")


def _average_buffers(module: nn.Module, engine: Engine) -> None:
    """Running statistics, which every process has of its own share: their mean."""
    if engine.n_processes > 1:
        buffers = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
        engine.add_up(buffers)
        for buffer in buffers:
            buffer /= engine.n_processes


def _check_shares(size: int, least: int, engine: Engine) -> None:
    if engine.n_processes > 1 and size < least:
        what = f"a batch of {size} is too small for {engine.n_processes} processes, it takes at least {least}"
        raise UsageError(what, "training", "raise the batch size, or use fewer processes")


def _needed(labels: Rows | None, how: Training) -> Rows | None:
    if how.balanced and labels is None:
        raise UsageError(
            "balanced batches need the labels of the examples", "training", "give labels, or balanced=False"
        )
    return labels if how.balanced else None


def _identity(
    objective: Objective,
    how: Training,
    groups: Groups,
    n: int,
    seed: int,
    labels: Rows | None,
    engine: Engine,
) -> dict[str, str]:
    """What makes two trainings the same one, for whoever resumes; the examples themselves are the caller's affair."""
    layout = [(group["share"], group["weight_decay"], group["names"]) for group in groups]
    return {
        "objective": objective.description,
        **{field.name: str(getattr(how, field.name)) for field in fields(how)},
        "examples": str(n),
        "seed": str(seed),
        "processes": str(engine.n_processes),
        "labels": "none" if labels is None else f"{zlib.crc32(np.asarray(labels, np.int64).tobytes()):08x}",
        "trained parameters and their shares of the learning rate": f"{zlib.crc32(repr(layout).encode()):08x}",
    }
