"""The linear probe: a linear head on frozen features, fitted exactly.

Rows of features are made comparable by transforms of each row alone (a power, unit length), so nothing is learned from
other examples before the head, and every held-out prediction is exact.

Source: the probe is Alain and Bengio 2016, arXiv:1610.01644; the square root of features that are means of rectified
responses is the Hellinger map (Perronnin et al. 2010, doi:10.1007/978-3-642-15561-1_11). Differs: several depths side
by side, each of unit length; fixed views of an example are rows that are left out together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.bundle.graph import EMBEDDING_POWER, Head, known_by, splice
from handful.evaluate.arrays import softmax
from handful.evaluate.calibration import fit_scales
from handful.evaluate.metrics import log_losses
from handful.nn.backbone import Backbone
from handful.nn.linear import (
    PENALTIES,
    Floats,
    Linear,
    balanced_weights,
    blocks_of,
    held_out,
    one_hot,
    ridge,
    ridge_once,
    span,
)
from handful.nn.logistic import held_out_logistic, logistic
from handful.nn.text_backbone import TextBackbone
from handful.nn.text_graph import over_windows
from handful.transfer.technique import Examples, Fitted, Problem, Technique, for_pictures_of

Targets = npt.NDArray[np.int64]
Features = npt.NDArray[np.floating]
HeadKind = Literal["ridge", "logistic"]
ClassWeights = Literal["none", "balanced"]

DEFAULT_PENALTY = 0.1  # relative; where there is nothing to choose it on
LOGISTIC_PENALTY = 1e-2  # relative; on the open sets anything within a factor of three is as good
LOGISTIC_REPEATS = 2  # of cross-validation: every fold is a fit, and a spread takes two


@dataclass(frozen=True)
class Probe(Technique):
    """Which features, which rows, which head.

    Args:
        layers: Names of the backbone's pooled layers.
        power: Exponent of the features, sign kept; 0.5 tames the few strong channels.
        views: Which views of a training example are rows, as positions in the list of the policy's views.
        test_views: Over which views a prediction is averaged, likewise.
        head: Ridge regression on the class indicators, or logistic regression.
        class_weights: "balanced" gives every class the same total weight.
        penalty: Relative to the mean squared norm of a centred row; chosen by exact leave-one-out when None.
    """

    technique: ClassVar[str] = "probe"

    layers: tuple[str, ...]
    power: float = 0.5
    views: tuple[int, ...] = (0,)
    test_views: tuple[int, ...] = (0,)
    head: HeadKind = "ridge"
    class_weights: ClassWeights = "none"
    penalty: float | None = None

    def seconds(self, n_examples: int) -> float:  # noqa: ARG002
        """Nothing is trained."""
        return 0.0

    def rows(self, problem: Problem, backbone: Backbone, policy: Policy) -> ProbeRows:
        """The decomposed rows of all examples."""
        features = problem.examples.features(backbone, views_of(policy)[: max(self.views) + 1])
        return ProbeRows(self, features, backbone, problem.targets, problem.n_classes, problem.units)

    def out_of_fold(
        self, problem: Problem, backbone: Backbone, policy: Policy, folds: npt.NDArray[np.int64]
    ) -> tuple[Probe, Floats]:
        """The penalty by exact leave-one-out, and every fold from the same decomposition."""
        rows = self.rows(problem, backbone, policy)
        penalty = rows.best_penalty() if self.penalty is None else self.penalty
        return replace(self, penalty=penalty), rows.out_of_fold(folds, penalty)

    def fit(self, problem: Problem, backbone: Backbone, policy: Policy) -> FittedProbe:
        """The head on all examples; with `DEFAULT_PENALTY` where none was chosen."""
        penalty = DEFAULT_PENALTY if self.penalty is None else self.penalty
        settled = replace(self, penalty=penalty)
        return FittedProbe(settled, backbone, policy, self.rows(problem, backbone, policy).fit(penalty))

    def describe(self, backbone: str, policy: Policy) -> str:
        """One sentence in words."""
        depth = "the last layer" if len(self.layers) == 1 else f"{len(self.layers)} pooled layers"
        root = "" if self.power == 1 else f", features to the power {self.power:g}"
        views = "one view" if len(self.views) == 1 else f"{len(self.views)} views"
        drawn = f" (policy {policy.name})" if len(self.views) > 1 else ""
        mirrored = ", averaged with the mirrored photo" if len(self.test_views) > 1 else ""
        weights = ", classes weighted equally" if self.class_weights == "balanced" else ""
        head = {"ridge": "exact ridge", "logistic": "logistic regression"}[self.head]
        return f"{head} on {depth} of {Path(backbone).name}{root}; {views} of each example{drawn}{mirrored}{weights}"

    def brief(self, backbone: str, policy: Policy) -> str:
        """A few words, for tables and charts."""
        parts = [self.head, "1 layer" if len(self.layers) == 1 else f"{len(self.layers)} layers"]
        parts += ["square root"] if self.power == 0.5 else []
        parts += ["1 view" if len(self.views) == 1 else f"{len(self.views)} views: {policy.name}"]
        parts += ["equal weights"] if self.class_weights == "balanced" else []
        _, at, size = backbone.partition("+")[0].partition("@")
        return ", ".join([*parts, *([f"{size} px"] if at else [])])


@dataclass(frozen=True)
class FittedProbe(Fitted):
    """A head on frozen features.

    Args:
        probe: With its penalty.
        backbone: What gives the features.
        policy: Which views the probe averages over is said by position.
        head: From prepared features to scores.
        frozen: The network as it was before it was fine-tuned, by which unfamiliar inputs are known; None where it is
            the backbone itself.
    """

    probe: Probe
    backbone: Backbone
    policy: Policy
    head: Linear
    frozen: Backbone | None = None

    def scores(self, examples: Examples) -> Floats:
        """Averaged over the views that the probe predicts on."""
        features = examples.features(self.backbone, views_of(self.policy)[: max(self.probe.test_views) + 1])
        return predicted_scores(self.probe, self.head, features, self.backbone)

    def embedding(self, examples: Examples) -> npt.NDArray[np.float32]:
        """The last layer of the plain view."""
        return embedding(examples, self.frozen or self.backbone)

    def graph(self, asked: Backbone) -> bytes:
        """The head, spliced onto the backbone's own graph."""
        head = Head(
            columns=self.backbone.columns(self.probe.layers),
            power=self.probe.power,
            weight=self.head.weight,
            bias=self.head.bias,
            mirrored=len(self.probe.test_views) > 1,
            embedding=self.backbone.columns(self.backbone.last)[0],
        )
        graph = splice(_of_raw_input(self.backbone), head)
        if self.frozen is not None:
            graph = known_by(graph, _of_raw_input(self.frozen), self.frozen.columns(self.frozen.last)[0])
        return for_pictures_of(asked, graph, self.backbone)

    def tensors(self) -> dict[str, npt.NDArray[np.floating]]:
        """The head, and the network if it was fine-tuned: the published one has its own file."""
        tuned = {f"backbone.{name}": weight for name, weight in (self.backbone.weights or {}).items()}
        head = {"head.weight": self.head.weight.astype(np.float32), "head.bias": self.head.bias.astype(np.float32)}
        return {**tuned, **head}


