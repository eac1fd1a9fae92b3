import numpy as np
import pytest

from handful.core.errors import DataError, UsageError
from handful.unsupervised.label_first import label_first


@pytest.fixture(scope="module")
def clusters():
    """Six of very different sizes, far apart, and five rows like no others at the end."""
    rng = np.random.default_rng(0)
    centres, sizes = 12 * rng.standard_normal((6, 5)), [100, 80, 60, 40, 20, 15]
    rows = np.repeat(centres, sizes, axis=0) + rng.standard_normal((315, 5))
    return np.concatenate([rows, 60 * rng.standard_normal((5, 5))]), np.repeat(np.arange(6), sizes)


def test_clusters_come_before_outliers(clusters):
    rows, cluster = clusters
    first = label_first(rows, 6)
    assert set(cluster[first]) == set(range(6))
    typical = [np.linalg.norm(rows[row] - rows[:315][cluster == cluster[row]].mean(axis=0)) for row in first]
    assert np.mean(typical) < 1.8  # of 2.1 on average


def test_no_row_comes_twice_and_all_can_be_asked_for(clusters):
    rows, _ = clusters
    assert sorted(label_first(rows, len(rows))) == list(range(len(rows)))


def test_what_is_labelled_waits(clusters):
    rows, cluster = clusters
    known = np.flatnonzero(cluster < 3)[::12]
    chosen = label_first(rows, 3, labelled=known)
    assert not set(chosen) & set(known)
    assert {3, 4} <= set(cluster[chosen[chosen < 315]])


def test_same_seed_same_choice(clusters):
    rows, _ = clusters
    np.testing.assert_array_equal(label_first(rows, 12), label_first(rows, 12))


@pytest.mark.parametrize("n", [0, 300])
def test_more_than_there_are_cannot_be_labelled(clusters, n):
    with pytest.raises(UsageError, match=f"{n} examples to label, of 270 without a label"):
        label_first(clusters[0], n, labelled=range(50))


def test_bad_input_is_named(clusters):
    with pytest.raises(UsageError, match="labelled rows from 320 to 320 of 320 examples"):
        label_first(clusters[0], 5, labelled=[320])
    with pytest.raises(DataError, match=r"features of shape \(3,\)"):
        label_first([1, 2, 3], 1)
    with pytest.raises(DataError, match="all 8 rows are the same"):
        label_first(np.ones((8, 2)), 3)
