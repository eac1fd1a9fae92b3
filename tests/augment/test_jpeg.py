"""JPEG against the same file written by another library, and by what is known of JPEG."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from handful.augment.jpeg import Jpeg, jpeg
from handful.augment.policy import Policy
from handful.core.errors import DataError

SHAPES = [(1, 1), (1, 1, 3), (1, 5000, 3), (5000, 1), (7, 9), (7, 9, 1), (7, 9, 3), (7, 9, 4)]


def noise(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def photograph(shape=(64, 80)):
    return cv2.resize(noise((6, 7, 3)), shape[::-1], interpolation=cv2.INTER_CUBIC)


def by_pillow(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def difference(a, b):
    return np.abs(a.astype(float) - b).mean()


@pytest.mark.parametrize("quality", [5, 50, 95])
@pytest.mark.parametrize("image", [photograph(), photograph()[..., 1]], ids=["colour", "grey"])
def test_pillow_compresses_alike(image, quality):
    assert difference(Jpeg(quality)(image), by_pillow(image, quality)) < 0.25


@pytest.mark.parametrize("colour", [(200, 30, 40), (30, 200, 40), (30, 40, 200)], ids=["red", "green", "blue"])
def test_an_even_colour_stays_that_colour(colour):
    image = np.full((24, 24, 3), colour, np.uint8)
    assert np.abs(Jpeg(90)(image).astype(int) - image).max() <= 3


def test_less_quality_is_more_loss():
    losses = [difference(Jpeg(quality)(photograph()), photograph()) for quality in (100, 75, 40, 10, 1)]
    assert losses == sorted(losses)
    assert losses[0] < 1.5
    assert losses[-1] > 5


def test_sixteen_bits_are_eight_bits_on_a_finer_scale():
    image = photograph()
    np.testing.assert_array_equal(Jpeg(40)(image * np.uint16(257)), Jpeg(40)(image) * np.uint16(257))
    for more in (-128, 128):  # rounds to the same eight bits
        nearly = np.clip(image * 257.0 + more, 0, 65535).astype(np.uint16)
        np.testing.assert_array_equal(Jpeg(40)(nearly), Jpeg(40)(image) * np.uint16(257))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_shape_comes_back_with_its_alpha_and_the_input_is_untouched(dtype):
    for shape in SHAPES:
        image = noise(shape, dtype)
        image.flags.writeable = False
        got = Jpeg(60)(image)
        assert (got.shape, got.dtype) == (shape, dtype)
        np.testing.assert_array_equal(got, Jpeg(60)(image))
        if shape[2:] == (4,):
            np.testing.assert_array_equal(got[..., 3], image[..., 3])
            np.testing.assert_array_equal(got[..., :3], Jpeg(60)(image[..., :3]))


def test_what_no_jpeg_file_can_hold_is_refused_in_one_line():
    with pytest.raises(DataError, match="a side has 65501 pixels, a JPEG file at most 65500; jpeg"):
        Jpeg(50)(np.zeros((1, 65_501), np.uint8))
    assert Jpeg(50)(np.zeros((1, 65_500), np.uint8)).shape == (1, 65_500)


def test_a_quality_stands_for_this_one_up_to_the_best():
    rng = np.random.default_rng(0)
    drawn = {Policy((jpeg(90),)).draw(rng, 8, 8).effects[0].quality for _ in range(200)}
    assert drawn == set(range(90, 101))
    assert {Policy((jpeg((30.0, 30.0)),)).draw(rng, 8, 8).effects[0] for _ in range(5)} == {Jpeg(30)}
