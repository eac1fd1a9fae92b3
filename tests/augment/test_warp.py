"""One warp against a slow one in float64."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.augment.draw import Draw
from handful.augment.elastic import elastic
from handful.augment.matrices import IDENTITY, about, perspective_between, scaling, shearing, shifting, turning
from handful.augment.warp import LONGEST, Warp
from handful.core.errors import DataError

WIDTH, HEIGHT = 23, 17
CENTRE = (WIDTH / 2, HEIGHT / 2)
CORNERS = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], dtype=float)
ENLARGING = {
    "turned": about(*CENTRE, turning(17)),
    "turned far": about(*CENTRE, turning(-140)),
    "shifted": shifting(3.3, -4.6),
    "shifted out": shifting(40, 3),
    "enlarged": about(*CENTRE, scaling(1.7, 1.2)),
    "sheared": about(*CENTRE, shearing(0.4, -0.2)),
    "mirrored": about(*CENTRE, turning(8) @ scaling(-1, 1)),
    "perspective": perspective_between(CORNERS, CORNERS + np.array([[1, 2], [-1, 0], [-2, -3], [0, -1]])),
    "all": about(2, 3, turning(30) @ shearing(0.1, 0.2)) @ about(*CENTRE, scaling(-1.3, 1.5)) @ shifting(2.2, 0.3),
}


def noise(height=HEIGHT, width=WIDTH, *channels, seed=0, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (height, width, *channels), dtype=dtype, endpoint=True)


def smooth(height=64, width=64, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def reference(pixels, origins, border="reflect"):
    """Bilinear, pixel by pixel, in float64.

    Args:
        origins: x and y of the origin of every pixel of the target in continuous coordinates, shape (h, w, 2).
    """
    height, width = pixels.shape[:2]

    def value(row, column):
        if border == "constant" and not (0 <= row < height and 0 <= column < width):
            return np.zeros(pixels.shape[2:])
        return pixels[index(row, height), index(column, width)].astype(float)

    def index(at, side):
        if border == "replicate":
            return min(max(at, 0), side - 1)
        while not 0 <= at < side:  # mirrored about the centre of the last pixel, as often as it takes
            at = -at if at < 0 else 2 * (side - 1) - at
        return at

    result = np.zeros((*origins.shape[:2], *pixels.shape[2:]))
    for row, column in np.ndindex(*origins.shape[:2]):
        x, y = origins[row, column] - 0.5
        left, top = int(np.floor(x)), int(np.floor(y))
        a, b = x - left, y - top
        upper = (1 - a) * value(top, left) + a * value(top, left + 1)
        lower = (1 - a) * value(top + 1, left) + a * value(top + 1, left + 1)
        result[row, column] = (1 - b) * upper + b * lower
    return result


def origins(matrix, width, height):
    """Where the centres of the target's pixels come from, one division at a time."""
    y, x = np.mgrid[:height, :width] + 0.5
    moved = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix), np.stack([x, y, np.ones_like(x)]))
    return np.moveaxis(moved[:2] / moved[2], 0, -1)


def area_mean(pixels, matrix, width, height, samples):
    """The ideal of shrinking: the mean of the source over the footprint of each pixel, from many nearest samples."""
    fine = origins(scaling(samples, samples) @ matrix, width * samples, height * samples)
    rows = np.clip(np.floor(fine[..., 1]).astype(int), 0, pixels.shape[0] - 1)
    columns = np.clip(np.floor(fine[..., 0]).astype(int), 0, pixels.shape[1] - 1)
    taken = pixels[rows, columns].astype(float)
    return taken.reshape(height, samples, width, samples, *pixels.shape[2:]).mean(axis=(1, 3))


