"""Where a training runs: in this process, or in several through Hugging Face accelerate.

The loop knows only `Engine`. Each process computes the gradient of its share of every batch; the sum over processes is
the gradient of the batch, whatever the sizes of the shares. In a script under `accelerate launch --num_processes 2`:

    train(module, objective, fetch, n, how, seed=0, engine=accelerated())

On CPUs it is `accelerated(cpu=True)` under `accelerate launch --multi_gpu --num_processes 2`, whatever the name says:
`--cpu` alone starts one process, or several through MPI.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from handful.core.errors import UsageError
from handful.core.optional import require


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively: a step then takes about half of the time."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


class Engine(ABC):
    """The processes that train together. Number 0 writes files and talks to the user."""

    @property
    @abstractmethod
    def number(self) -> int:
        """Of this process, from 0."""

    @property
    @abstractmethod
    def n_processes(self) -> int:
        """In all."""

    @abstractmethod
    def begin(self, module: nn.Module) -> torch.device:
        """Put the module on its device, with the same weights in every process; the device."""

    @abstractmethod
    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace floats by their sum over all processes, which must come with the same shapes."""


@dataclass(frozen=True)
class OneProcess(Engine):
    """The module where it lies, in this process."""

    @property
    def number(self) -> int:
        """The first and only one."""
        return 0

    @property
    def n_processes(self) -> int:
        """One."""
        return 1

    def begin(self, module: nn.Module) -> torch.device:
        """The device of the first parameter."""
        return next((weights.device for weights in module.parameters()), torch.device("cpu"))

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """There is nothing to add."""


@dataclass(frozen=True)
class Accelerated(Engine):
    """The processes that `accelerate launch` started.

    Args:
        accelerator: An `accelerate.Accelerator`; only its devices and its sums are used.
    """

    accelerator: Any

    @property
    def number(self) -> int:
        """Of this process, from 0."""
        return int(self.accelerator.process_index)

    @property
    def n_processes(self) -> int:
        """In all."""
        return int(self.accelerator.num_processes)

    def begin(self, module: nn.Module) -> torch.device:
        """The device of this process, where the module is moved; weights and buffers are those of process 0."""
        device: torch.device = self.accelerator.device
        module.to(device)
        broadcast = require("accelerate.utils", extra="hub").broadcast
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.copy_(broadcast(tensor.detach().clone(), from_process=0))
        return device

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """One sum of all of them, laid end to end."""
        if tensors and self.n_processes > 1:
            flat = self.accelerator.reduce(torch.cat([each.flatten() for each in tensors]), reduction="sum")
            for each, summed in zip(tensors, flat.split([each.numel() for each in tensors]), strict=True):
                each.copy_(summed.view_as(each))


def accelerated(cpu: bool = False) -> Engine:
    """The processes that `accelerate launch` started, this one among them; alone, it is the only one.

    Args:
        cpu: Stay on the CPU.
    Raises:
        MissingPackage: without accelerate.
        UsageError: under an engine that keeps weights in pieces (DeepSpeed, FSDP), which the loop would not see.
    """
    accelerator = require("accelerate", extra="hub").Accelerator(cpu=cpu)
    kind = str(accelerator.distributed_type).rpartition(".")[2]
    if kind in ("DEEPSPEED", "FSDP", "MEGATRON_LM"):
        raise UsageError(f"accelerate is set to {kind}", "training", "choose several CPUs or GPUs: accelerate config")
    return Accelerated(accelerator)
