"""What a model is chosen by and judged by: one kind of object for accuracy, F1, AUROC, log-loss and costs.

Whatever the metric, each example has a *contribution*, more is better, and their mean is the score. So everything that
is done with right and wrong answers (choosing on sums, drawing units, pairing folds) is done for every metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from handful.evaluate.arrays import Averaging, Floats, Ints, example_weights
from handful.evaluate.costs import Costs, decided
from handful.evaluate.influence import auroc_influence, macro_f1_influence
from handful.evaluate.intervals import Interval, around, mean_draws
from handful.evaluate.metrics import log_losses

RARE_LOSS = 3.0  # nats: an answer at 5 %; a handful of examples may not have shown one, yet it happens

Contribute = Callable[[Ints, Floats, Ints], Floats]
"""From class indices, (n,), probabilities, (n, c), and the classes answered, (n,), to contributions, (n,)."""


@dataclass(frozen=True)
class Metric:
    """A score of probabilities.

    Args:
        name: As asked for.
        contribute: What each example adds; more is better, the mean is the score (its negative, for a loss).
        averaging: Over examples, or over classes. Over classes, contributions are weighted so that classes count alike.
        anchors: The least and the most that the interval thinks an example can add; over classes, before weighting.
            Minus infinity where there is no limit.
        bounds: Between which the mean of contributions lies.
        greater_is_better: False for losses and costs. `value` and `interval` are positive for them; contributions are
            negative.
        by_class: Whether the interval takes the share of each class for given.
        graded: Whether it reads more than which class is the likeliest, so that scores must be calibrated for it; else
            any scores will do in place of probabilities.
        rarity: How much rare classes are favoured once `at_shares` knows the shares: their probability is divided
            by the share to this power.
        costs: What decides instead of the largest probability, if anything does.
        unit: Of a gain; "points" are hundredths.
    """

    name: str
    contribute: Contribute
    averaging: Averaging
    anchors: tuple[float, float] = (0.0, 1.0)
    bounds: tuple[float, float] = (0.0, 1.0)
    greater_is_better: bool = True
    by_class: bool = True
    graded: bool = False
    rarity: float = 0.0
    costs: Costs | None = None
    unit: str = "points"

    @property
    def with_bias(self) -> bool:
        """Whether probabilities are calibrated with a bias for each class: where costs decide, levels matter."""
        return self.costs is not None

    @property
    def in_units(self) -> float:
        """What a gain of one is, in `unit`."""
        return 100.0 if self.unit == "points" else 1.0

    @property
    def of_answers(self) -> Metric:
        """Accuracy of the answers that this metric decides on."""
        return ACCURACY.deciding_by(self.costs)

    def deciding_by(self, costs: Costs | None) -> Metric:
        """The same metric of answers by other costs, such as those of a finished model."""
        return replace(self, costs=costs, graded=self.graded or costs is not None)

    def contributions(self, targets: Ints, probabilities: Floats) -> Floats:
        """What each example adds to the score, shape (n,); NaN throughout where the metric has no meaning.

        More is better. The mean is `value`, negated for a loss. Over another sample of the same examples the mean is
        the score exactly (accuracy, log-loss, cost), given the shares of the classes (balanced accuracy), or to first
        order (macro-F1, AUROC).

        Args:
            targets: Class indices, shape (n,).
            probabilities: Calibrated, shape (n, c).
        """
        return self.contribute(targets, probabilities, self.decide(probabilities))

    def reported(self, contributions: Floats) -> float | None:
        """The score that contributions, shape (n,), amount to; None where the metric has no meaning."""
        mean = round(float(contributions.mean()), 12)  # a sum of n shares of 1/n is 1
        return None if np.isnan(mean) else mean if self.greater_is_better else 0.0 - mean

    def value(self, targets: Ints, probabilities: Floats) -> float | None:
        """The score, with the sign that people know; None for AUROC when there is one class alone."""
        return self.reported(self.contributions(targets, probabilities))

    def decide(self, probabilities: Floats) -> Ints:
        """The class to answer, shape (n,): the likeliest, or the one of least expected cost."""
        return decided(probabilities, self.costs)

    def at_shares(self, targets: Ints, n_classes: int) -> Metric:
        """The same metric, deciding as suits it where classes are uneven; itself where that is by likelihood.

        For balanced accuracy a mistake costs 1 / share of the true class, which is what the metric says. For macro-F1,
        which has no such rule, it is the square root of that. It needs probabilities that were calibrated with a bias
        for each class: the weights of a head, and its regularisation, move them off the shares.

        Args:
            targets: Of the training data, shape (n,).
        """
        counts = np.bincount(targets, minlength=n_classes)
        if not self.rarity or (counts == counts[0]).all():
            return self
        weights = (len(targets) / np.maximum(counts, 1)) ** self.rarity
        costs = weights[:, None] * (1 - np.eye(n_classes))
        return replace(self, graded=True, costs=tuple(tuple(row) for row in costs.tolist()))

    def interval(
        self, targets: Ints, probabilities: Floats, units: Ints, rng: np.random.Generator, worth: float = 1.0
    ) -> Interval | None:
        """The score and what else it could be; the arguments are those of `interval_of`."""
        return self.interval_of(self.contributions(targets, probabilities), targets, units, rng, worth)

    def interval_of(
        self,
        contributions: Floats,
        targets: Ints,
        units: Ints,
        rng: np.random.Generator,
        worth: float = 1.0,
        n_draws: int = 4000,
        level: float = 0.95,
    ) -> Interval | None:
        """What contributions say about all other examples of the same kind; None where the metric has no meaning.

        The Bayesian bootstrap of `intervals.mean_draws`; for accuracy and balanced accuracy it is `score_interval`.

        Args:
            contributions: Of one model, or the mean over models, shape (n,).
            targets: Class indices, shape (n,).
            units: Examples that belong together, shape (n,).
            worth: How much of an independent test example each unit is worth.
        """
        value = self.reported(contributions)
        if value is None:
            return None
        possible = self._possible(contributions, targets)
        draws = self._draws(contributions, targets, units, possible, rng, worth, n_draws).clip(*self.bounds)
        return around(value, draws if self.greater_is_better else -draws, level, len(targets))

    def difference(
        self,
        contributions_a: Floats,
        contributions_b: Floats,
        targets: Ints,
        units: Ints,
        rng: np.random.Generator,
        n_draws: int = 4000,
        level: float = 0.95,
    ) -> Interval | None:
        """How much better model b does than model a on the same examples; positive is better, for losses too.

        The Bayesian bootstrap of `intervals.mean_draws` on the differences: models that agree on the few examples at
        hand are not thereby equal.

        Args:
            contributions_a: Shape (n,).
            contributions_b: Shape (n,).
        """
        gains = contributions_b - contributions_a
        if np.isnan(gains).any():
            return None
        least, most = self._possible(np.minimum(contributions_a, contributions_b), targets)
        reach = most - least
        draws = self._draws(gains, targets, units, (-reach, 0.0, reach), rng, 1.0, n_draws)
        return around(round(float(gains.mean()), 12), draws, level, len(targets))

    def guessing(self, targets: Ints, n_classes: int) -> float | None:
        """The score of answering the shares of the classes, whatever the input."""
        shares = np.bincount(targets, minlength=n_classes) / len(targets)
        return self.value(targets, np.tile(shares, (len(targets), 1)))

    def span(self, n_classes: int) -> float:
        """From guessing to perfect where classes are even, over the same of accuracy: what a gain in accuracy is worth.

        Example:
            >>> round(ACCURACY.span(5), 9), round(AUROC.span(5), 9), round(LOG_LOSS.span(2), 3)
            (1.0, 0.625, 1.386)
        """
        truth, guess = np.arange(n_classes), np.full((n_classes, n_classes), 1 / n_classes)
        best, blind = (self.contributions(truth, each).mean() for each in (np.eye(n_classes), guess))
        return float(best - blind) / (1 - 1 / n_classes)

    def note(self, targets: Ints, classes: Sequence[str]) -> str | None:
        """A sentence when the mean over classes is not over all of them."""
        counts = np.bincount(targets, minlength=len(classes))
        missing = [name for name, n in zip(classes, counts, strict=True) if not n]
        if not missing or self.averaging == "accuracy":
            return None
        n_present = len(classes) - len(missing)
        without = f"there is no example of {', '.join(missing)}"
        if n_present == 1 and self.name == AUROC.name:
            return f"AUROC needs two classes, and {without}."
        return f"The mean is over {n_present} of {len(classes)} classes: {without}."

    def _possible(self, contributions: Floats, targets: Ints) -> tuple[float, float]:
        """The anchors; without a limit, more than the worst so far, by the loss of knowing nothing."""
        least, most = self.anchors
        if np.isinf(least):
            least = min(-RARE_LOSS, float(contributions.min())) - float(np.log(len(np.unique(targets))))
        return least, most

    def _draws(
        self,
        contributions: Floats,
        targets: Ints,
        units: Ints,
        anchors: Sequence[float],
        rng: np.random.Generator,
        worth: float,
        n_draws: int,
    ) -> Floats:
        """Draws of the mean of contributions, shape (n_draws,)."""
        strata = targets if self.by_class else np.zeros_like(targets)
        values = contributions / (len(targets) * example_weights(strata, self.averaging))
        return mean_draws(values.round(12), strata, units, self.averaging, anchors, rng, n_draws, worth)


def _accuracy(targets: Ints, _probabilities: Floats, answers: Ints) -> Floats:
    return np.asarray(answers == targets, dtype=np.float64)


def _balanced_accuracy(targets: Ints, _probabilities: Floats, answers: Ints) -> Floats:
    correct: Floats = _class_weights(targets) * (answers == targets)
    return correct


def _macro_f1(targets: Ints, _probabilities: Floats, answers: Ints) -> Floats:
    value, influence = macro_f1_influence(targets, answers)
    return _class_weights(targets) * value + influence


def _auroc(targets: Ints, probabilities: Floats, _answers: Ints) -> Floats:
    value, influence = auroc_influence(targets, probabilities)
    return _class_weights(targets) * value + influence


def _log_loss(targets: Ints, probabilities: Floats, _answers: Ints) -> Floats:
    return -log_losses(targets, probabilities)


def _class_weights(targets: Ints) -> Floats:
    """Class weights with mean one, shape (n,)."""
    return len(targets) * example_weights(targets, "balanced_accuracy")


ACCURACY = Metric("accuracy", _accuracy, "accuracy")
BALANCED_ACCURACY = Metric("balanced_accuracy", _balanced_accuracy, "balanced_accuracy", rarity=1.0)
# the first right answer of a class that was never named counts double in its F1, where p is 0: dF = 2 dt / q
MACRO_F1 = Metric("macro_f1", _macro_f1, "balanced_accuracy", (0.0, 2.0), rarity=0.5)
AUROC = Metric("auroc", _auroc, "balanced_accuracy", graded=True)
LOG_LOSS = Metric(
    "log_loss",
    _log_loss,
    "accuracy",
    anchors=(-np.inf, 0.0),
    bounds=(-np.inf, 0.0),
    greater_is_better=False,
    by_class=False,
    graded=True,
    unit="nats",
)

METRICS = {metric.name: metric for metric in (ACCURACY, BALANCED_ACCURACY, MACRO_F1, AUROC, LOG_LOSS)}
