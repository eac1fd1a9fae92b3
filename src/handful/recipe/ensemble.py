"""Several recipes that vote: the mean of their calibrated scores.

Source: averaging the logs of probabilities is the logarithmic opinion pool of Hinton 2002,
doi:10.1162/089976602760128018. Differs: each member first gets the temperature of its own out-of-fold scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.bundle.graph import mixed
from handful.evaluate.arrays import Floats, Ints
from handful.evaluate.calibration import fit_temperature
from handful.nn.backbone import Backbone
from handful.recipe.recipe import Recipe
from handful.transfer.technique import Examples, Fitted, Problem


@dataclass(frozen=True)
class Ensemble:
    """A recipe of several: its members and what each counts.

    Args:
        members: At least two recipes; the first gives the embedding by which unfamiliar inputs are known.
        weights: Of each member's scores: its temperature's factor times its share; found out of fold when empty.
    """

    members: tuple[Recipe, ...]
    weights: tuple[float, ...] = ()

    @property
    def is_trained(self) -> bool:
        """Whether a member is."""
        return any(member.is_trained for member in self.members)

    def seconds(self, n_examples: int) -> float:
        """What one training of every member takes."""
        return sum(member.seconds(n_examples) for member in self.members)

    def out_of_fold(self, problem: Problem, folds: Ints) -> tuple[Ensemble, Floats]:
        """Of every member, averaged."""
        members, scores = zip(*(member.out_of_fold(problem, folds) for member in self.members), strict=True)
        settled = replace(self, members=members).weighted(scores, problem.targets)
        return settled, settled.total(scores)

    def weighted(self, scores: Sequence[Floats], targets: Ints) -> Ensemble:
        """The ensemble with its weights: every member gets the temperature of its own out-of-fold scores.

        Members of one technique share what another technique has alone: four probes on four sizes are alike.

        Args:
            scores: Of each member, shape (n_repeats, n, n_classes).
            targets: Class indices, shape (n,).
        """
        scales = [fit_temperature(each[0], targets, with_bias=False).scale for each in scores]
        techniques = [member.adapt.technique for member in self.members]
        shares = [1 / (len(set(techniques)) * techniques.count(technique)) for technique in techniques]
        return replace(self, weights=tuple(scale * share for scale, share in zip(scales, shares, strict=True)))

    def total(self, scores: Sequence[Floats]) -> Floats:
        """The weighted sum of its members' scores; of as many repeats as all of them have."""
        n_repeats = min(map(len, scores))
        terms = [weight * each[:n_repeats] for weight, each in zip(self.weights, scores, strict=True)]
        return np.asarray(np.sum(terms, axis=0))

    def fit(self, problem: Problem) -> FittedEnsemble:
        """All members on all examples."""
        fitted = tuple(member.fit(problem) for member in self.members)
        weights = self.weights or (1 / len(fitted),) * len(fitted)
        return FittedEnsemble(fitted, weights)

    def describe(self) -> str:
        """One sentence in words; what differs in the size of the pictures alone is said once."""
        alike: dict[str, list[Recipe]] = {}
        for member in self.members:
            said = replace(member, backbone=member.backbone.partition("@")[0]).describe()
            alike.setdefault(said, []).append(member)
        parts = [
            some[0].describe() if len(some) == 1 else f"{said} (on pictures of {len(some)} sizes)"
            for said, some in alike.items()
        ]
        return f"the mean of {len(self.members)} models: " + "; ".join(parts)

    def brief(self) -> str:
        """A few words, for tables and charts."""
        return " + ".join(member.brief() for member in self.members)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"members": [member.to_json() for member in self.members], "weights": list(self.weights)}


@dataclass(frozen=True)
class FittedEnsemble(Fitted):
    """Fitted members and the weights of their scores."""

    members: tuple[Fitted, ...]
    weights: tuple[float, ...]

    def scores(self, examples: Examples) -> Floats:
        """The weighted sum."""
        each = zip(self.members, self.weights, strict=True)
        return np.asarray(np.sum([weight * member.scores(examples) for member, weight in each], axis=0))

    def embedding(self, examples: Examples) -> npt.NDArray[np.float32]:
        """Of the first member."""
        return self.members[0].embedding(examples)

    def graph(self, asked: Backbone) -> bytes:
        """All members on one input; what they compute alike is computed once."""
        return mixed([member.graph(asked) for member in self.members], self.weights)

    def tensors(self) -> dict[str, npt.NDArray[np.floating]]:
        """Of all members."""
        return {
            f"member{at}.{name}": tensor
            for at, member in enumerate(self.members)
            for name, tensor in member.tensors().items()
        }
