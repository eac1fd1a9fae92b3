from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.augment.matrices import (
    IDENTITY,
    about,
    moved_points,
    perspective_between,
    scaling,
    shearing,
    shifting,
    stretch,
    turning,
)

NUMBER = st.floats(-50, 50, allow_nan=False)
TOP_LEFT, TOP_RIGHT, BELOW = (0.0, 0.0), (10.0, 0.0), (0.0, 10.0)


def at(matrix, point):
    return moved_points(matrix, np.array(point, dtype=float))


def test_the_words_mean_what_they_say():
    np.testing.assert_allclose(at(shifting(3, -2), (10, 20)), (13, 18))
    np.testing.assert_allclose(at(scaling(2, 0.5), (10, 20)), (20, 10))
    np.testing.assert_allclose(at(turning(90), TOP_RIGHT), BELOW, atol=1e-12)  # clockwise, as y runs down
    np.testing.assert_allclose(at(turning(90), BELOW), (-10, 0), atol=1e-12)
    np.testing.assert_allclose(at(shearing(0.5, 0), (0, 10)), (5, 10))
    np.testing.assert_allclose(at(shearing(0, 0.5), (10, 0)), (10, 5))


@given(x=NUMBER, y=NUMBER, degrees=st.floats(-360, 360))
def test_what_happens_about_a_point_leaves_it_where_it_is(x, y, degrees):
    for matrix in (turning(degrees), scaling(0.3, -7), shearing(0.4, 1.3)):
        np.testing.assert_allclose(at(about(x, y, matrix), (x, y)), (x, y), atol=1e-9)
        np.testing.assert_allclose(about(x, y, matrix)[:2, :2], matrix[:2, :2], atol=1e-12)


@given(a=st.floats(-360, 360), b=st.floats(-360, 360))
def test_two_turns_are_one_of_their_sum(a, b):
    np.testing.assert_allclose(turning(a) @ turning(b), turning(a + b), atol=1e-9)


@pytest.mark.parametrize("shape", [(2,), (0, 2), (7, 2), (3, 5, 2)])
def test_points_of_any_shape_move_one_by_one(shape):
    points = np.random.default_rng(0).uniform(0, 40, shape)
    matrix = perspective_between(*corners_moved(3))
    expected = np.array([moved_one_by_hand(matrix, point) for point in points.reshape(-1, 2)]).reshape(shape)
    before = points.copy()
    np.testing.assert_allclose(moved_points(matrix, points), expected, atol=1e-9)
    np.testing.assert_array_equal(points, before)


def test_whole_numbers_are_points_as_well():
    np.testing.assert_allclose(moved_points(turning(90), np.array([[10, 0]])), [[0, 10]], atol=1e-12)


@given(seed=st.integers(0, 500))
def test_a_perspective_takes_corners_to_corners_and_keeps_lines_straight(seed):
    corners, targets = corners_moved(seed)
    matrix = perspective_between(corners, targets)
    np.testing.assert_allclose(moved_points(matrix, corners), targets, atol=1e-8)
    a, b, c = moved_points(matrix, np.array([[3.0, 4.0], [13.0, 14.0], [29.0, 30.0]]))
    assert abs(np.cross([*(b - a), 0], [*(c - a), 0])[2]) < 1e-7


def test_a_perspective_between_the_same_corners_is_none():
    corners = corners_moved(0)[0]
    np.testing.assert_allclose(perspective_between(corners, corners), IDENTITY, atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "across", "down"),
    [
        (IDENTITY, 1, 1),
        (scaling(0.25, 3), 0.25, 3),
        (turning(33) @ scaling(0.25, 3), 0.25, 3),
        (shifting(100, 7) @ scaling(-0.5, -0.5), 0.5, 0.5),
        (shearing(1, 0), 1, 2**0.5),
    ],
)
def test_stretch_is_the_length_of_a_step(matrix, across, down):
    np.testing.assert_allclose(stretch(matrix, 40, 40), (across, down))


@given(seed=st.integers(0, 200))
def test_stretch_of_a_perspective_is_the_longest_step_anywhere(seed):
    """Against differences of moved points over the whole target: never less, and reached somewhere near."""
    matrix = scaling(0.4, 0.3) @ perspective_between(*corners_moved(seed))
    y, x = np.mgrid[0:13:14j, 0:17:18j]
    source = moved_points(np.linalg.inv(matrix), np.stack([x, y], axis=-1))
    for axis, found in enumerate(stretch(matrix, 17, 13)):
        step = np.eye(2)[axis] * 1e-4
        lengths = np.linalg.norm(moved_points(matrix, source + step) - moved_points(matrix, source), axis=-1) / 1e-4
        assert lengths.max() == pytest.approx(found, rel=1e-2)


def corners_moved(seed, size=40.0, by=8.0):
    corners = np.array([[0.0, 0.0], [size, 0.0], [size, size], [0.0, size]])
    return corners, corners + np.random.default_rng(seed).uniform(-by, by, (4, 2))


def moved_one_by_hand(matrix, point):
    x, y, w = (sum(matrix[row][k] * (*point, 1)[k] for k in range(3)) for row in range(3))
    return x / w, y / w
