"""What a technique of transfer is: settings that predict every example out of fold, and fit to a model that ships."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import numpy.typing as npt

from handful.augment.policy import Policy
from handful.augment.views import ORIGINAL, View
from handful.bundle.graph import resized
from handful.core.budget import Budget
from handful.core.errors import ModelError, UsageError
from handful.core.parallel import side_by_side
from handful.core.progress import SILENT, Progress
from handful.evaluate.arrays import Floats, Ints
from handful.nn.backbone import Backbone, FeatureMatrix, InputSpec
from handful.nn.shrink import shrunk

Raw = npt.NDArray[np.uint8] | Sequence[str]  # pixels (n, size, size, 3), or texts
Kept = TypeVar("Kept")
Embed = Callable[[Backbone, Any, Sequence[View]], FeatureMatrix]


class Examples:
    """Inputs as techniques see them: raw, and frozen features of any view by any backbone, computed when asked for.

    Args:
        raw: Pixels, shape (n, size, size, 3), or n texts.
        embed: From a backbone, raw inputs of its size and views to features (n, n_views, dim).
    """

    def __init__(self, raw: Raw, embed: Embed) -> None:
        self.raw, self._embed = raw, embed
        self._known: dict[tuple[str, View], npt.NDArray[np.float16]] = {}

    def __len__(self) -> int:
        return len(self.raw)

    def seen_by(self, backbone: Backbone) -> Any:
        """The raw inputs as this backbone takes them: pictures at its size."""
        return shrunk(self.raw, backbone.spec.size) if isinstance(self.raw, np.ndarray) else self.raw

    def features(self, backbone: Backbone, views: Sequence[View] = (ORIGINAL,)) -> FeatureMatrix:
        """Features of some views, shape (n, n_views, dim); each is computed once."""
        missing = [view for view in dict.fromkeys(views) if (backbone.name, view) not in self._known]
        if missing:
            found = self._embed(backbone, self.seen_by(backbone), missing)
            self._known |= {(backbone.name, view): found[:, at] for at, view in enumerate(missing)}
        return np.stack([self._known[backbone.name, view] for view in views], axis=1)

    def knowing(self, backbone: Backbone, view: View, features: npt.NDArray[np.float16]) -> Self:
        """The same examples, when features of a view are there already, shape (n, dim)."""
        self._known[backbone.name, view] = features
        return self

    def take(self, rows: Ints) -> Examples:
        """Some of them, with the features that are known."""
        raw = self.raw[rows] if isinstance(self.raw, np.ndarray) else [self.raw[row] for row in rows]
        some = Examples(raw, self._embed)
        some._known = {key: features[rows] for key, features in self._known.items()}
        return some


@dataclass(frozen=True)
class Problem:
    """What techniques are tried on.

    Args:
        examples: To learn from.
        targets: Class indices, shape (n,).
        n_classes: Number of classes.
        units: What is never split across folds, shape (n,).
        backbones: By name; the first is the one that was asked for, the others show it smaller pictures.
        seed: Of everything random.
        jobs: How many folds are trained at a time; as many as there are cores when None.
        engine: Where they are trained: "local", or "ray".
        unlabelled: More of the kind, whose labels nobody knows; None where there are none.
        budget: How long it may take to try them.
        progress: Told what goes on.
    """

    examples: Examples
    targets: Ints
    n_classes: int
    units: Ints
    backbones: Mapping[str, Backbone]
    seed: int = 0
    jobs: int | None = None
    engine: str = "local"
    unlabelled: Examples | None = None
    budget: Budget = field(default_factory=Budget, compare=False)
    progress: Progress = field(default=SILENT, compare=False)
    _kept: dict[Hashable, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def remember(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """What `make` returned when it was first asked for under this key: activations, say, that every fold uses."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: Kept = self._kept[key]
        return kept

    @property
    def backbone(self) -> Backbone:
        """The one that was asked for."""
        return next(iter(self.backbones.values()))

    def seen_through(self, name: str) -> Backbone:
        """The backbone of that name.

        Raises:
            UsageError: when the problem has none, as for a saved recipe of a network that has no name to be found by.
        """
        if name not in self.backbones:
            known = ", ".join(self.backbones)
            raise UsageError(f"the problem has no backbone {name!r}, only {known}", "Problem", "give it by that name")
        return self.backbones[name]

    def take(self, rows: Ints) -> Problem:
        """The same problem on some of the examples, with all unlabelled ones."""
        examples = self.examples.take(rows)
        return replace(self, examples=examples, targets=self.targets[rows], units=self.units[rows])


