import numpy as np
import pytest
from sklearn import metrics as reference

from handful.evaluate import metrics


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 4, 200), rng.dirichlet(np.ones(4) / 2, 200)


def test_metrics_agree_with_scikit_learn(scored):
    targets, probabilities = scored
    predicted = probabilities.argmax(axis=1)
    expected = {
        metrics.accuracy: reference.accuracy_score(targets, predicted),
        metrics.balanced_accuracy: reference.balanced_accuracy_score(targets, predicted),
        metrics.macro_f1: reference.f1_score(targets, predicted, average="macro"),
    }
    for metric, value in expected.items():
        assert metric(targets, predicted) == pytest.approx(value), metric
    assert metrics.log_loss(targets, probabilities) == pytest.approx(reference.log_loss(targets, probabilities))
    assert (metrics.confusion(targets, predicted, 4) == reference.confusion_matrix(targets, predicted)).all()


def test_the_brier_score_against_its_definition(scored):
    targets, probabilities = scored
    squares = ((np.eye(4)[targets] - probabilities) ** 2).sum(axis=1)
    assert metrics.brier(targets, probabilities) == pytest.approx(squares.mean())
    assert metrics.brier(targets, np.eye(4)[targets]) == 0


def test_recalls_of_absent_classes_are_unknown():
    values, counts = metrics.recalls(np.array([0, 0, 2]), np.array([1.0, 0.5, 0.0]), 4)
    np.testing.assert_array_equal(values, [0.75, np.nan, 0, np.nan])
    np.testing.assert_array_equal(counts, [2, 0, 1, 0])


def test_macro_f1_ignores_classes_that_nobody_mentions():
    assert metrics.macro_f1(np.array([0, 5]), np.array([0, 5])) == 1


def test_reliability_against_a_loop(scored):
    targets, probabilities = scored
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    bins = metrics.reliability(targets, probabilities)
    error, position = 0.0, 0
    for low in range(10):
        inside = (confidence > low / 10) & (confidence <= (low + 1) / 10)
        if inside.any():
            assert bins.n[position] == inside.sum()
            assert bins.confidence[position] == pytest.approx(confidence[inside].mean())
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
            position += 1
    assert position == len(bins.n)
    assert metrics.calibration_error(targets, probabilities) == pytest.approx(error)


def test_equal_count_bins_hold_equally_many(scored):
    targets, probabilities = scored
    bins = metrics.reliability(targets, probabilities, metrics.equal_count_edges(probabilities, 8))
    assert bins.n.tolist() == [25] * 8
