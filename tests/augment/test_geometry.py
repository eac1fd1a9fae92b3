from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.augment.draw import Draw
from handful.augment.geometry import (
    MOST_STRETCHED,
    crop,
    flip_h,
    flip_v,
    perspective,
    resized_crop,
    rotate,
    scale,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
)
from handful.augment.matrices import moved_points
from handful.augment.operations import GEOMETRY
from handful.augment.policy import Policy
from handful.core.errors import UsageError

WIDTH, HEIGHT = 60, 40
RNG = np.random.default_rng
CORNERS = np.array([[0.0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]])


def drawn(kind, amount, seed=0, size=(WIDTH, HEIGHT)):
    return kind.draw(Draw.nothing(*size), amount, RNG(seed))


def moved(kind, amount, *point):
    return moved_points(drawn(kind, amount).warp.matrix, np.array(point, dtype=float))


def exactly(kind, amount=0.0):
    """The pixels that it makes of an image whose pixels are all different."""
    image = np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH)
    return image, drawn(kind, amount).image(image)


def test_the_words_mean_what_they_say():
    """x runs to the right and y down; the centre is at (30, 20)."""
    np.testing.assert_allclose(moved(flip_h, 0, 10, 5), (50, 5))
    np.testing.assert_allclose(moved(flip_v, 0, 10, 5), (10, 35))
    np.testing.assert_allclose(moved(rotate, 90, 40, 20), (30, 30), atol=1e-9)  # what was right of it lies below
    np.testing.assert_allclose(moved(scale, 0.5, 40, 30), (45, 35))
    np.testing.assert_allclose(moved(scale, -0.5, 40, 30), (35, 25))
    np.testing.assert_allclose(moved(translate_x, 0.1, 10, 5), (16, 5))
    np.testing.assert_allclose(moved(translate_y, -0.1, 10, 5), (10, 1))
    np.testing.assert_allclose(moved(shear_x, 45, 30, 30), (40, 30))
    np.testing.assert_allclose(moved(shear_y, 45, 40, 20), (40, 30))


@pytest.mark.parametrize("kind", [rotate, scale, shear_x, shear_y])
@pytest.mark.parametrize("amount", [-0.7, 0.0, 0.5])
def test_what_happens_about_the_centre_leaves_it_there(kind, amount):
    np.testing.assert_allclose(moved(kind, amount, WIDTH / 2, HEIGHT / 2), (WIDTH / 2, HEIGHT / 2))


@pytest.mark.parametrize("kind", [rotate, scale, translate_x, translate_y, shear_x, shear_y, perspective])
def test_nothing_of_it_is_nothing(kind):
    np.testing.assert_allclose(drawn(kind, 0.0).warp.matrix, np.eye(3), atol=1e-12)
    image, same = exactly(kind)
    np.testing.assert_array_equal(same, image)


def test_flips_turns_and_shifts_by_whole_pixels_are_exact():
    for kind, amount, expected in (
        (flip_h, 0, lambda x: x[:, ::-1]),
        (flip_v, 0, lambda x: x[::-1]),
        (rotate, 180, lambda x: x[::-1, ::-1]),
        (rotate, -180, lambda x: x[::-1, ::-1]),
    ):
        image, found = exactly(kind, amount)
        np.testing.assert_array_equal(found, expected(image))
    image, found = exactly(translate_x, 0.2)
    np.testing.assert_array_equal(found[:, 12:], image[:, :-12])
    image, found = exactly(translate_y, -0.25)
    np.testing.assert_array_equal(found[:-10], image[10:])