def _of_raw_input(backbone: Backbone) -> bytes:
    """From pixels, or the windows of texts, to features."""
    return over_windows(backbone.graph_bytes) if isinstance(backbone, TextBackbone) else backbone.graph_bytes


def embedding(examples: Examples, backbone: Backbone) -> npt.NDArray[np.float32]:
    """What unfamiliar inputs are known by: the last layer of the plain view, shape (n, dim), unit length."""
    return prepare(examples.features(backbone)[:, 0], backbone.columns(backbone.last)[:1], EMBEDDING_POWER)


def prepare(features: Features, columns: list[slice], power: float) -> npt.NDArray[np.float32]:
    """Each layer to the power and to unit length, side by side, to unit length together.

    Args:
        features: Pooled features, shape (..., dim).
        columns: Where each layer stands.
        power: Exponent; the sign is kept.
    Returns:
        Shape (..., sum of the layers' dims).
    """
    parts = []
    for column in columns:
        part = features[..., column].astype(np.float32)
        part = part if power == 1 else np.sign(part) * np.abs(part) ** np.float32(power)
        parts.append(part / np.maximum(np.linalg.norm(part, axis=-1, keepdims=True), 1e-6))
    return np.asarray(np.concatenate(parts, axis=-1) / np.sqrt(len(parts)), dtype=np.float32)


def predicted_scores(probe: Probe, head: Linear, features: Features, backbone: Backbone) -> Floats:
    """Scores of new examples, averaged over the views that the probe predicts on, shape (n, n_classes).

    Args:
        features: Of all views up to the last that is needed, shape (n, n_views, dim).
    """
    seen = prepare(features[:, list(probe.test_views)], backbone.columns(probe.layers), probe.power)
    return np.asarray(head(seen).mean(axis=1))


