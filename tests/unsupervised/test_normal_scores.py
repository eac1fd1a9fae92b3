"""Normal scores: normal whatever the column, and back to values as they were."""

import numpy as np
import pytest

from handful.core.errors import DataError
from handful.unsupervised.normal_scores import NormalScores


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return np.column_stack(
        [rng.exponential(size=400), rng.integers(0, 3, 400), np.where(rng.random(400) < 0.5, 0, 7.5)]
    )


def test_every_column_becomes_normal(rows):
    scores = NormalScores().fit(rows).transform(rows, np.random.default_rng(1))
    assert np.abs(scores.mean(axis=0)).max() < 0.1
    assert np.abs(scores.std(axis=0) - 1).max() < 0.1
    assert np.array_equal(np.argsort(scores[:, 0]), np.argsort(rows[:, 0]))


def test_the_way_back_gives_the_values(rows):
    columns = NormalScores().fit(rows)
    back = columns.inverse_transform(columns.transform(rows, np.random.default_rng(1)))
    assert np.allclose(back[:, 0], rows[:, 0], rtol=0.2, atol=0.02)
    assert np.mean(back[:, 1:] != rows[:, 1:]) < 0.02
    drawn = columns.inverse_transform(np.random.default_rng(2).normal(0, 2, (500, 3)))
    assert set(drawn[:, 1]) == {0, 1, 2}
    assert (drawn >= rows.min(axis=0)).all()
    assert (drawn <= rows.max(axis=0)).all()


@pytest.mark.parametrize(
    ("table", "said"),
    [([[1.0, np.nan]], "row 0, column 1"), ([["a", 1]], "no numbers"), ([1.0, 2.0], "expected \\(n, d\\)")],
)
def test_what_is_no_table_of_numbers_is_refused(table, said):
    with pytest.raises(DataError, match=said):
        NormalScores().fit(table)
