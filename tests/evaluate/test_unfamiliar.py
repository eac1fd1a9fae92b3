import numpy as np
import pytest

from handful.evaluate import unfamiliar
from handful.evaluate.conformal import p_value


def rows(rng, n, centre=0.0):
    points = rng.normal(size=(n, 8)) + centre
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_distances_against_a_loop(monkeypatch):
    monkeypatch.setattr(unfamiliar, "BLOCK", 70)  # several blocks
    rng = np.random.default_rng(0)
    queries, references = rows(rng, 12), rows(rng, 20)
    for k in (1, 3):
        slow = [sorted(np.linalg.norm(references - query, axis=1))[k - 1] for query in queries]
        np.testing.assert_allclose(unfamiliar.nearest_distance(queries, references, k), slow)


def test_a_reference_is_not_compared_with_its_own_unit(monkeypatch):
    monkeypatch.setattr(unfamiliar, "BLOCK", 70)
    rng = np.random.default_rng(0)
    references, units = rows(rng, 20), np.arange(20) // 2
    slow = [np.linalg.norm(references[units != units[i]] - references[i], axis=1).min() for i in range(20)]
    np.testing.assert_allclose(unfamiliar.leave_out_distances(references, units), slow)


def test_a_single_unit_has_no_neighbours():
    references = rows(np.random.default_rng(0), 3)
    distances = unfamiliar.leave_out_distances(references, np.zeros(3, int))
    assert np.isinf(distances).all()
    assert p_value(np.sort(distances), np.array([2.0])) == 1


def test_familiar_inputs_are_flagged_as_rarely_as_promised_and_foreign_ones_often():
    flagged, foreign = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        references = rows(rng, 60, 2.0)
        calibration = np.sort(unfamiliar.leave_out_distances(references, np.arange(60)))
        for kept, centre in ((flagged, 2.0), (foreign, -2.0)):
            kept.append(p_value(calibration, unfamiliar.nearest_distance(rows(rng, 40, centre), references)) <= 0.05)
    assert np.mean(flagged) == pytest.approx(0.05, abs=0.02)
    assert np.mean(foreign) > 0.95
