import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from handful.core.errors import DataError, UsageError
from handful.unsupervised import self_organizing_map
from handful.unsupervised.grid import Grid
from handful.unsupervised.self_organizing_map import SelfOrganizingMap, summed
from handful.unsupervised.self_organizing_map_torch import summed as summed_by_torch


@pytest.fixture(scope="module")
def square():
    return np.random.default_rng(0).uniform(size=(600, 2))


@pytest.fixture(scope="module")
def clusters():
    """Three far apart, in eight dimensions; the rows of each follow each other."""
    rng = np.random.default_rng(1)
    return np.repeat(10 * rng.standard_normal((3, 8)), 60, axis=0) + rng.standard_normal((180, 8))


def test_one_pass_is_the_batch_rule(square):
    """Row by row, cell by cell, as Kohonen 2013 writes it."""
    start = SelfOrganizingMap(3, 4, n_passes=1, init="sample", radius=1.5).fit(square)
    cells = square[np.sort(self_organizing_map.stream(0, "map").choice(600, 12, replace=False))]
    best = [int(np.argmin([np.sum((row - cell) ** 2) for cell in cells])) for row in square]
    apart = Grid(3, 4).squared_distances
    expected = []
    for at in range(12):
        weights = np.array([np.exp(-apart[at, home] / (2 * 1.5**2)) for home in best])
        expected.append((weights[:, None] * square).sum(axis=0) / weights.sum())
    np.testing.assert_allclose(start.codebook_.reshape(12, 2), expected, atol=1e-5)


def test_errors_are_those_of_their_definitions(square):
    sheet = SelfOrganizingMap(4, 5, n_passes=5).fit(square)
    cells = sheet.codebook_.reshape(20, 2)
    apart = np.linalg.norm(square[:, None] - cells, axis=2)
    np.testing.assert_allclose(sheet.transform(square), apart, atol=1e-5)
    np.testing.assert_array_equal(sheet.predict(square), apart.argmin(axis=1))
    assert sheet.quantization_error(square) == pytest.approx(apart.min(axis=1).mean(), rel=1e-5)
    assert sheet.score(square) == -sheet.quantization_error(square)
    first, second = np.argsort(apart, axis=1)[:, :2].T
    steps = np.abs(np.stack(np.divmod(first, 5)) - np.stack(np.divmod(second, 5))).max(axis=0)
    assert sheet.topographic_error(square) == pytest.approx((steps > 1).mean())


@pytest.mark.parametrize("options", [{}, {"grid": "hexagonal"}, {"torus": True}, {"init": "sample"}])
def test_a_sheet_lies_flat_in_a_square(square, options):
    sheet = SelfOrganizingMap(6, 6, **options).fit(square)
    assert sheet.quantization_error(square) < 0.1  # 36 cells of side 1/6: 0.064 at best
    assert sheet.topographic_error(square) < (0.35 if options.get("torus") else 0.1)


def test_a_torus_closes_around_two_circles():
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, (800, 2))
    rows = np.concatenate([(2, 1) * np.cos(angles), (2, 1) * np.sin(angles)], axis=1)
    closed, cut = (SelfOrganizingMap(8, 8, torus=torus).fit(rows) for torus in (True, False))
    assert closed.topographic_error(rows) < 0.05
    assert cut.topographic_error(rows) > 2 * closed.topographic_error(rows)


def test_same_seed_same_map(square):
    one, again, other = (
        SelfOrganizingMap(4, 4, init="sample", random_state=seed, n_passes=2).fit(square) for seed in (3, 3, 4)
    )
    assert one.codebook_.tobytes() == again.codebook_.tobytes()
    assert one.codebook_.tobytes() != other.codebook_.tobytes()


def test_chunks_change_nothing(square, monkeypatch):
    whole = SelfOrganizingMap(4, 4).fit(square)
    monkeypatch.setattr(self_organizing_map, "CHUNK", 7)
    np.testing.assert_allclose(SelfOrganizingMap(4, 4).fit(square).codebook_, whole.codebook_, atol=1e-4)


def test_units_and_origin_change_nothing(square):
    plain = SelfOrganizingMap(4, 4).fit(square).predict(square)
    moved = 1e12 + 1e9 * square
    np.testing.assert_array_equal(SelfOrganizingMap(4, 4).fit(moved).predict(moved), plain)


def test_torch_sums_as_numpy_does(square):
    cells = square[:9].astype(np.float32)
    chunks = [square[:250].astype(np.float32), square[250:].astype(np.float32)]
    sums, counts = summed(iter(chunks), cells)
    by_torch, counted = summed_by_torch(iter(chunks), cells, "cpu")
    np.testing.assert_allclose(by_torch, sums, rtol=1e-5)
    np.testing.assert_array_equal(counted, counts)


def test_a_device_that_is_not_there_is_named(square):
    with pytest.raises(UsageError, match="torch has no device 'nowhere' here"):
        SelfOrganizingMap(3, 3, device="nowhere").fit(square)


def test_partial_fit_comes_to_the_same_map(square):
    stream = SelfOrganizingMap(5, 5, n_passes=10)
    for _ in range(3):
        for at in range(0, 600, 150):
            stream.partial_fit(square[at : at + 150])
    assert stream.n_steps_ == 12
    assert stream.quantization_error(square) < 1.15 * SelfOrganizingMap(5, 5).fit(square).quantization_error(square)


def test_ridges_part_clusters(clusters):
    sheet = SelfOrganizingMap(6, 6).fit(clusters)
    held = [set(sheet.predict(clusters[at : at + 60])) for at in (0, 60, 120)]
    assert sum(map(len, held)) == len(set.union(*held))
    heights, between = sheet.u_matrix().ravel(), sorted(set(range(36)) - set.union(*held))
    assert heights[between].mean() > 1.3 * np.median(heights)


def test_outliers_are_those_that_are_like_no_others(clusters):
    odd = np.concatenate([clusters, clusters[:1] + 40, clusters[:1] - 35])
    found = SelfOrganizingMap(5, 5).fit(odd).outliers(odd)
    assert found[-2:].all()
    assert found[:-2].mean() < 0.05


def test_it_is_a_scikit_learn_estimator(square):
    sheet = SelfOrganizingMap(3, 3, torus=True, random_state=5)
    assert clone(sheet).get_params() == sheet.get_params()
    assert sheet.fit_transform(square).shape == (600, 9)
    check_estimator(SelfOrganizingMap(2, 2, n_passes=2), on_skip=None)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_numbers_are_found(square, value):
    rows = square.copy()
    rows[17, 1] = value
    with pytest.raises(DataError, match="row 17 holds NaN or infinity; X; fill in"):
        SelfOrganizingMap(3, 3).fit(rows)


def test_copies_alone_are_no_map():
    with pytest.raises(DataError, match="all 30 rows are the same"):
        SelfOrganizingMap(3, 3).fit(np.full((30, 4), 0.1))


def test_a_map_larger_than_the_data_is_refused(square):
    with pytest.raises(DataError, match=r"a map of 10 x 10 = 100 cells for 99 rows.*choose a smaller map"):
        SelfOrganizingMap(10, 10).fit(square[:99])


def test_one_row_is_refused():
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        SelfOrganizingMap(1, 1).fit(np.ones((1, 3)))


@pytest.mark.parametrize("name", ["n_passes", "radius", "final_radius"])
def test_settings_are_above_zero(square, name):
    with pytest.raises(UsageError, match=f"{name} is -1, expected a number above 0"):
        SelfOrganizingMap(3, 3, **{name: -1}).fit(square)