@pytest.mark.parametrize("degrees", [90, -90])
@pytest.mark.parametrize("side", [1, 2, 41, 500])
def test_a_quarter_turn_of_a_square_is_exact(side, degrees):
    image = RNG(0).integers(0, 65536, (side, side), dtype=np.uint16)
    found = drawn(rotate, degrees, size=(side, side)).image(image)
    np.testing.assert_array_equal(found, np.rot90(image, -degrees // 90))


@given(share=st.floats(0.01, 1), width=st.integers(1, 50), height=st.integers(1, 50), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_a_crop_of_a_share_is_a_part_of_the_image(share, width, height, seed):
    image = np.arange(width * height, dtype=np.uint16).reshape(height, width)
    found = drawn(crop, share, seed, (width, height)).image(image)
    assert found.shape == (max(1, round(share * height)), max(1, round(share * width)))
    top, left = divmod(int(found[0, 0]), width)
    np.testing.assert_array_equal(found, image[top : top + found.shape[0], left : left + found.shape[1]])


@pytest.mark.parametrize("side", [2, 17, 40])
def test_a_crop_of_pixels_is_a_square_at_any_place_as_likely(side):
    lefts = [-drawn(crop, side, seed).warp.matrix[0, 2] for seed in range(400)]
    assert drawn(crop, side).warp.target == (side, side)
    assert set(lefts) <= set(range(WIDTH - side + 1))
    assert np.mean(lefts) == pytest.approx((WIDTH - side) / 2, abs=4 * (WIDTH - side + 1) / 12**0.5 / 20)
    assert min(lefts) < 0.1 * WIDTH
    assert max(lefts) > 0.9 * (WIDTH - side)


@pytest.mark.parametrize("side", [41, 224, 32_766])
def test_a_crop_larger_than_the_image_is_refused(side):
    message = rf"^crop={side} asks for {side} x {side} pixels of an image of 60 x 40; crop; crop less, or a share$"
    with pytest.raises(UsageError, match=message):
        drawn(crop, side)


def test_a_crop_is_of_what_the_operations_before_it_left():
    policy = Policy((crop(0.5), crop(25)))
    with pytest.raises(UsageError, match="crop=25 asks for 25 x 25 pixels of an image of 30 x 20"):
        policy.draw(RNG(0), WIDTH, HEIGHT)


@given(area=st.floats(0.01, 1), seed=st.integers(0, 10_000))
def test_a_resized_crop_shows_the_area_that_was_asked_for(area, seed):
    """A part of that share, inside the image, stretched by at most 4/3, and enlarged to the whole picture."""
    warp = drawn(resized_crop, area, seed).warp
    left, top, right, bottom = moved_points(np.linalg.inv(warp.matrix), CORNERS[[0, 2]]).ravel()
    width, height = (right - left) / WIDTH, (bottom - top) / HEIGHT
    assert warp.target == (WIDTH, HEIGHT)
    assert width * height == pytest.approx(area, rel=1e-9)
    assert 1 / MOST_STRETCHED - 1e-9 <= width / height <= MOST_STRETCHED + 1e-9
    assert min(left, top) >= -1e-9
    assert right <= WIDTH + 1e-9
    assert bottom <= HEIGHT + 1e-9


def test_resized_crops_are_stretched_both_ways_and_lie_everywhere():
    parts = [np.linalg.inv(drawn(resized_crop, 0.25, seed).warp.matrix) for seed in range(600)]
    logarithms = np.log([part[0, 0] / part[1, 1] for part in parts]) / np.log(MOST_STRETCHED)
    assert abs(logarithms.mean()) < 4 / 3**0.5 / 600**0.5  # even from -1 to 1
    assert logarithms.std() == pytest.approx(1 / 3**0.5, rel=0.08)
    places = np.array([part[0, 2] / (WIDTH * (1 - part[0, 0])) for part in parts])
    assert (np.histogram(places, 4, (0, 1))[0] > 100).all()


@pytest.mark.parametrize("strength", [0.1, 0.3, 0.6])
def test_a_perspective_moves_corners_inwards_by_up_to_its_strength_times_half_a_side(strength):
    shares = []
    for seed in range(200):
        corners = moved_points(drawn(perspective, strength, seed).warp.matrix, CORNERS)
        shares.append(np.abs(corners - CORNERS) / (WIDTH, HEIGHT))
        assert ((corners >= -1e-9) & (corners <= np.array([WIDTH, HEIGHT]) + 1e-9)).all()
    assert np.max(shares) <= strength / 2 + 1e-9
    assert np.max(shares) > 0.95 * strength / 2
    assert np.mean(shares) == pytest.approx(strength / 4, rel=0.06)


def test_up_to_its_limit_a_perspective_shows_all_of_the_image_before_the_horizon():
    """Every corner as far in as it goes, or not at all, in all combinations: its depth stays positive."""
    top = perspective.limits[1]
    for bits in np.ndindex(*(2,) * 8):
        matrix = perspective.draw(Draw.nothing(WIDTH, HEIGHT), top, Extremes(bits)).warp.matrix
        depths = np.c_[CORNERS, np.ones(4)] @ matrix[2]
        assert (depths > 0.05).all()
        x, y = (moved_points(matrix, CORNERS) - np.roll(moved_points(matrix, CORNERS), 1, axis=0)).T
        turns = x * np.roll(y, -1) - y * np.roll(x, -1)
        assert (turns > 0).all()  # the four corners stay a convex shape


class Extremes:
    """In place of a generator: the low or the high end of the range."""

    def __init__(self, bits):
        self.bits = np.array(bits, dtype=float)

    def uniform(self, low, high, shape):
        return (low + (high - low) * self.bits).reshape(shape)


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        (rotate, lambda m: np.degrees(np.arctan2(m[1, 0], m[0, 0]))),
        (scale, lambda m: m[0, 0] - 1),
        (translate_x, lambda m: m[0, 2] / WIDTH),
        (translate_y, lambda m: m[1, 2] / HEIGHT),
        (shear_x, lambda m: np.degrees(np.arctan(m[0, 1]))),
        (shear_y, lambda m: np.degrees(np.arctan(m[1, 0]))),
    ],
)
def test_amounts_are_drawn_evenly_from_minus_to_plus_the_usual(kind, read):
    rng = RNG(3)
    policy = Policy((kind(),))
    amounts = np.array([read(policy.draw(rng, WIDTH, HEIGHT).warp.matrix) for _ in range(2000)]) / kind.usual
    assert np.abs(amounts).max() <= 1 + 1e-9
    counts = np.histogram(amounts, 10, (-1, 1))[0]
    assert ((counts - 200) ** 2 / 200).sum() < 27.9  # chi-square, 9 degrees of freedom, 1 in 1000


@pytest.mark.parametrize("share", [0.3, 0.5, 0.95])
def test_flips_are_as_frequent_as_asked(share):
    rng = RNG(5)
    policy = Policy((flip_h(share),))
    flipped = sum(policy.draw(rng, WIDTH, HEIGHT).warp.mirrors for _ in range(3000))
    assert abs(flipped - 3000 * share) < 4 * (3000 * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("kind", GEOMETRY)
def test_what_is_declared_is_what_happens(kind):
    """Mirroring and overturning operations say so: the text of a policy is checked by what they say."""
    for seed in range(20):
        low, high = kind().low, kind().high
        matrix = drawn(kind, RNG(seed).uniform(low, high) if kind.usual else 0.0, seed).warp.matrix
        right, down = moved_points(matrix, np.array([[40.0, 20.0], [30.0, 30.0]])) - moved_points(
            matrix, np.array([30.0, 20.0])
        )
        assert (np.linalg.det(matrix) < 0) == kind.mirrors
        assert (down[1] < 0) == kind.overturns
        assert (right[0] < 0) == (kind.mirrors and not kind.overturns)
        assert not kind.recolours


def test_every_order_of_operations_is_the_product_in_that_order():
    rng = RNG(0)
    steps = [rotate((20, 20)), translate_x((0.2, 0.2)), shear_y((10, 10)), flip_h()]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        product = np.eye(3)
        for at in order:
            product = Policy((steps[at],)).draw(rng, WIDTH, HEIGHT).warp.matrix @ product
        together = Policy(tuple(steps[at] for at in order)).draw(rng, WIDTH, HEIGHT)
        np.testing.assert_allclose(together.warp.matrix, product, atol=1e-9)


@pytest.mark.parametrize("out", [(30, 20), (224, 224), (1, 7)])
def test_the_size_that_is_asked_for_is_the_last_step_of_the_same_matrix(out):
    policy = Policy((rotate(), crop(0.5)))
    plain, sized = policy.draw(RNG(1), WIDTH, HEIGHT), policy.draw(RNG(1), WIDTH, HEIGHT, out)
    assert sized.warp.target == out
    np.testing.assert_allclose(
        sized.warp.points(CORNERS), plain.warp.points(CORNERS) * np.array(out) / plain.warp.target
    )
