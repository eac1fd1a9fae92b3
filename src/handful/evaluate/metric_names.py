"""From what a user calls a metric to the metric: a name, a cost matrix, or a file that holds one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError, UsageError
from handful.data.cost_table import read_cost_table
from handful.evaluate.arrays import Floats, Ints
from handful.evaluate.costs import Costs, checked_costs
from handful.evaluate.metric import METRICS, Metric

COST = "cost:"


def cost_metric(costs: npt.ArrayLike, classes: Sequence[str], where: str = "cost matrix") -> Metric:
    """The mean cost of the answers, each the one of least expected cost.

    Args:
        costs: What it costs to take the class of a row for the class of a column, shape (c, c).
        classes: Their names.
    Raises:
        DataError: for a matrix that makes no sense.
    """
    checked = checked_costs(costs, classes, where)
    possible = -float(np.max(checked)), -float(np.min(checked))
    return Metric(
        "cost",
        partial(_cost, checked),
        "accuracy",
        anchors=possible,
        bounds=possible,
        greater_is_better=False,
        by_class=False,
        graded=True,
        costs=checked,
        unit="units of cost",
    )


def metric_named(asked: str | npt.ArrayLike, classes: Sequence[str]) -> Metric:
    """The metric of a name, such as "macro-f1" or "cost:FILE.csv", or of a cost matrix.

    Args:
        asked: The matrix, or its text after "cost:", has the classes in their order; a file may have another.
        classes: Names of the classes, in order.
    Raises:
        UsageError: for an unknown name.
        DataError: for a matrix that cannot be read or makes no sense.
    Example:
        >>> metric_named("cost:[[0, 1], [20, 0]]", ("well", "ill")).costs
        ((0.0, 1.0), (20.0, 0.0))
    """
    if not isinstance(asked, str):
        return cost_metric(asked, classes)
    check_metric(asked)
    if not asked.startswith(COST):
        return METRICS[_name(asked)]
    where = asked.removeprefix(COST)
    if not where.startswith("["):
        return cost_metric(read_cost_table(Path(where), classes), classes, where)
    try:
        return cost_metric(json.loads(where), classes)
    except json.JSONDecodeError as failure:
        what, remedy = "the cost matrix is not a list of lists of numbers", f"write {COST}[[0, 1], [20, 0]]"
        raise DataError(what, where, remedy) from failure


def check_metric(asked: str) -> None:
    """Refuse a name that no metric has; of costs only that they are meant, since classes are not known yet."""
    if not asked.startswith(COST) and _name(asked) not in METRICS:
        raise UsageError(f"no metric is called {asked!r}", "metric", f"use {', '.join(METRICS)} or {COST}FILE.csv")


def metric_text(asked: str | npt.ArrayLike) -> str:
    """What was asked for as text, which `metric_named` takes too.

    Example:
        >>> metric_text(np.array([[0, 1], [20, 0]])), metric_text("macro_f1")
        ('cost:[[0, 1], [20, 0]]', 'macro_f1')
    """
    return asked if isinstance(asked, str) else COST + json.dumps(np.asarray(asked).tolist())


def _name(asked: str) -> str:
    return asked.replace("-", "_").lower()


def _cost(costs: Costs, targets: Ints, _probabilities: Floats, answers: Ints) -> Floats:
    return -np.asarray(costs)[targets, answers]
