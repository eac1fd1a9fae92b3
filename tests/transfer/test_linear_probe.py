import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from handful.core.errors import DataError
from handful.transfer.linear_probe import LinearProbe

EXPECTED_FAILURES: dict[str, str] = {}  # every one of scikit-learn's checks holds

# Two skip themselves: the one of array API inputs, because SCIPY_ARRAY_API is not set (the probe computes in NumPy
# alone), and the one of column names in data frames, because pandas is no dependency.


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [LinearProbe(n_penalties=7), LinearProbe(n_penalties=7, class_weight="balanced")],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
)
def test_scikit_learn_agrees(estimator, check):
    check(estimator)


def blobs(n=30, dim=8, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    return rng.normal(size=(n_classes, dim))[y] + rng.normal(size=(n, dim)), y


@pytest.mark.parametrize("dim", [4, 60], ids=["primal", "dual"])
@pytest.mark.parametrize("groups", [None, np.arange(30) // 6 * 3 + np.arange(30) % 3], ids=["alone", "groups"])
@pytest.mark.parametrize("class_weight", [None, {0: 1.0, 1: 2.0, 2: 0.5}])
def test_left_out_scores_are_those_of_refitting(dim, groups, class_weight):
    X, y = blobs(dim=dim)
    probe = LinearProbe(n_penalties=9, class_weight=class_weight).fit(X, y, groups)
    weights = np.array([(class_weight or dict.fromkeys(range(3), 1.0))[label] for label in y])
    weights /= weights.mean()
    centred = np.sqrt(weights)[:, None] * (X - np.average(X, axis=0, weights=weights))
    penalty = probe.penalty_ * np.square(centred).sum() / len(X)
    units = np.arange(len(X)) if groups is None else groups
    for unit in np.unique(units):
        kept = units != unit
        model = Ridge(alpha=penalty, solver="svd").fit(X[kept], np.eye(3)[y[kept]], sample_weight=weights[kept])
        np.testing.assert_allclose(probe.left_out_scores_[~kept], model.predict(X[~kept]), atol=1e-8)


def test_leaving_out_groups_is_less_flattering_where_groups_are_alike():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 5)
    y = groups % 2
    X = rng.normal(size=(8, 40))[groups] + 0.01 * rng.normal(size=(40, 40))  # a group tells itself, not its label
    alone, together = (LinearProbe(20).fit(X, y, g).left_out_scores_.argmax(axis=1) == y for g in (None, groups))
    assert alone.mean() == 1
    assert together.mean() < 0.9


def test_probabilities_sum_to_one_and_agree_with_the_decision():
    X, y = load_iris(return_X_y=True)
    probe = LinearProbe().fit(X, y)
    probabilities = probe.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), probe.decision_function(X).argmax(axis=1))
    np.testing.assert_array_equal(probe.classes_[probabilities.argmax(axis=1)], probe.predict(X))
    assert probe.left_out_scores_.shape == (150, 3)


def test_two_classes_have_one_decision_whose_logistic_is_the_probability():
    X, y = blobs(n_classes=2)
    probe = LinearProbe().fit(X, y)
    decision = probe.decision_function(X)
    assert decision.shape == (30,)
    np.testing.assert_allclose(1 / (1 + np.exp(-decision)), probe.predict_proba(X)[:, 1])


def test_groups_of_another_length_and_a_single_class_are_refused():
    X, y = blobs()
    with pytest.raises(DataError, match="30 examples but 3 groups; groups; give one group an example"):
        LinearProbe().fit(X, y, [1, 2, 3])
    with pytest.raises(DataError, match="the labels have one class only: 1; y; give examples of two classes"):
        LinearProbe().fit(X, np.ones(30, int))
    with pytest.raises(DataError, match="all examples are left out together"):
        LinearProbe().fit(X, y, np.zeros(30))
