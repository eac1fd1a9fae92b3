"""Checkpoints: one file that is whole or absent, from which a killed training goes on to the same result.

The tensors (weights, averaged weights, state of the optimizer) are those of a safetensors file, and its header carries
the rest as JSON: the step, the history, what was trained on what. No generator has a state to be kept, since all draws
follow from the seed and the step. Nothing is pickled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from handful.core.errors import ModelError, UsageError
from handful.core.files import disk_error, write_whole
from handful.training.ema import Ema

FORMAT = "1"

History = list[dict[str, float]]


@dataclass
class Run:
    """What a training is in the middle of.

    Args:
        identity: What must be equal for a checkpoint to fit: its name, and its value as text.
        step: Steps that are done.
        parts: That a batch goes through in by now.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Ema | None
    identity: dict[str, str]
    parts: int = 1
    step: int = 0
    history: History = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """Where a training keeps its checkpoint, and how often. To start anew, delete the file.

    Args:
        path: Of the file.
        every: Steps between two of them; the last step is kept always.
    """

    path: Path
    every: int = 100

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"every={self.every} is not 1 or more", "checkpoint")

    def save(self, run: Run) -> None:
        """Write the state of a run.

        Raises:
            JobError: when the disk is full or not writable; an older checkpoint stands there still.
        """
        rest = {"step": run.step, "parts": run.parts, "history": run.history, "identity": run.identity}
        content = save(_tensors(run), metadata={"handful": FORMAT, "run": json.dumps(rest)})
        try:
            write_whole(self.path, content)
        except OSError as failure:
            raise disk_error(failure, self.path) from failure

    def resume(self, run: Run) -> bool:
        """Put a new run into the state of the file; False when there is none.

        Raises:
            ModelError: when the file is damaged, or of another training.
        """
        if not self.path.exists():
            return False
        try:
            with safe_open(self.path, "pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError) as failure:
            raise self._refused("is damaged or no checkpoint") from failure
        if header.get("handful") != FORMAT:
            raise self._refused("is not a checkpoint of this version of handful")
        rest = json.loads(header["run"])
        self._check(run, rest["identity"], tensors)
        _restore(run, tensors)
        run.step, run.parts, run.history = rest["step"], rest["parts"], rest["history"]
        return True

    def _check(self, run: Run, identity: dict[str, str], tensors: dict[str, Tensor]) -> None:
        for name, weights in run.module.state_dict().items():
            found = tensors.get(f"module.{name}")
            if found is None or found.shape != weights.shape:
                shape = "missing" if found is None else f"of shape {tuple(found.shape)}"
                raise self._refused(f"has another network: {name} is {shape}, not of shape {tuple(weights.shape)}")
        for name, value in run.identity.items():
            if identity.get(name) != value:
                raise self._refused(f"is of another training: {name} {identity.get(name)}, not {value}")

    def _refused(self, what: str) -> ModelError:
        return ModelError(f"the checkpoint {what}", str(self.path), "delete it to start anew")


def _tensors(run: Run) -> dict[str, Tensor]:
    tensors = {f"module.{name}": weights for name, weights in run.module.state_dict().items()}
    if run.ema is not None:
        tensors |= {f"ema.{name}": weights for name, weights in run.ema.average.items()}
    for number, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items() if value is not None}
    copied = {name: each.detach().cpu().contiguous() for name, each in tensors.items()}
    return _apart(copied)


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tied weights copied, since safetensors allows no common memory."""
    apart: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if place in places else tensor
        places.add(place)
    return apart


def _restore(run: Run, tensors: dict[str, Tensor]) -> None:
    kinds: dict[str, dict[str, Tensor]] = {"module": {}, "ema": {}, "optimizer": {}}
    for key, tensor in tensors.items():
        kind, _, name = key.partition(".")
        kinds[kind][name] = tensor
    run.module.load_state_dict(kinds["module"])
    if run.ema is not None:
        for name, average in run.ema.average.items():
            average.copy_(kinds["ema"][name])
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in kinds["optimizer"].items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    run.optimizer.load_state_dict({"state": state, "param_groups": run.optimizer.state_dict()["param_groups"]})
