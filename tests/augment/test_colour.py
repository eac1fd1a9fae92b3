"""What each colour operation means, as matrices; test_recolour applies them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.augment.colour import brightness, channel_mix, contrast, grey, hue, invert, saturation, temperature
from handful.augment.draw import Draw
from handful.augment.operations import COLOUR
from handful.augment.policy import Policy
from handful.augment.recolour import LUMA

SHAPES = [(1, 1), (1, 1, 3), (1, 5000, 3), (5000, 1), (7, 9), (7, 9, 1), (7, 9, 3), (7, 9, 4)]
COLOURS = np.random.default_rng(0).random((100, 3))
GREYS = np.linspace(0, 1, 11)[:, None] * np.ones(3)


def matrix(*steps, seed=0):
    draw, rng = Draw.nothing(1, 1), np.random.default_rng(seed)
    for kind, amount in steps:
        draw = kind.draw(draw, amount, rng)
    (only,) = draw.recolour.stages
    return only


def through(made, colours):
    return colours @ made[:3, :3].T + made[:3, 3]


def noise(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize(
    "kind", [brightness, contrast, saturation, hue, temperature, channel_mix], ids=lambda k: k.name
)
def test_an_amount_of_nothing_changes_nothing(kind):
    np.testing.assert_allclose(matrix((kind, 0.0)), np.eye(4), atol=1e-12)


@given(st.floats(-180, 180))
@settings(max_examples=50)
def test_hue_keeps_luma_and_grey(degrees):
    made = matrix((hue, degrees))
    np.testing.assert_allclose(through(made, COLOURS) @ LUMA, COLOURS @ LUMA, atol=1e-12)
    np.testing.assert_allclose(through(made, GREYS), GREYS, atol=1e-12)


@pytest.mark.parametrize("parts", [1, 2, 3, 12])
def test_hues_that_add_up_to_a_full_turn_are_the_identity(parts):
    np.testing.assert_allclose(matrix(*[(hue, 360 / parts)] * parts), np.eye(4), atol=1e-10)
    if parts > 1:
        assert np.abs(matrix((hue, 360 / parts)) - np.eye(4)).max() > 0.1


def test_saturation_keeps_luma_and_grey_and_ends_at_grey():
    np.testing.assert_allclose(through(matrix((saturation, 0.7)), COLOURS) @ LUMA, COLOURS @ LUMA, atol=1e-12)
    np.testing.assert_allclose(through(matrix((saturation, 0.7)), GREYS), GREYS, atol=1e-12)
    np.testing.assert_allclose(matrix((saturation, -1)), matrix((grey, 0)), atol=1e-12)


def test_grey_is_luma_and_grey_twice_is_grey():
    np.testing.assert_allclose(through(matrix((grey, 0)), COLOURS), np.repeat((COLOURS @ LUMA)[:, None], 3, axis=1))
    np.testing.assert_allclose(matrix((grey, 0), (grey, 0)), matrix((grey, 0)), atol=1e-12)
    np.testing.assert_allclose(through(matrix((grey, 0)), np.eye(3))[:, 0], [0.299, 0.587, 0.114])


def test_contrast_keeps_mid_grey_and_ends_there():
    np.testing.assert_allclose(through(matrix((contrast, 0.8)), np.full(3, 0.5)), 0.5)
    np.testing.assert_allclose(through(matrix((contrast, -1)), COLOURS), 0.5)


def test_brightness_keeps_black_and_ends_there():
    np.testing.assert_allclose(through(matrix((brightness, 0.8)), np.zeros(3)), 0)
    np.testing.assert_allclose(through(matrix((brightness, -1)), COLOURS), 0)


def test_a_warmer_light_is_more_red_and_less_blue():
    np.testing.assert_allclose(through(matrix((temperature, 0.25)), np.array([0.4, 0.4, 0.4])), [0.5, 0.4, 0.3])


def test_the_negative_of_the_negative_is_the_image():
    np.testing.assert_allclose(matrix((invert, 0), (invert, 0)), np.eye(4), atol=1e-12)
    image = noise((7, 9, 3))
    np.testing.assert_array_equal(Policy((invert(),))(image, np.random.default_rng(0)), 255 - image)


@pytest.mark.parametrize("seed", range(5))
def test_mixed_channels_keep_grey_and_mix_by_no_more_than_asked(seed):
    made = matrix((channel_mix, 0.3), seed=seed)
    np.testing.assert_allclose(through(made, GREYS), GREYS, atol=1e-12)
    apart = np.abs(made - np.eye(4))
    assert 0.01 < apart.max() <= 0.6  # up to 0.3 and the mean taken off
    assert np.abs(made - matrix((channel_mix, 0.3), seed=seed + 1)).max() > 0.01


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", COLOUR, ids=lambda kind: kind.name)
def test_every_shape_comes_back_as_it_went_in(kind, dtype):
    policy = Policy((kind(kind.widest),))
    for shape in SHAPES:
        image = noise(shape, dtype)
        image.flags.writeable = False
        got = policy(image, np.random.default_rng(1))
        assert (got.shape, got.dtype) == (shape, dtype)
        np.testing.assert_array_equal(got, policy(image, np.random.default_rng(1)))
        if image[..., :3].size > 3 and not (kind is grey or shape[2:] in ((), (1,))):
            assert (got[..., :3] != image[..., :3]).any()
        if shape[2:] == (4,):
            np.testing.assert_array_equal(got[..., 3], image[..., 3])
