"""The gradient of one batch, in as many parts as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handful.core.errors import JobError
from handful.core.progress import Progress
from handful.core.rng import stream
from handful.training.batches import Rows
from handful.training.devices import Engine
from handful.training.objective import Objective

Fetch = Callable[[Rows, np.random.Generator], Any]  # from rows, shape (n,), to a batch; draws its augmentation


@dataclass
class Gradients:
    """Computes gradients of an objective, part by part.

    What is drawn in a step (augmentation, dropout) follows from the seed, the step, the part and the process, so a
    training can go on at any step without a generator's state.

    Args:
        smallest: Examples that a part has at least.
        parts: That a batch is cut into; doubled whenever memory runs out.
    """

    module: nn.Module
    objective: Objective
    fetch: Fetch
    engine: Engine
    device: torch.device
    mixed: bool
    seed: int
    smallest: int
    parts: int
    progress: Progress

    def of(self, rows: Rows, step: int) -> dict[str, Tensor]:
        """Leave the gradient of a batch in the parameters, which had none; the loss terms, means over the batch.

        A batch too large for the memory of the GPU goes through in twice as many parts; the sum is the same.

        Raises:
            JobError: when the smallest parts are still too large.
        """
        own = rows[self.engine.number :: self.engine.n_processes]
        while True:
            try:
                terms = self._accumulated(own, len(rows), step)
                break
            except torch.OutOfMemoryError as full:
                self._cut_finer(len(own), full)
            self.module.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        return self._over_processes(terms)

    def _accumulated(self, rows: Rows, n: int, step: int) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for number, part in enumerate(np.array_split(rows, self._n_parts(len(rows)))):
            rng = stream(self.seed, "batch", step, number, self.engine.number)
            torch.manual_seed(int(rng.integers(2**63)))  # for layers that draw
            batch = moved(self.fetch(part, rng), self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
                loss = self.objective.loss(self.module, batch, rng)
            (loss.total * (len(part) / n)).backward()  # type: ignore[no-untyped-call]
            for name, term in {**loss.named, "loss": loss.total}.items():
                terms[name] = terms.get(name, 0.0) + term.detach().float() * (len(part) / n)
        return terms

    def _n_parts(self, n: int) -> int:
        return max(min(self.parts, n // self.smallest), 1)

    def _cut_finer(self, n: int, full: torch.OutOfMemoryError) -> None:
        parts = self._n_parts(n)
        before = -(-n // parts)
        self.parts = 2 * parts
        if self._n_parts(n) == parts:
            what = f"the memory of the GPU is too small for {before} examples at a time"
            raise JobError(what, "training", "train fewer layers, or at a smaller input size") from full
        after = -(-n // self._n_parts(n))
        self.progress.note(f"out of memory: {before} examples at a time become {after}; the batch stays the same")

    def _over_processes(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.engine.n_processes == 1:
            return terms
        gradients = []
        for weights in self.module.parameters():
            if weights.requires_grad:
                weights.grad = torch.zeros_like(weights) if weights.grad is None else weights.grad
                gradients.append(weights.grad)
        self.engine.add_up([*gradients, *terms.values()])
        return terms


def moved(batch: Any, device: torch.device) -> Any:
    """A batch on a device: the tensors in tuples, lists and mappings, at any depth; all else as it is."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {name: moved(each, device) for name, each in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(moved(each, device) for each in batch)
    return batch