def plain(pixels, matrix, width, height):
    """What interpolation alone makes of it."""
    centred = shifting(-0.5, -0.5) @ matrix @ shifting(0.5, 0.5)
    return cv2.warpAffine(
        pixels, centred[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def rms(a, b):
    return np.sqrt(np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("border", ["reflect", "replicate", "constant"])
@pytest.mark.parametrize("name", ENLARGING)
def test_a_warp_is_what_the_slow_reference_says(name, border):
    image, matrix = noise(HEIGHT, WIDTH, 3), ENLARGING[name]
    found = Warp((WIDTH, HEIGHT), (WIDTH, HEIGHT), matrix, border).image(image)
    expected = reference(image, origins(matrix, WIDTH, HEIGHT), border)
    np.testing.assert_allclose(found, expected, atol=0.51)  # rounded to whole levels


def test_sixteen_bits_keep_sixteen_bits():
    image, matrix = noise(HEIGHT, WIDTH, dtype=np.uint16), ENLARGING["all"]
    found = Warp((WIDTH, HEIGHT), (WIDTH, HEIGHT), matrix).image(image)
    assert found.dtype == np.uint16
    np.testing.assert_allclose(found, reference(image, origins(matrix, WIDTH, HEIGHT)), atol=1.5)


@pytest.mark.parametrize("target", [(9, 30), (31, 5), (1, 1)])
def test_the_size_may_change(target):
    image = noise()
    found = Warp((WIDTH, HEIGHT), target, shifting(-2.5, -3.25)).image(image)
    np.testing.assert_allclose(found, reference(image, origins(shifting(-2.5, -3.25), *target)), atol=0.51)


def test_an_elastic_field_is_part_of_the_same_resampling():
    """The picture of a point p of the matrix stands where p' + field(p') = p: from p' by the field, then the matrix."""
    image, matrix = noise(), ENLARGING["turned"]
    field = np.array([[[0.02, 0.05], [-0.04, 0.0]], [[0.0, -0.03], [0.04, 0.01]]], dtype=np.float32)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    a, b = (x / WIDTH)[..., None], (y / HEIGHT)[..., None]
    upper, lower = (1 - a) * field[0, 0] + a * field[0, 1], (1 - a) * field[1, 0] + a * field[1, 1]
    bent = np.stack([x, y], axis=-1) + ((1 - b) * upper + b * lower) * (WIDTH, HEIGHT)
    backward = np.linalg.inv(matrix)
    expected = reference(image, bent @ backward[:2, :2].T + backward[:2, 2])
    found = Warp((WIDTH, HEIGHT), (WIDTH, HEIGHT), matrix, field=field).image(image)
    np.testing.assert_allclose(found, expected, atol=0.52)


@pytest.mark.parametrize("name", ENLARGING)
def test_a_mask_takes_the_nearest_and_nothing_from_beyond_the_edge(name):
    mask, matrix = noise(seed=3), ENLARGING[name]
    found = Warp((WIDTH, HEIGHT), (WIDTH, HEIGHT), matrix).mask(mask)
    at = origins(matrix, WIDTH, HEIGHT)
    column, row = np.floor(np.moveaxis(at, -1, 0)).astype(int)
    inside = (column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT)
    expected = np.where(inside, mask[np.clip(row, 0, HEIGHT - 1), np.clip(column, 0, WIDTH - 1)], 0)
    undecided = (np.abs(at - np.round(at)) < 1e-3).any(axis=-1)  # right between two pixels
    np.testing.assert_array_equal(found[~undecided], expected[~undecided])


@pytest.mark.parametrize(
    "dtype", [bool, np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.int64, np.uint64]
)
@pytest.mark.parametrize("name", ["turned", "perspective"])
def test_a_mask_may_be_of_any_type_of_whole_numbers_and_keeps_them_all(dtype, name):
    top = 1 if dtype is bool else np.iinfo(dtype).max  # and near it are numbers that a float would round
    mask = np.where(noise(seed=4) % 2 == 1, np.array(top - 1, dtype), np.array(top, dtype))
    warp = Warp((WIDTH, HEIGHT), (WIDTH, HEIGHT), ENLARGING[name])
    found, index = warp.mask(mask), warp.mask(np.arange(1, mask.size + 1, dtype=np.uint16).reshape(mask.shape))
    assert found.dtype == dtype
    expected = np.concatenate([np.zeros(1, dtype), mask.ravel()])[index]
    assert (found != expected).sum() <= 1  # one lies between two pixels; OpenCV rounds it as it likes
    assert set(np.unique(found)) <= {0, top - 1, top}


def test_a_mask_of_anything_else_is_refused():
    with pytest.raises(DataError, match=r"^the mask is of type object, expected whole numbers"):
        Warp((2, 2), (2, 2), turning(3)).mask(np.array([[None, 1], [2, 3]]))


SHRINKING = {f"by {k}": scaling(1 / k, 1 / k) for k in (2, 3, 4, 5.5, 6, 8)} | {
    "by 5 across": scaling(1 / 5, 1),
    "by 3 across and 8 down": scaling(1 / 3, 1 / 8),
    "by 4, turned": about(8, 6, turning(25)) @ scaling(1 / 4, 1 / 4),
    "by 2 and 7, turned": about(8, 6, turning(-60)) @ scaling(1 / 2, 1 / 7),
    "by 8, mirrored": shifting(12, 0) @ scaling(-1 / 8, 1 / 8),
    "by 4, a part": scaling(1 / 4, 1 / 4) @ shifting(-21, -13),
}


@pytest.mark.parametrize("size", [(96, 96), (97, 89)])
@pytest.mark.parametrize("name", SHRINKING)
def test_shrinking_is_nearer_to_the_mean_over_each_pixel_than_interpolation_alone(name, size):
    matrix, (width, height) = SHRINKING[name], size
    image = noise(height, width, 3, seed=1)
    corners = (
        np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=float) @ matrix[:2, :2].T + matrix[:2, 2]
    )
    target = tuple(int(side) for side in np.clip(np.floor(corners.max(axis=0)), 4, 16))
    at = origins(matrix, *target)
    inside = ((at > 8) & (at < (width - 8, height - 8))).all(axis=-1)  # what is beyond the edge is a matter of taste
    assert inside.sum() >= 16
    ideal = area_mean(image, matrix, *target, samples=24)[inside]
    found = rms(Warp(size, target, matrix).image(image)[inside], ideal)
    alone = rms(plain(image, matrix, *target)[inside], ideal)
    assert found < max(0.75 * alone, 0.6)  # by 2, interpolation is the mean already, but for rounding


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 7, 8])
def test_shrinking_by_a_whole_number_is_the_mean_of_blocks(factor):
    image = noise(9 * factor, 11 * factor, seed=2)
    blocks = image.reshape(9, factor, 11, factor).mean(axis=(1, 3))
    found = Warp((11 * factor, 9 * factor), (11, 9), scaling(1 / factor, 1 / factor)).image(image)
    np.testing.assert_allclose(found, blocks, atol=0.51)


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 7, 10])
def test_a_turn_does_not_round_whole_blocks_down(factor):
    for degrees in range(0, 360, 7):
        matrix = turning(degrees) @ scaling(1 / factor, 1 / factor)
        assert Warp((100, 100), (10, 10), matrix).block == (factor, factor)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_shrunk_part_is_that_part_of_the_shrunk_picture(factor):
    """Up to its very edge: what lies around the part is seen by its last pixels."""
    image = noise(30 * factor, 30 * factor, seed=5)
    half = shifting(0.5, 0.5) @ scaling(1 / factor, 1 / factor)  # between the blocks, so that neighbours mix
    side = 30 * factor
    whole = Warp((side, side), (30, 30), half).image(image)
    part = Warp((side, side), (10, 12), shifting(-8, -6) @ half).image(image)
    np.testing.assert_allclose(part.astype(int), whole[6:18, 8:18], atol=1)


