"""How something is trained: all that the loop needs to be told, but objective and data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from handful.core.errors import UsageError
from handful.training.parameters import Groups
from handful.training.schedule import warmed_up, warmup_cosine


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def over(self, groups: Groups) -> torch.optim.Optimizer:
        """The optimizer of these parameters; the loop sets the learning rate."""
        return torch.optim.AdamW(groups, lr=0.0, betas=self.betas, eps=self.eps)


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent with Nesterov's momentum; weight decay is added to the gradient."""

    momentum: float = 0.9

    def over(self, groups: Groups) -> torch.optim.Optimizer:
        """The optimizer of these parameters; the loop sets the learning rate."""
        return torch.optim.SGD(groups, lr=0.0, momentum=self.momentum, nesterov=self.momentum > 0)


@dataclass(frozen=True)
class Training:
    """The settings of one training.

    Args:
        epochs: Times that as many examples as there are go through.
        steps: Instead of epochs, when given.
        batch_size: Examples in a step, over all parts and processes.
        parts: Parts that a batch goes through in, one after the other, to save memory. More where memory runs out.
        learning_rate: At its highest.
        optimizer: `AdamW` or `Sgd`.
        weight_decay: Of matrices and kernels; norms and biases have none.
        schedule: What follows the warm-up.
        warmup: Share of the steps in which the learning rate rises.
        clip_norm: The longest gradient; unclipped when None.
        ema: Decay of the averaged weights, which the module then ends up with; none when None.
        mixed_precision: bfloat16 where it is safe. When None, on a GPU that has it; off on a CPU.
        frozen_statistics: BatchNorm keeps its running statistics, as is best on few examples. Not for a network that
            starts from random weights.
        balanced: Every class is drawn equally often.
    """

    epochs: int = 20
    steps: int | None = None
    batch_size: int = 32
    parts: int = 1
    learning_rate: float = 1e-3
    optimizer: AdamW | Sgd = AdamW()
    weight_decay: float = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 0.1
    clip_norm: float | None = 1.0
    ema: float | None = None
    mixed_precision: bool | None = None
    frozen_statistics: bool = True
    balanced: bool = False

    def __post_init__(self) -> None:
        positive = {"clip_norm": self.clip_norm, "learning_rate": self.learning_rate}
        whole = {"epochs": self.epochs, "steps": self.steps, "batch_size": self.batch_size, "parts": self.parts}
        for name, number in whole.items():
            _check(number is None or number >= 1, name, number, "1 or more")
        for name, value in positive.items():
            _check(value is None or 0 < value < float("inf"), name, value, "above 0")
        _check(self.weight_decay >= 0, "weight_decay", self.weight_decay, "0 or more")
        _check(0 <= self.warmup < 1, "warmup", self.warmup, "from 0 to below 1")
        _check(self.ema is None or 0 <= self.ema < 1, "ema", self.ema, "from 0 to below 1")
        _check(self.schedule in ("cosine", "constant"), "schedule", self.schedule, "cosine or constant")

    def n_steps(self, per_epoch: int) -> int:
        """Steps in all, when an epoch has so many."""
        return self.epochs * per_epoch if self.steps is None else self.steps

    def rate(self, step: int, n_steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        n_warmup = int(self.warmup * n_steps)
        if self.schedule == "constant":
            return self.learning_rate * warmed_up(step, n_warmup)
        return self.learning_rate * warmup_cosine(step, n_steps, n_warmup)


def _check(sound: bool, name: str, value: object, expected: str) -> None:
    if not sound:
        raise UsageError(f"{name}={value} is not {expected}", "training")