class ProbeRows:
    """The rows of one probe on one training set, decomposed once; every fold and penalty is read off from there.

    Args:
        probe: The settings.
        features: Of all views, shape (n, n_views, dim).
        backbone: Says where the layers stand.
        targets: Class indices, shape (n,).
        n_classes: Number of classes.
        units: What is left out together, shape (n,).
    """

    def __init__(
        self,
        probe: Probe,
        features: Features,
        backbone: Backbone,
        targets: Targets,
        n_classes: int,
        units: npt.NDArray[np.int64],
    ) -> None:
        self.probe, self.targets, self.n_classes = probe, targets, n_classes
        self.n_views = len(probe.views)
        picked = features[:, list(probe.views)]
        self.rows = prepare(picked, backbone.columns(probe.layers), probe.power).reshape(
            len(targets) * self.n_views, -1
        )
        self.row_targets = np.repeat(targets, self.n_views)
        self.outputs = one_hot(self.row_targets, n_classes)
        self.space = span(self.rows, self._weights(targets))
        self.unit_blocks = blocks_of(np.repeat(units, self.n_views))

    def leave_one_out(self, relative_penalties: npt.ArrayLike) -> Floats:
        """Exact leave-one-unit-out scores of the ridge head, shape (n_penalties, n, n_classes)."""
        penalties = np.asarray(relative_penalties) * self.space.unit_penalty
        return self._test_scores(held_out(self.space, self.outputs, penalties, self.unit_blocks))

    def best_penalty(self) -> float:
        """The relative penalty with the least leave-one-out log-loss, after the best temperature for each."""
        if self.probe.head == "logistic":
            return LOGISTIC_PENALTY
        scores = self.leave_one_out(PENALTIES)
        scaled = scores * fit_scales(scores, self.targets)[:, None, None]
        losses = [log_losses(self.targets, softmax(each)).mean() for each in scaled]
        return float(PENALTIES[int(np.argmin(losses))])

    def out_of_fold(self, folds: npt.NDArray[np.int64], relative_penalty: float) -> Floats:
        """Scores of every example from the probe fitted without its fold.

        Args:
            folds: The fold of each example in each repeat, shape (n_repeats, n).
        Returns:
            Shape (n_repeats, n, n_classes); of fewer repeats for a head that must be refitted for every fold.
        """
        folds = folds[:LOGISTIC_REPEATS] if self.probe.head == "logistic" else folds
        return np.stack([self._one_repeat(np.repeat(fold, self.n_views), relative_penalty) for fold in folds])

    def _one_repeat(self, row_folds: npt.NDArray[np.int64], relative_penalty: float) -> Floats:
        blocks = blocks_of(row_folds)
        if self.probe.head == "logistic":
            scores = held_out_logistic(self.rows, self.row_targets, self.n_classes, relative_penalty, blocks)
            return self._test_scores(scores[None]).squeeze(0)
        penalty = relative_penalty * self.space.unit_penalty
        return self._test_scores(held_out(self.space, self.outputs, [penalty], blocks)).squeeze(0)

    def fit(self, relative_penalty: float) -> Linear:
        """The head on all rows."""
        penalty = relative_penalty * self.space.unit_penalty
        if self.probe.head == "logistic":
            return logistic(self.space, self.row_targets, self.n_classes, penalty)
        return ridge(self.space, self.outputs, penalty)

    def refitted(self, kept: npt.NDArray[np.int64], tested: npt.NDArray[np.int64], relative_penalty: float) -> Floats:
        """Scores of some examples from the probe fitted on some others, shape (n_tested, n_classes).

        The rows are rotated into their own span first: that changes no prediction, and it is far smaller.
        """
        rotated = self.space.coordinates.reshape(len(self.targets), self.n_views, -1)
        rows, row_targets = (
            rotated[kept].reshape(len(kept) * self.n_views, -1),
            np.repeat(self.targets[kept], self.n_views),
        )
        if self.probe.head == "logistic":
            space = span(rows)
            head = logistic(space, row_targets, self.n_classes, relative_penalty * space.unit_penalty)
        else:
            outputs, weights = one_hot(row_targets, self.n_classes), self._weights(self.targets[kept])
            head = ridge_once(rows, outputs, relative_penalty, weights)
        return np.asarray(head(rotated[tested][:, self._at_test]).mean(axis=1))

    def _weights(self, targets: Targets) -> Floats | None:
        if self.probe.class_weights == "none":
            return None
        return balanced_weights(np.repeat(targets, self.n_views))

    @property
    def _at_test(self) -> list[int]:
        return [self.probe.views.index(view) for view in self.probe.test_views]

    def _test_scores(self, scores: Floats) -> Floats:
        """From scores of rows, (p, n * n_views, c), to scores of examples: the mean over the views at test time."""
        by_view = scores.reshape(len(scores), len(self.targets), self.n_views, self.n_classes)
        return np.asarray(by_view[:, :, self._at_test].mean(axis=2))
