"""Kernels by their shape and their moments, and the blur against a sum written pixel by pixel."""

import numpy as np
import pytest

from handful.augment.blur import Kernel, blur, defocus, disc, gaussian, line, motion
from handful.augment.policy import Policy

KERNELS = {
    **{f"gaussian {sigma}": gaussian(sigma) for sigma in (0, 0.3, 1, 2.5)},
    **{
        f"line {length} at {degrees}": line(length, degrees)
        for length, degrees in ((0, 30), (1, 0), (6, 90), (9.5, 33))
    },
    **{f"disc {radius}": disc(radius) for radius in (0, 0.5, 1, 2, 4.7)},
}
EVERY = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


def noise(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def spread(kernel):
    """The covariance of x and y, in square pixels, shape (2, 2)."""
    rows, columns = kernel.shape
    y, x = np.mgrid[:rows, :columns] - np.array([rows // 2, columns // 2])[:, None, None]
    points = np.stack([x.ravel(), y.ravel()])
    return (points * kernel.ravel()) @ points.T


def blurred(image, kernel):
    """The sum over all neighbours, one at a time, of an image mirrored about the centres of its edge pixels."""
    (up, left), (rows, columns) = (side // 2 for side in kernel.shape), image.shape[:2]
    wide = np.pad(image.astype(np.float64), ((up, up), (left, left), *[(0, 0)] * (image.ndim - 2)), mode="reflect")
    total = np.zeros(image.shape)
    for (row, column), weight in np.ndenumerate(kernel):
        total += weight * wide[row : row + rows, column : column + columns]
    return total


@EVERY
def test_weights_are_a_mean_about_the_centre(kernel):
    assert kernel.sum() == pytest.approx(1)
    assert kernel.min() >= 0
    assert [side % 2 for side in kernel.shape] == [1, 1]
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-12)


@EVERY
@pytest.mark.parametrize(("dtype", "rounding"), [(np.uint8, 1.0), (np.uint16, 0.51)])
@pytest.mark.parametrize("shape", [(31, 29, 3), (31, 29), (31, 29, 1)])
def test_a_blur_is_the_weighted_sum_of_the_neighbours(kernel, shape, dtype, rounding):
    image = noise(shape, dtype)
    got = Kernel(kernel)(image)
    assert got.shape == shape
    assert np.abs(got - blurred(image, kernel)).max() <= rounding


@EVERY
def test_an_even_surface_stays_even(kernel):
    for value in (0, 1, 127, 255):
        image = np.full((9, 11, 3), value, np.uint8)
        np.testing.assert_array_equal(Kernel(kernel)(image), image)


@pytest.mark.parametrize("sharp", [gaussian(0), gaussian(1e-300), gaussian(0.02), line(0, 45), disc(0), disc(0.5)])
def test_nothing_at_all_is_sharp(sharp):
    image = noise((12, 13, 3))
    np.testing.assert_array_equal(Kernel(sharp)(image), image)


@pytest.mark.parametrize("sigma", [0.8, 1, 2, 5])
def test_a_gaussian_has_its_standard_deviation_in_pixels_and_is_round(sigma):
    np.testing.assert_allclose(spread(gaussian(sigma)), sigma**2 * np.eye(2), atol=0.004 * sigma**2)


def test_one_gaussian_after_another_is_a_wider_one():
    image = np.zeros((61, 61), np.uint16)
    image[30, 30] = 65535
    twice = Kernel(gaussian(4))(Kernel(gaussian(3))(image))
    assert np.abs(twice.astype(int) - Kernel(gaussian(5))(image)).max() <= 0.01 * twice.max()


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135, 179])
@pytest.mark.parametrize("length", [3, 8, 20.5])
def test_a_line_is_as_long_as_asked_and_points_where_asked(length, degrees):
    along = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])  # y down: clockwise as seen
    across = np.array([-along[1], along[0]])
    covariance = spread(line(length, degrees))
    # a uniform line has length^2 / 12; sharing among pixels adds up to 1/4 each way
    assert 0 <= along @ covariance @ along - length**2 / 12 <= 0.26
    assert 0 <= across @ covariance @ across + 1e-9 <= 0.26


def test_a_level_line_is_a_box_with_soft_ends():
    np.testing.assert_allclose(line(4, 0)[2], [0.125, 0.25, 0.25, 0.25, 0.125], atol=1e-3)
    np.testing.assert_allclose(line(4, 90), line(4, 0).T, atol=1e-12)
    assert line(4, 0)[[0, 1, 3, 4]].max() < 1e-12


@pytest.mark.parametrize("radius", [1, 2, 3.3, 8])
def test_a_disc_covers_what_the_circle_covers(radius):
    kernel = disc(radius)
    side, fine = len(kernel), 20
    at = (np.arange(side * fine) + 0.5) / fine - side / 2
    inside = np.hypot(at[:, None], at) <= radius
    covered = inside.reshape(side, fine, side, fine).mean(axis=(1, 3))
    assert np.abs(kernel - covered / covered.sum()).max() < 0.2 * kernel.max()  # of the rim, where it is cut askew
    assert np.abs(kernel - covered / covered.sum()).sum() < 0.2 / radius
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-12)


def test_products_of_a_column_and_a_row_are_found_and_nothing_else_is_taken_for_one():
    for kernel in (gaussian(0), gaussian(0.5), gaussian(20), line(5, 0), line(5, 90)):
        column, row = Kernel(kernel).factors()
        np.testing.assert_allclose(np.outer(column, row), kernel, atol=1e-9)
    for kernel in (line(5, 30), disc(2), disc(5)):
        assert Kernel(kernel).factors() is None


@pytest.mark.parametrize("kind", [blur, motion, defocus], ids=lambda kind: kind.name)
def test_amounts_are_in_pixels_and_drawn_from_nothing(kind):
    def widths(rng):
        for _ in range(60):
            (effect,) = Policy((kind(10),)).draw(rng, 10, 10).effects
            yield np.sqrt(np.linalg.eigvalsh(spread(effect.kernel))[1])

    widest = {"blur": 10, "motion": 10 / np.sqrt(12), "defocus": 5}[kind.name]  # a disc has radius / 2
    seen = list(widths(np.random.default_rng(0)))
    assert max(seen) == pytest.approx(widest, rel=0.1)
    assert min(seen) < 0.1 * widest + 0.5


def test_the_camera_is_shaken_in_every_direction():
    rng = np.random.default_rng(0)
    kernels = [Policy((motion((12.0, 12.0)),)).draw(rng, 10, 10).effects[0].kernel for _ in range(60)]
    angles = [0.5 * np.arctan2(2 * spread(k)[0, 1], spread(k)[0, 0] - spread(k)[1, 1]) for k in kernels]
    assert np.histogram(np.rad2deg(angles), bins=4, range=(-90, 90))[0].min() >= 5
