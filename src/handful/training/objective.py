"""What is minimised: an objective turns a module and a batch into a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from handful.core.errors import DataError, UsageError


@dataclass(frozen=True)
class LossTerms:
    """What one batch costs.

    Args:
        total: Scalar, the mean over the batch; what is minimised.
        named: Scalars that it is made of, where there are several; the history shows them.
    """

    total: Tensor
    named: Mapping[str, Tensor] = field(default_factory=dict)


class Objective(ABC):
    """What the loop minimises: supervised, distillation, contrastive ..."""

    @property
    @abstractmethod
    def description(self) -> str:
        """One line with all its settings; a checkpoint of an objective with another one is refused."""

    @abstractmethod
    def loss(self, module: nn.Module, batch: Any, rng: np.random.Generator) -> LossTerms:
        """The loss of a batch, a mean over its examples: a batch that goes through in parts then costs the same.

        Args:
            module: In the mode it is trained in.
            batch: What `fetch` gave, on the module's device.
            rng: For what the objective itself draws. What layers draw (dropout) is seeded by the loop.
        """


@dataclass(frozen=True)
class Supervised(Objective):
    """Cross entropy; a batch is (inputs, targets).

        loss = -mean_i sum_c w_c t_ic log softmax(logits_i)_c,    t = (1 - s) target + s / n_classes

    Targets are class indices, shape (n,), or soft labels, shape (n, n_classes), as mixing makes them.

    Args:
        label_smoothing: s, from 0 to below 1.
        class_weights: w, one for each class; all 1 when None. Give them a mean of 1 over the training set to keep the
            loss, and with it the learning rate, at its usual size.
    Raises:
        DataError: when logits, targets and weights are not of one shape.
    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7. Differs from torch with class indices and weights: the sum
        is divided by the number of examples, not by the sum of their weights, which would depend on how a batch is cut.
    """

    label_smoothing: float = 0.1
    class_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(f"label_smoothing={self.label_smoothing} is not from 0 to below 1", "Supervised")
        if self.class_weights is not None and not all(0 <= weight < np.inf for weight in self.class_weights):
            raise UsageError(f"class_weights={self.class_weights} are not all 0 or more", "Supervised")

    @property
    def description(self) -> str:
        """Its settings."""
        return repr(self)

    def loss(self, module: nn.Module, batch: Any, rng: np.random.Generator) -> LossTerms:  # noqa: ARG002
        """Mean cross entropy of (inputs, targets), scalar; draws nothing."""
        inputs, targets = batch
        logits = module(inputs).float()  # half precision is too coarse for small losses
        self._check(logits, targets)
        if targets.ndim == 1:
            targets = functional.one_hot(targets.long(), logits.shape[1])
        weights = None if self.class_weights is None else logits.new_tensor(self.class_weights)
        return LossTerms(
            functional.cross_entropy(logits, targets.to(logits.dtype), weights, label_smoothing=self.label_smoothing)
        )

    def _check(self, logits: Tensor, targets: Tensor) -> None:
        sound = logits.ndim == 2 and tuple(targets.shape) in ((len(logits),), tuple(logits.shape))
        if not sound:
            shapes = f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)}"
            expected = "expected (n, n_classes), and (n,) or (n, n_classes)"
            raise DataError(f"{shapes} do not fit: {expected}", "Supervised")
        if self.class_weights is not None and len(self.class_weights) != logits.shape[1]:
            raise DataError(f"{len(self.class_weights)} class weights for {logits.shape[1]} logits", "Supervised")