def for_pictures_of(asked: Backbone, graph: bytes, own: Backbone) -> bytes:
    """A graph for pictures of one backbone's size, for pictures of another's; texts have no size."""
    if isinstance(own.spec, InputSpec) and isinstance(asked.spec, InputSpec):
        return resized(graph, asked.spec.size, own.spec.size)
    return graph


def left_out_in_folds(
    problem: Problem, folds: Ints, work: Callable[..., Floats], given: tuple[Any, ...], label: str
) -> Floats:
    """Scores of a training for each fold of the first repeat, several side by side.

    Args:
        problem: All examples.
        folds: Shape (n_repeats, n); an example of fold -1 is always learned from and never predicted.
        work: `work(*given, left_out, seed)` gives the scores of the examples left out, shape (n_left_out, n_classes).
        given: What every fold is given.
        label: What the progress bar says.
    Returns:
        Shape (1, n, n_classes); NaN for what was not predicted.
    Raises:
        TimeIsUp: when the budget of the problem ends before.
    """
    numbers = [int(number) for number in np.unique(folds[0]) if number >= 0]
    left_out = [np.flatnonzero(folds[0] == number) for number in numbers]
    pieces = [(*given, rows, problem.seed + number) for number, rows in zip(numbers, left_out, strict=True)]
    left = problem.budget.seconds_left
    found = side_by_side(work, pieces, problem.jobs, label, problem.progress, problem.engine, left)
    scores = np.full((1, len(problem.targets), problem.n_classes), np.nan)
    for rows, part in zip(left_out, found, strict=True):
        scores[0, rows] = part
    return scores


class Fitted(ABC):
    """What a technique made of all examples of a problem."""

    @abstractmethod
    def scores(self, examples: Examples) -> Floats:
        """Scores before calibration, shape (n, n_classes)."""

    @abstractmethod
    def graph(self, asked: Backbone) -> bytes:
        """ONNX from the raw input to `scores` (n, n_classes) and `embedding` (n, dim), of unit length.

        Args:
            asked: The backbone that was asked for: pictures come in its size.
        """

    @abstractmethod
    def embedding(self, examples: Examples) -> npt.NDArray[np.float32]:
        """What unfamiliar inputs are known by, as the graph gives it, shape (n, dim)."""

    @abstractmethod
    def tensors(self) -> dict[str, npt.NDArray[np.floating]]:
        """What `weights.safetensors` holds, to go on training."""


@dataclass(frozen=True)
class Technique(ABC):
    """A technique with its settings: one dataclass, one file, named after it."""

    technique: ClassVar[str]  # in saved recipes

    @property
    def is_trained(self) -> bool:
        """Whether it is trained step by step, so that every fold costs much."""
        return self.seconds(1) > 0

    @abstractmethod
    def seconds(self, n_examples: int) -> float:
        """What one training on so many examples takes on a slow core; 0 for what is exact."""

    @abstractmethod
    def out_of_fold(
        self, problem: Problem, backbone: Backbone, policy: Policy, folds: Ints
    ) -> tuple[Technique, Floats]:
        """Choose what the settings leave open, then predict every example by models that never saw its fold.

        Args:
            problem: All examples.
            backbone: What they are seen by.
            policy: What views of training examples are drawn from.
            folds: The fold of each example in each repeat, shape (n_repeats, n).
        Returns:
            The technique with every setting filled in, and scores of shape (n_repeats, n, n_classes), of fewer
            repeats where each fold costs much.
        """

    @abstractmethod
    def fit(self, problem: Problem, backbone: Backbone, policy: Policy) -> Fitted:
        """The model of all examples."""

    @abstractmethod
    def describe(self, backbone: str, policy: Policy) -> str:
        """One sentence in words."""

    @abstractmethod
    def brief(self, backbone: str, policy: Policy) -> str:
        """A few words, for tables and charts."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the name of the technique."""
        return {"technique": self.technique, **asdict(self)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """The settings that `to_json` described.

        Raises:
            ModelError: when some are missing or unknown.
            UsageError: when one makes no sense.
        """
        given = saved if isinstance(saved, Mapping) else {}
        settings = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
        settings.pop("technique", None)
        if settings.keys() != {each.name for each in fields(cls)}:
            raise ModelError("a recipe is incomplete or has unknown settings", remedy="fit the model again")
        return cls(**settings)