@pytest.mark.parametrize("matrix", [scaling(3, 3), scaling(0.4, 0.7), shifting(0.3, 0.6)])
def test_a_part_is_that_part_of_the_whole(matrix):
    image = noise(60, 80, 3, seed=6)
    whole = Warp((80, 60), (40, 30), matrix).image(image)
    for left, top in ((6, 5), (12, 9), (0, 0), (7, 0)):
        part = Warp((80, 60), (20, 18), shifting(-left, -top) @ matrix).image(image)
        np.testing.assert_allclose(part.astype(int), whole[top : top + 18, left : left + 20], atol=1)  # of rounding


@pytest.mark.parametrize("size", [(97, 89), (100, 96), (8, 8), (3, 200)])
def test_shrinking_does_not_shift(size):
    """A ramp stays the same ramp, also where blocks do not fit."""
    width, height = size
    image = np.broadcast_to(np.linspace(0, 60_000, width), (height, width)).astype(np.uint16)
    target = max(1, width // 5), max(1, height // 5)
    matrix = scaling(target[0] / width, target[1] / height)
    found = Warp(size, target, matrix).image(np.ascontiguousarray(image))
    at = origins(matrix, *target)[..., 0] - 0.5
    middle = (at > 8) & (at < width - 9)
    np.testing.assert_allclose(found[middle], (at * 60_000 / max(1, width - 1))[middle], atol=1.5)


EXACT = {
    "left to right": (shifting(WIDTH, 0) @ scaling(-1, 1), (WIDTH, HEIGHT), lambda x: x[:, ::-1]),
    "upside down": (shifting(0, HEIGHT) @ scaling(1, -1), (WIDTH, HEIGHT), lambda x: x[::-1]),
    "half a turn": (about(*CENTRE, turning(180)), (WIDTH, HEIGHT), lambda x: x[::-1, ::-1]),
    "a quarter": (shifting(HEIGHT, 0) @ turning(90), (HEIGHT, WIDTH), lambda x: np.rot90(x, -1)),
    "a quarter back": (shifting(0, WIDTH) @ turning(-90), (HEIGHT, WIDTH), lambda x: np.rot90(x)),
    "a crop": (shifting(-4, -3), (7, 9), lambda x: x[3:12, 4:11]),
    "a crop at the edge": (shifting(-16, 0), (7, 9), lambda x: x[:9, 16:]),
    "nothing": (IDENTITY, (WIDTH, HEIGHT), lambda x: x),
}


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", EXACT)
def test_what_moves_whole_pixels_is_exact(name, dtype, channels):
    matrix, target, expected = EXACT[name]
    image = noise(HEIGHT, WIDTH, *channels, dtype=dtype)
    warp = Warp((WIDTH, HEIGHT), target, matrix)
    np.testing.assert_array_equal(warp.image(image), expected(image))
    np.testing.assert_array_equal(
        warp.mask(image if not channels else image[..., 0]), expected(image if not channels else image[..., 0])
    )


@given(x=st.integers(-30, 30), y=st.integers(-30, 30))
@settings(max_examples=30)
def test_a_shift_by_whole_pixels_is_exact_where_the_image_was(x, y):
    image = noise()
    found = Warp((WIDTH, HEIGHT), (WIDTH, HEIGHT), shifting(x, y), "constant").image(image)
    expected = np.zeros_like(image)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    inside = (ys - y >= 0) & (ys - y < HEIGHT) & (xs - x >= 0) & (xs - x < WIDTH)
    expected[inside] = image[ys[inside] - y, xs[inside] - x]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "matrix",
    [
        about(32, 32, turning(21)),
        about(32, 32, scaling(1.3, 0.8)),
        about(32, 32, shearing(0.2, 0.1)),
        shifting(2.4, -1.7),
        perspective_between(
            np.array([[0, 0], [64, 0], [64, 64], [0, 64.0]]), np.array([[4, 2], [60, 0], [64, 60], [1, 63.0]])
        ),
    ],
)
def test_there_and_back_is_the_picture(matrix):
    image = smooth()
    there = Warp((64, 64), (64, 64), matrix)
    back = Warp((64, 64), (64, 64), np.linalg.inv(matrix))
    inner = slice(20, -20)  # whatever comes from beyond the edge is lost
    assert np.abs(back.image(there.image(image)).astype(int) - image)[inner, inner].max() <= 4
    np.testing.assert_allclose(there.then(back.matrix).matrix, IDENTITY, atol=1e-9)


