"""One recolouring against plain float64 references that know nothing of 4 x 4 matrices."""

import numpy as np
import pytest

from handful.augment.colour import brightness, channel_mix, contrast, hue, invert, saturation, temperature
from handful.augment.curves import gamma, posterize
from handful.augment.draw import Draw
from handful.augment.recolour import LUMA, Recolour
from handful.core.errors import DataError

MEAN, STD = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)
# OpenCV multiplies 8-bit channels by whole 1024ths: each of three products is off by up to 255 / 2048, and rounded.
ROUNDING = 0.5 + 3 * 255 / 2048 + 1e-6
TEN = (
    *((brightness, 0.3), (contrast, -0.4), (saturation, 0.5), (hue, 70), (temperature, 0.2)),
    *((invert, 0), (hue, -120), (saturation, -0.3), (contrast, 0.6), (brightness, -0.2)),
)


def noise(shape=(40, 50, 3), seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def recolour(*steps, seed=0):
    draw, rng = Draw.nothing(1, 1), np.random.default_rng(seed)
    for kind, amount in steps:
        draw = kind.draw(draw, amount, rng)
    return draw.recolour


def plain(kind, amount, x):
    """The same in float64 on values of any range of 0 to 1, shape (..., 3), without clipping."""
    luma = (x @ LUMA)[..., None]
    if kind is brightness:
        return x * (1 + amount)
    if kind is contrast:
        return (x - 0.5) * (1 + amount) + 0.5
    if kind is saturation:
        return luma + (x - luma) * (1 + amount)
    if kind is temperature:
        return np.stack([x[..., 0] * (1 + amount), x[..., 1], x[..., 2] * (1 - amount)], axis=-1)
    if kind is invert:
        return 1 - x
    assert kind is hue  # in YIQ the two chroma axes as one complex number
    i = x @ [0.595716, -0.274453, -0.321263]
    q = x @ [0.211456, -0.522591, 0.311135]
    turned = (i + 1j * q) * np.exp(1j * np.pi * amount / 180)
    yiq = np.stack([luma[..., 0], turned.real, turned.imag], axis=-1)
    to_yiq = np.array([LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
    return np.linalg.solve(to_yiq, yiq[..., None])[..., 0]


def all_at_once(steps, image):
    """One step after another in float64, clipped at the end only, in levels."""
    full = np.iinfo(image.dtype).max
    x = image / full
    for kind, amount in steps:
        x = plain(kind, amount, x)
    return np.clip(x, 0, 1) * full


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("kind", "amount"), TEN, ids=[f"{kind.name}={amount:g}" for kind, amount in TEN])
def test_every_linear_operation_is_what_its_formula_says(kind, amount, dtype):
    image = noise(dtype=dtype)
    got = recolour((kind, amount)).image(image)
    assert got.dtype == dtype
    rounding = ROUNDING if dtype == np.uint8 else 0.55
    assert np.abs(got - all_at_once([(kind, amount)], image)).max() <= rounding


def test_ten_linear_operations_are_one_matrix_and_lose_less_than_ten_roundings():
    image, made = noise(), recolour(*TEN)
    assert [stage.shape for stage in made.stages] == [(4, 4)]
    exact = all_at_once(TEN, image)
    once = np.abs(made.image(image) - exact)
    assert once.max() <= ROUNDING
    step_by_step = image
    for step in TEN:
        step_by_step = recolour(step).image(step_by_step)
    assert once.mean() < np.abs(step_by_step - exact).mean() / 4


def test_what_is_too_bright_in_between_is_not_lost():
    image = noise()
    brighter_and_back = recolour((brightness, 3), (brightness, -0.75))
    assert np.abs(brighter_and_back.image(image).astype(int) - image).max() <= 1
    with_a_curve_between = recolour((brightness, 3), (posterize, 8), (brightness, -0.75))
    assert len(with_a_curve_between.stages) == 3
    np.testing.assert_allclose(with_a_curve_between.image(image), np.minimum(image, 255 / 4), atol=1)


def test_matrices_on_both_sides_of_a_curve_stay_apart_and_curves_keep_their_order():
    image = noise()
    made = recolour((brightness, 0.2), (hue, 30), (gamma, 0.5), (contrast, 0.2), (saturation, 0.2))
    assert [isinstance(stage, np.ndarray) for stage in made.stages] == [True, False, True]
    first = all_at_once([(brightness, 0.2), (hue, 30)], image) / 255
    expected = 255 * np.clip(plain(saturation, 0.2, plain(contrast, 0.2, first**1.5)), 0, 1)
    # a level of error before the curve is at most 1.5 after it, and 1.2 * 1.2 * (1 + 2 * 0.2) times that at the end
    assert np.abs(made.image(image) - expected).max() < 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "steps",
    [(), TEN, ((brightness, 3),), ((gamma, 0.5),), ((brightness, 0.5), (gamma, 0.5), (contrast, 0.5))],
    ids=["nothing", "ten", "clipped", "curve", "curve between"],
)
def test_chw_is_the_image_and_then_normalised(steps, dtype):
    image, made = noise((30, 20, 3), dtype=dtype), recolour(*steps)
    scale = np.iinfo(dtype).max / 255
    mean, std = scale * np.array(MEAN), scale * np.array(STD)
    got = made.chw(image, mean, std)
    assert (got.shape, got.dtype) == ((3, 30, 20), np.float32)
    assert got.flags.c_contiguous
    again = got.transpose(1, 2, 0) * std + mean
    assert again.min() >= -0.01 * scale
    assert again.max() <= 255.01 * scale
    assert np.abs(again - made.image(image)).max() <= (ROUNDING if dtype == np.uint8 else 0.6)
    if "gamma" not in {kind.name for kind, _ in steps}:
        np.testing.assert_allclose(again, all_at_once(steps, image), atol=1e-3 * scale)


def test_chw_results_do_not_share_memory_and_leave_the_input_alone():
    one, other = noise((8, 9, 3), 1), noise((8, 9, 3), 2)
    kept, made = one.copy(), recolour((hue, 40))
    first = made.chw(one, MEAN, STD)
    before = first.copy()
    made.chw(other, MEAN, STD)
    np.testing.assert_array_equal(first, before)
    np.testing.assert_array_equal(one, kept)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1)])
