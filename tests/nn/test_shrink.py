import cv2
import numpy as np
import pytest

from handful.nn import shrink
from handful.nn.onnx_runtime import open_session
from handful.nn.shrink import area_weights, shrinking_graph, shrunk

SIZES = [(224, 160), (224, 128), (64, 32), (7, 3), (5, 5)]


def pictures(size, n=3, seed=0):
    """Noise, black and white."""
    noise = np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    return np.concatenate([noise, np.zeros_like(noise[:1]), np.full_like(noise[:1], 255)])


def by_loop(picture, size):
    """The slow way: each new pixel is the mean over the area that it covers of the old ones."""
    old, step = len(picture), len(picture) / size
    made = np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            for y in range(old):
                for x in range(old):
                    high = max(0.0, min((row + 1) * step, y + 1) - max(row * step, y))
                    wide = max(0.0, min((column + 1) * step, x + 1) - max(column * step, x))
                    made[row, column] += high * wide * picture[y, x]
    return made / step**2


@pytest.mark.parametrize(("n_from", "n_to"), SIZES)
def test_every_old_pixel_counts_the_same_and_every_new_one_is_a_mean(n_from, n_to):
    weights = area_weights(n_from, n_to)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=0), n_to / n_from, atol=1e-5)
    assert weights.min() >= 0


@pytest.mark.parametrize(("n_from", "n_to"), [(7, 3), (6, 4), (8, 4)])
def test_a_smaller_picture_is_the_mean_over_areas(n_from, n_to):
    picture = pictures(n_from)[:1]
    expected = by_loop(picture[0], n_to)
    assert np.abs(shrunk(picture, n_to)[0] - expected).max() <= 0.5 + 1e-4  # rounded


def test_it_is_what_others_call_area_interpolation():
    found = shrunk(pictures(224), 160).astype(int)
    expected = np.stack([cv2.resize(each, (160, 160), interpolation=cv2.INTER_AREA) for each in pictures(224)])
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize(("n_from", "n_to"), SIZES)
def test_the_graph_that_ships_makes_the_same_pictures(n_from, n_to):
    seen = pictures(n_from)
    found = open_session(shrinking_graph(n_from, n_to)).run(["small"], {"pixels": seen})[0]
    expected = shrunk(seen, n_to)
    assert found.dtype == expected.dtype == np.uint8
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3  # sums in another order, at an exact half


def test_the_mirror_image_of_a_smaller_picture_is_that_of_the_picture():
    """So views may be drawn before or after."""
    seen = pictures(64)
    np.testing.assert_array_equal(shrunk(seen[:, :, ::-1], 40), shrunk(seen, 40)[:, :, ::-1])


def test_pictures_of_that_size_are_left_as_they_are_and_there_may_be_many():
    seen = pictures(8, n=shrink.BATCH + 5)
    assert shrunk(seen, 8) is seen
    small = shrunk(seen, 4)
    assert small.shape == (len(seen), 4, 4, 3)
    np.testing.assert_array_equal(small[-3:], shrunk(seen[-3:], 4))