def test_ten_steps_are_one_matrix_and_one_resampling_is_better_than_ten():
    steps = [
        about(32, 32, turning(9)),
        shifting(1.3, 0.4),
        about(32, 32, scaling(1.1, 1.05)),
        about(32, 32, shearing(0.05, -0.04)),
        about(32, 32, turning(-14)),
        shifting(-2.1, 1.2),
        about(32, 32, scaling(0.97, 1.02)),
        perspective_between(
            np.array([[0, 0], [64, 0], [64, 64], [0, 64.0]]), np.array([[1, 1], [63, 0], [64, 62], [0, 64.0]])
        ),
        about(32, 32, turning(4)),
        about(32, 32, shearing(0, 0.06)),
    ]
    image = noise(64, 64)
    warp, product, ten_times = Warp((64, 64), (64, 64), IDENTITY), np.eye(3), image
    for step in steps:
        warp, product = warp.then(step), step @ product
        ten_times = Warp((64, 64), (64, 64), step).image(ten_times)
    np.testing.assert_allclose(warp.matrix, product, atol=1e-9)
    ideal = reference(image, origins(product, 64, 64))
    inner = slice(12, -12)
    once, often = (rms(found[inner, inner], ideal[inner, inner]) for found in (warp.image(image), ten_times))
    assert once < 0.5
    assert often > 10 * once