def test_a_grey_image_becomes_the_luma_of_what_the_same_image_in_colour_becomes(shape):
    grey = (noise(shape) // 4 + 96).astype(np.uint8)  # so that nothing is clipped
    steps = ((contrast, 0.2), (temperature, 0.2), (brightness, -0.1), (saturation, 0.3), (hue, 50), (channel_mix, 0.1))
    coloured = recolour(*steps).image(np.repeat(grey.reshape(20, 30, 1), 3, axis=2))
    assert coloured.min() > 0
    assert coloured.max() < 255
    got = recolour(*steps).image(grey)
    assert got.shape == shape
    assert np.abs(got.reshape(20, 30) - coloured @ LUMA).max() <= 0.5 + ROUNDING


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_stays_and_the_colours_are_those_without_it(dtype):
    image = noise((9, 7, 4), dtype=dtype)
    made = recolour((brightness, -0.5), (gamma, 0.3), (invert, 0))
    got = made.image(image)
    np.testing.assert_array_equal(got[..., 3], image[..., 3])
    np.testing.assert_array_equal(got[..., :3], made.image(np.ascontiguousarray(image[..., :3])))


def test_sixteen_bits_keep_what_eight_bits_lose():
    ramp = np.arange(1000, dtype=np.uint16).reshape(10, 100)  # within four levels of 8 bits
    made = recolour((brightness, 0.5))
    np.testing.assert_allclose(made.image(ramp), ramp * 1.5, atol=0.5)


@pytest.mark.parametrize("apply", [lambda r, x: r.image(x), lambda r, x: r.chw(x, MEAN, STD)], ids=["image", "chw"])
@pytest.mark.parametrize("made", [Recolour(), recolour((hue, 10))], ids=["nothing", "hue"])
def test_float_pixels_are_refused_in_one_line(made, apply):
    with pytest.raises(DataError, match="pixels are of type float32, expected uint8 or uint16") as caught:
        apply(made, np.zeros((2, 2, 3), np.float32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 1), (5, 5, 4)])
def test_a_network_takes_three_channels(shape):
    with pytest.raises(DataError, match="three colour channels"):
        Recolour().chw(noise(shape), MEAN, STD)
