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
    def description(self) -> str:
        """One line with all its settings; a checkpoint of an objective with another one is refused."""
        return repr(self)

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


@dataclass(frozen=True)
class Distillation(Objective):
    """The answers of a teacher; a batch is (inputs, answers), answers being the teacher's logits, shape (n, n_classes).

        loss = T^2 mean_i sum_c p_ic (log p_ic - log q_ic),    p = softmax(answers / T), q = softmax(logits / T)

    With `features`, module and batch give (logits, features) each, features of shape (n, dim), and

        loss += features * mean_i (1 - cos(student's features_i, teacher's features_i))

    The temperature's square keeps the size of the gradient. At the teacher's own logits the loss is 0.

    Args:
        temperature: T, above 0; larger shows more of what the teacher thinks of the unlikely classes.
        features: What features count, 0 or more; a layer that brings them to one width is the module's affair.
    Raises:
        DataError: when student and teacher are not of one shape.
    Source: Hinton et al. 2015, arXiv:1503.02531, section 2. Differs: the divergence in place of the cross entropy, a
        constant less; no term of hard labels. Features: Romero et al. 2015, arXiv:1412.6550, by angle, not by distance.
    """

    temperature: float = 1.0
    features: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < np.inf:
            raise UsageError(f"temperature={self.temperature} is not above 0", "Distillation")
        if not 0 <= self.features < np.inf:
            raise UsageError(f"features={self.features} is not 0 or more", "Distillation")

    def loss(self, module: nn.Module, batch: Any, rng: np.random.Generator) -> LossTerms:  # noqa: ARG002
        """Mean divergence of (inputs, answers), scalar, and the term of the features where it counts; draws nothing."""
        inputs, answers = batch
        given = module(inputs)
        if not self.features:
            return LossTerms(self._divergence(given, answers))
        divergence, angle = self._divergence(given[0], answers[0]), self._angle(given[1], answers[1])
        return LossTerms(divergence + self.features * angle, {"logits": divergence, "features": angle})

    def _divergence(self, logits: Tensor, answers: Tensor) -> Tensor:
        _check_alike(logits, answers, "logits")
        student = functional.log_softmax(logits.float() / self.temperature, dim=1)
        teacher = functional.log_softmax(answers.float() / self.temperature, dim=1)
        divergence = functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
        return self.temperature**2 * divergence

    @staticmethod
    def _angle(features: Tensor, wanted: Tensor) -> Tensor:
        _check_alike(features, wanted, "features")
        return 1 - functional.cosine_similarity(features.float(), wanted.float(), dim=1).mean()


def _check_alike(student: Tensor, teacher: Tensor, what: str) -> None:
    if student.ndim != 2 or student.shape != teacher.shape:
        shapes = f"the student's {what} {tuple(student.shape)} and the teacher's {tuple(teacher.shape)}"
        raise DataError(f"{shapes} do not fit: expected (n, dim) of both", "Distillation")