def test_points_go_where_the_picture_goes():
    """A bright spot, and the point that it is at, through every warp."""
    y, x = np.mgrid[:100, :120] + 0.5
    spot = np.array([70.3, 40.6])
    image = np.uint8(250 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / 30))
    corners = np.array([[0, 0], [120, 0], [120, 100], [0, 100.0]])
    inwards = np.array([[9, 3], [-2, 6], [-8, -9], [4, -2]])
    plainly = Warp((120, 100), (120, 100), about(60, 50, turning(30)))
    seen = Warp((120, 100), (120, 100), perspective_between(corners, corners + inwards))
    for warp in (plainly, seen, bent(plainly), bent(seen)):
        found = warp.image(image).astype(float)
        centre = np.array([(found * x).sum(), (found * y).sum()]) / found.sum()
        np.testing.assert_allclose(warp.points(spot), centre, atol=0.4)


@given(seed=st.integers(0, 10_000), strength=st.sampled_from([0.01, 0.03, 0.04]))
@settings(max_examples=40)
def test_origins_and_points_undo_each_other(seed, strength):
    warp = bent(Warp((300, 200), (250, 240), about(100, 80, turning(20))), seed, strength)
    points = np.random.default_rng(seed).uniform(20, 180, (30, 2))
    np.testing.assert_allclose(warp.origins(warp.points(points)), points, atol=0.05)


@pytest.mark.parametrize("height", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 5000])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_thin_pictures_keep_their_shape_and_their_colour(height, width, channels):
    image = np.full((height, width, *channels), 77, np.uint8)
    for matrix in (turning(30), scaling(0.1, 0.1), scaling(10, 10), shifting(width, height) @ scaling(-0.5, -0.5)):
        for target in ((width, height), (height, width), (3, 3)):
            found = Warp((width, height), target, matrix).image(image)
            assert found.shape == (target[1], target[0], *channels)
            assert (found == 77).all()


def test_the_picture_must_be_of_the_size_that_the_draw_is_for():
    with pytest.raises(DataError, match=r"^this draw is for 4 x 3 pixels, got 3 x 4; warp$"):
        Warp((4, 3), (4, 3), IDENTITY).image(np.zeros((4, 3), np.uint8))


@pytest.mark.parametrize("shape", [(LONGEST + 1, 3), (3, 40_000)])
@pytest.mark.parametrize("bends", [False, True])
def test_a_side_beyond_the_limit_is_refused_in_one_line(shape, bends):
    warp = Warp(shape[::-1], (8, 8), shifting(2, 2))  # what is reflected may come from anywhere
    warp = bent(warp) if bends else warp
    for do in (warp.image, warp.mask):
        with pytest.raises(
            DataError, match=rf"^a side has {max(shape)} pixels, at most 32766 can be warped; warp; make"
        ):
            do(np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match="at most 32766"):
        Warp((3, 3), (40_000, 3), turning(1)).image(np.zeros((3, 3), np.uint8))


def test_a_longer_side_may_be_shrunk_or_cropped():
    image = np.repeat(np.arange(10, dtype=np.uint8) * 20, 4000)[None].repeat(4, axis=0)
    found = Warp((40_000, 4), (20, 2), scaling(20 / 40_000, 0.5)).image(image)
    np.testing.assert_array_equal(found, image[:2, 1000::2000])
    part = Warp((40_000, 4), (10, 4), shifting(-35_995, 0))
    np.testing.assert_array_equal(part.image(image), image[:, 35_995:36_005])
    np.testing.assert_array_equal(part.mask(image), image[:, 35_995:36_005])


def test_a_part_of_a_larger_array_is_an_image_too():
    """Rows and columns need not lie side by side in memory."""
    whole = noise(60, 80, 3)
    for image in (whole[5:40, 7:60], whole[::2, ::3], whole[::-1, ::-1], whole.transpose(1, 0, 2), whole[..., ::-1]):
        warp = Warp(image.shape[1::-1], (30, 30), about(9, 9, turning(20)))
        np.testing.assert_array_equal(warp.image(image), warp.image(image.copy()))
        np.testing.assert_array_equal(warp.mask(image[..., 0]), warp.mask(image[..., 0].copy()))


def bent(warp, seed=3, strength=0.03):
    drawn = elastic.draw(Draw(warp), strength, np.random.default_rng(seed))
    return drawn.warp
