"""What a draw does to pixels, whatever was drawn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.augment.colour import brightness, contrast, hue, invert, saturation
from handful.augment.curves import gamma
from handful.augment.draw import Draw
from handful.augment.geometry import flip_h, rotate, translate_x
from handful.augment.matrices import shifting
from handful.augment.operations import KINDS
from handful.augment.policy import NAMED, OPERATIONS, Policy
from handful.augment.recolour import LUMA
from handful.core.errors import DataError

SHAPES = [(1, 1), (1, 1, 3), (2, 3, 1), (31, 47), (31, 47, 1), (31, 47, 3), (31, 47, 4), (1, 5000, 3), (5000, 1, 3)]
TEXTS = {name: f"{name}=0.7" if name == "crop" else name for name in OPERATIONS} | {f"[{name}]": name for name in NAMED}


def noise(shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_an_image_of_any_shape_stays_of_its_kind_and_is_not_touched(text, dtype):
    policy = Policy.parse(text)
    for shape in SHAPES:
        image = noise(shape, dtype)
        before = image.copy()
        image.flags.writeable = False
        for seed in range(2):
            draw = policy.draw(np.random.default_rng(seed), shape[1], shape[0])
            found = draw.image(image)
            assert found.dtype == dtype
            assert found.shape == (*draw.warp.target[::-1], *shape[2:])
            assert text.startswith("crop") or found.shape == shape
            assert found.flags.writeable
            assert not np.shares_memory(found, image)
            np.testing.assert_array_equal(found, draw.image(image))  # a draw is drawn once
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_network_gets_what_the_image_would_give(text):
    """Normalising is part of the colour product: within a level of what comes of the uint8 image, which is rounded."""
    image = noise((24, 32, 3))
    image.flags.writeable = False
    mean, std = (120.0, 110.0, 100.0), (60.0, 55.0, 50.0)
    for seed in range(3):
        draw = Policy.parse(text).draw(np.random.default_rng(seed), 32, 24, (20, 16))
        found = draw.chw(image, mean, std)
        expected = ((draw.image(image) - np.array(mean)) / std).transpose(2, 0, 1)
        assert (found.dtype, found.shape) == (np.float32, (3, 16, 20))
        np.testing.assert_allclose(found, expected, atol=0.9 / 50)  # of bytes, OpenCV takes products to 10 bits
        assert found.flags.c_contiguous


def test_the_same_draw_fits_only_images_of_its_size():
    draw = Policy.parse("rotate").draw(np.random.default_rng(0), 30, 20)
    with pytest.raises(DataError, match=r"^this draw is for 30 x 20 pixels, got 20 x 30; warp$"):
        draw.image(np.zeros((30, 20, 3), np.uint8))


def test_nothing_drawn_is_a_copy():
    image = noise((5, 6, 3))
    found = Draw.nothing(6, 5).image(image)
    np.testing.assert_array_equal(found, image)
    assert not np.shares_memory(found, image)


def test_geometry_then_colour_then_effects_whatever_the_order():
    image = noise((20, 30, 3))
    geometry, colour = (rotate((20, 20)), flip_h()), (brightness((0.3, 0.3)), gamma((0.2, 0.2)))
    mixed = Policy((colour[0], geometry[0], colour[1], geometry[1])).draw(np.random.default_rng(0), 30, 20)
    sorted_ = Policy((*geometry, *colour)).draw(np.random.default_rng(0), 30, 20)
    np.testing.assert_array_equal(mixed.image(image), sorted_.image(image))

    def doubled(pixels):
        return np.minimum(pixels.astype(int) * 2, 255).astype(np.uint8)

    plain = Draw.nothing(30, 20).moved(shifting(3, 0))
    first, last = plain.followed_by(doubled).recoloured(-np.eye(4)), plain.recoloured(-np.eye(4)).followed_by(doubled)
    np.testing.assert_array_equal(first.image(image), last.image(image))
    np.testing.assert_array_equal(first.image(image), 0)


def test_effects_are_done_in_their_order():
    image = np.full((2, 2), 10, np.uint8)
    draw = Draw.nothing(2, 2).followed_by(lambda x: x + np.uint8(1)).followed_by(lambda x: x * np.uint8(3))
    np.testing.assert_array_equal(draw.image(image), 33)


def test_colours_do_not_depend_on_where_they_are():
    """A shift by whole pixels and a colour operation may be exchanged."""
    image = noise((16, 20, 3))
    colour, shift = (saturation((0.5, 0.5)), hue((30, 30)), contrast((0.2, 0.2))), translate_x((0.25, 0.25))
    together = Policy((*colour, shift))(image, np.random.default_rng(0))
    apart = Policy(colour)(Policy((shift,))(image, np.random.default_rng(0)), np.random.default_rng(0))
    np.testing.assert_array_equal(together, apart)


@given(seed=st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_ten_operations_on_one_image_are_one_warp_and_one_product_of_colours(seed):
    """Against each step in float64, the picture resampled by the one matrix, the colours clipped at the end only."""
    rng = np.random.default_rng(seed)
    text = "rotate,scale,brightness,translate_x,shear_x,contrast,perspective,saturation,shear_y,temperature"
    image = noise((24, 32, 3), seed=seed)
    draw = Policy.parse(text).draw(rng, 32, 24)
    assert len(draw.recolour.stages) == 1
    warped = draw.warp.image(image) / 255.0
    rng, expected = np.random.default_rng(seed), warped
    for name in text.split(","):
        rng.random()
        amount = rng.uniform(OPERATIONS[name]().low, OPERATIONS[name]().high)
        if name == "perspective":
            rng.uniform(0, 1, (4, 2))
        elif name == "brightness":
            expected = expected * (1 + amount)
        elif name == "contrast":
            expected = 0.5 + (expected - 0.5) * (1 + amount)
        elif name == "saturation":
            grey = (expected @ LUMA)[..., None]
            expected = grey + (expected - grey) * (1 + amount)
        elif name == "temperature":
            expected = expected * [1 + amount, 1, 1 - amount]
    np.testing.assert_allclose(
        draw.image(image), expected.clip(0, 1) * 255, atol=0.9
    )  # of bytes, OpenCV takes products to 10 bits


def test_what_goes_out_of_range_on_the_way_comes_back():
    """Brighter and then darker again is nothing: there is no clipping in between."""
    image = noise((9, 9, 3))
    there_and_back = Policy((brightness((4, 4)), brightness((-0.8, -0.8)), invert(), invert()))
    np.testing.assert_array_equal(there_and_back(image, np.random.default_rng(0)), image)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.usual is not None and kind.name != "crop"])
def test_both_ends_of_what_is_allowed_can_be_done(kind):
    image = noise((13, 17, 3))
    for amount in kind.limits:
        found = kind.draw(Draw.nothing(17, 13), amount, np.random.default_rng(0)).image(image)
        assert (found.shape, found.dtype) == (image.shape, np.uint8)


def test_threads_that_share_a_policy_and_an_image_do_not_disturb_each_other():
    policy, image = Policy.parse("strong"), noise((40, 50, 3))
    image.flags.writeable = False
    alone = [policy(image, np.random.default_rng(seed)) for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: policy(image, np.random.default_rng(seed)), range(24)))
    np.testing.assert_array_equal(together, alone)


def test_draws_are_different_from_each_other():
    policy, image = Policy.parse("standard"), noise((20, 20, 3))
    rng = np.random.default_rng(0)
    assert len({policy(image, rng).tobytes() for _ in range(20)}) == 20


@pytest.mark.parametrize("image", [np.zeros((4, 5, 3)), np.zeros((4, 5), np.int32), np.zeros((4, 5, 3), bool)])
def test_pixels_of_another_type_are_refused(image):
    with pytest.raises(DataError, match=rf"^pixels are of type {image.dtype}, expected uint8 or uint16; recolour$"):
        Policy.parse("none")(image, np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(4, 5, 2), (4, 5, 5), (4, 5, 0), (4, 5, 3, 1)])
@pytest.mark.parametrize("text", ["none", "rotate", "brightness", "standard"])
def test_an_image_of_another_shape_is_refused(text, shape):
    with pytest.raises(DataError, match=r"^the image has the shape \(4, 5, .*\), expected \(height, width\), or"):
        Policy.parse(text)(np.zeros(shape, np.uint8), np.random.default_rng(0))


def test_a_network_takes_no_grey_image():
    with pytest.raises(DataError, match=r"three colour channels, got an image of shape \(4, 5\)"):
        Draw.nothing(5, 4).chw(np.zeros((4, 5), np.uint8), (0, 0, 0), (1, 1, 1))
