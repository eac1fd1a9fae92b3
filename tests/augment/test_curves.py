"""Curves against references written level by level, and against OpenCV."""

import pickle

import cv2
import numpy as np
import pytest

from handful.augment.curves import Equalized, equalize, gamma, posterize, solarize
from handful.augment.draw import Draw
from handful.augment.operations import CURVES
from handful.augment.policy import Policy

EVERY_LEVEL = np.arange(256, dtype=np.uint8).reshape(16, 16)
EVERY_LEVEL_16 = np.arange(65536, dtype=np.uint16).reshape(256, 256)
SHAPES = [(1, 1), (1, 1, 3), (1, 5000, 3), (5000, 1), (7, 9), (7, 9, 1), (7, 9, 3), (7, 9, 4)]


def noise(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def photograph(shape=(60, 80)):
    """Dark, of few levels and with a gradient: what equalizing is for."""
    ramp = np.linspace(20, 90, shape[1]) + np.random.default_rng(0).normal(0, 6, shape)
    return np.clip(ramp, 0, 255).astype(np.uint8)


def applied(kind, amount, image):
    height, width = image.shape[:2]
    return kind.draw(Draw.nothing(width, height), amount, np.random.default_rng(0)).image(image)


@pytest.mark.parametrize("every", [EVERY_LEVEL, EVERY_LEVEL_16], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("more", [-0.9, -0.5, 0, 0.2, 1, 9])
def test_gamma_is_a_power_and_keeps_black_and_white(more, every):
    full = np.iinfo(every.dtype).max
    got = applied(gamma, more, every)
    assert np.abs(got - full * (every / full) ** (1 + more)).max() <= 0.5 + 1e-6
    assert (got.ravel()[0], got.ravel()[-1]) == (0, full)


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_keeps_the_upper_bits_and_spreads_them_from_black_to_white(bits):
    got = applied(posterize, bits, EVERY_LEVEL)
    upper = EVERY_LEVEL >> (8 - bits)
    assert len(np.unique(got)) == 2**bits
    np.testing.assert_array_equal(got, np.round(upper * (255 / (2**bits - 1))))


def test_posterize_at_its_ends():
    np.testing.assert_array_equal(applied(posterize, 8, EVERY_LEVEL), EVERY_LEVEL)
    assert set(np.unique(applied(posterize, 1, EVERY_LEVEL))) == {0, 255}
    np.testing.assert_array_equal(np.unique(applied(posterize, 2, EVERY_LEVEL_16)), [0, 21845, 43690, 65535])


@pytest.mark.parametrize("threshold", [0, 0.3, 0.5, 0.999])
def test_solarize_turns_what_is_bright(threshold):
    got = applied(solarize, threshold, EVERY_LEVEL)
    np.testing.assert_array_equal(got, [[255 - v if v / 255 >= threshold else v for v in row] for row in EVERY_LEVEL])


@pytest.mark.parametrize("image", [photograph(), noise((50, 40)), EVERY_LEVEL, np.array([[3, 3, 200]], np.uint8)])
def test_equalize_agrees_with_opencv(image):
    assert np.abs(applied(equalize, 0, image).astype(int) - cv2.equalizeHist(image)).max() <= 1


def test_equalize_stretches_each_channel_by_itself():
    image = np.stack([photograph(), 255 - photograph(), noise((60, 80))], axis=2)
    got = applied(equalize, 0, image)
    for channel in range(3):
        np.testing.assert_array_equal(got[..., channel], applied(equalize, 0, image[..., channel].copy()))
    assert (got[..., 0].min(), got[..., 0].max()) == (0, 255)
    # levels are evenly frequent: half of the pixels lie below the middle, though before none lay above it
    assert image[..., 0].max() < 128
    assert 0.45 < (got[..., 0] < 128).mean() < 0.55


@pytest.mark.parametrize("value", [0, 77, 255])
def test_equalize_leaves_an_image_of_one_level(value):
    image = np.full((4, 5, 3), value, np.uint8)
    np.testing.assert_array_equal(applied(equalize, 0, image), image)


def test_equalize_without_an_image_to_look_at_says_so():
    with pytest.raises(ValueError, match="needs the histograms"):
        Equalized().tables(256, None)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", CURVES, ids=lambda kind: kind.name)
def test_every_shape_comes_back_as_it_went_in(kind, dtype):
    policy = Policy((kind(kind.widest),))
    for shape in SHAPES:
        image = noise(shape, dtype)
        image.flags.writeable = False
        got = policy(image, np.random.default_rng(1))
        assert (got.shape, got.dtype) == (shape, dtype)
        np.testing.assert_array_equal(got, policy(image, np.random.default_rng(1)))
        if shape[2:] == (4,):
            np.testing.assert_array_equal(got[..., 3], image[..., 3])


@pytest.mark.parametrize("kind", CURVES, ids=lambda kind: kind.name)
def test_a_drawn_curve_can_be_sent_to_another_process(kind):
    image = photograph()
    draw = Policy((kind(),)).draw(np.random.default_rng(0), 80, 60)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(draw)).image(image), draw.image(image))  # noqa: S301
