import numpy as np
import pytest

from handful.core.errors import DataError
from handful.evaluate.costs import checked_costs

NAMES = ("ill", "well")


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ([[0, -1], [1, 0]], "negative"),
        ([[0, float("nan")], [1, 0]], "no finite number"),
        ([[2, 1], [1, 0]], "to take 'ill' for 'well' costs less than to be right"),
        ([[0, 0], [0, 0]], "no mistake costs more"),
    ],
)
def test_a_matrix_that_makes_no_sense_is_refused(costs, message):
    with pytest.raises(DataError, match=message) as refusal:
        checked_costs(costs, NAMES, "costs.csv")
    assert "costs.csv" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("costs", [np.ones((2, 3)), [1, 2], [["a", "b"], ["c", "d"]], [[0, 1], [1]]])
def test_what_is_no_square_table_is_refused(costs):
    with pytest.raises(DataError, match="cost matrix"):
        checked_costs(costs, NAMES)
