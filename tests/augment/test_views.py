import cv2
import numpy as np
import pytest

from handful.augment.policy import NAMED, Policy
from handful.augment.views import MIRRORED, MOST_VIEWS, ORIGINAL, View, views_of

SIZE = 64


def smooth(size=SIZE, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def noise(size=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMED)
def test_a_view_is_an_image_of_the_same_kind_and_leaves_its_input_alone(name):
    image = smooth()
    image.flags.writeable = False
    for view in views_of(Policy.parse(name)):
        seen = view(image)
        assert (seen.shape, seen.dtype) == (image.shape, np.uint8)
        np.testing.assert_array_equal(view(image), seen)


def test_a_policy_that_crops_still_gives_views_of_the_same_size():
    assert View("crop=0.5", 1)(smooth()).shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize("size", [1, 2, 63, 64])
def test_mirroring_is_exact_and_undoes_itself(size):
    image = noise(size)
    np.testing.assert_array_equal(MIRRORED(image), image[:, ::-1])
    np.testing.assert_array_equal(MIRRORED(MIRRORED(image)), image)


def test_the_original_is_the_image():
    image = noise()
    np.testing.assert_array_equal(ORIGINAL(image), image)


def test_images_draw_apart_and_so_do_numbers_and_policies():
    image = smooth()
    other = image.copy()
    other[0, 0, 0] ^= 1
    seen = [View("rotate=60", 2)(image), View("rotate=60", 2)(other), View("rotate=60", 3)(image)]
    seen.append(View("rotate=61", 2)(image))
    for at, one in enumerate(seen):
        for another in seen[:at]:
            assert np.abs(one.astype(int) - another).mean() > 2  # turned by another angle


def test_what_an_image_draws_depends_on_its_pixels_alone():
    image, view = smooth(), View("standard", 3)
    apart = np.asfortranarray(image.copy())
    np.testing.assert_array_equal(view(apart), view(image))


def test_the_image_comes_first_its_mirror_image_second_and_only_where_the_policy_flips():
    for name in NAMED:
        views = views_of(Policy.parse(name))
        assert views[0] == ORIGINAL
        assert (MIRRORED in views) == ("flip_h" in NAMED[name])
        assert MIRRORED not in views or views[1] == MIRRORED
        assert len(set(views)) == len(views)
    assert views_of(Policy()) == (ORIGINAL,)
    assert views_of(Policy.parse("flips")) == (ORIGINAL, MIRRORED)
    assert len(views_of(Policy.parse("scan"))) == len(views_of(Policy.parse("light"))) == MOST_VIEWS


def test_fewer_views_are_the_first_of_many():
    light = Policy.parse("light")
    assert [views_of(light, most) for most in (1, 2, 4)] == [views_of(light)[:most] for most in (1, 2, 4)]


def test_a_view_is_named_by_what_it_is_drawn_from():
    assert repr(View("rotate=5", 2)) == "View(policy='rotate=5', number=2)"  # the key of cached features
    assert View("rotate=5", 2).name == "rotate=5, draw 2"
