"""The erased rectangle: how large, where, and with what in it."""

import numpy as np
import pytest

from handful.augment.erase import Erase, erase
from handful.augment.policy import Policy
from handful.augment.scene import Scene, augmented
from handful.data.objects import Objects

WIDTH, HEIGHT = 160, 100


def drawn(n, area, width=WIDTH, height=HEIGHT, seed=0):
    rng = np.random.default_rng(seed)
    return [Policy((erase((area, area)),)).draw(rng, width, height).effects[0] for _ in range(n)]


def test_the_rectangle_and_nothing_else_is_erased():
    image = np.full((100, 160, 3), 77, np.uint8)
    changed = (Erase(0.25, 0.1, 0.5, 0.3, 1)(image) != 77).any(axis=2)
    assert changed[10:40, 40:120].mean() > 0.999
    changed[10:40, 40:120] = False
    assert not changed.any()


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_every_level_is_as_likely_in_every_channel(dtype, full):
    random = Erase(0, 0, 1, 1, 5)(np.zeros((200, 200, 3), dtype))
    for channel in np.moveaxis(random, 2, 0):
        counts = np.histogram(channel, bins=8, range=(0, full + 1))[0]
        assert np.abs(counts - 5000).max() < 5 * np.sqrt(5000)
    assert random.min() <= full // 1000
    assert random.max() >= full - full // 1000
    assert np.abs(np.corrcoef(random.reshape(-1, 3).T) - np.eye(3)).max() < 0.025
    assert (random != Erase(0, 0, 1, 1, 6)(np.zeros((200, 200, 3), dtype))).mean() > 0.99


@pytest.mark.parametrize("area", [0.02, 0.2, 0.7, 1.0])
@pytest.mark.parametrize("size", [(160, 100), (1000, 10), (10, 1000)])
def test_the_area_is_the_one_that_was_asked_for_whatever_the_aspect(area, size):
    for effect in drawn(50, area, *size):
        assert effect.width * effect.height == pytest.approx(area)
        assert 0 <= effect.left <= effect.left + effect.width <= 1 + 1e-12
        assert 0 <= effect.top <= effect.top + effect.height <= 1 + 1e-12


def test_the_aspect_is_between_three_tenths_and_its_inverse_in_pixels():
    aspects = np.array([effect.height * HEIGHT / (effect.width * WIDTH) for effect in drawn(400, 0.02)])
    assert 0.3 - 1e-9 <= aspects.min() < 0.33
    assert 3.0 < aspects.max() <= 10 / 3 + 1e-9
    assert (aspects < 1).mean() == pytest.approx(0.5, abs=0.1)


def test_places_and_contents_are_drawn_anew():
    effects = drawn(400, 0.05)
    for start, side in (("left", "width"), ("top", "height")):
        place = np.array([getattr(each, start) / (1 - getattr(each, side)) for each in effects])
        assert np.histogram(place, bins=4, range=(0, 1))[0].min() > 65
    assert len({effect.seed for effect in effects}) == 400


def test_nothing_and_everything():
    image = np.full((HEIGHT, WIDTH, 3), 77, np.uint8)
    (nothing,), (everything,) = drawn(1, 0.0), drawn(1, 1.0)
    np.testing.assert_array_equal(nothing(image), image)
    assert (everything(image) != image).any(axis=2).mean() > 0.999


def test_a_rectangle_drawn_before_the_size_changes_lies_where_it_would_have():
    image = np.full((HEIGHT, WIDTH, 3), 77, np.uint8)
    policy, rng = Policy((erase((0.3, 0.3)),)), np.random.default_rng(2)
    draw = policy.draw(rng, WIDTH, HEIGHT, out=(40, 50))
    changed = (draw.image(image) != 77).any(axis=2)
    assert changed.shape == (50, 40)
    assert changed.mean() == pytest.approx(0.3, abs=0.03)


def test_objects_behind_it_stay():
    objects = Objects(np.array([[20.0, 20, 60, 70]]), np.array([3]))
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:70, 20:60] = 1
    scene = Scene(np.zeros((HEIGHT, WIDTH, 3), np.uint8), objects, mask)
    seen = augmented(scene, Policy((erase((1.0, 1.0)),)).draw(np.random.default_rng(0), WIDTH, HEIGHT))
    assert seen.image.any()
    np.testing.assert_array_equal(seen.objects.boxes, objects.boxes)
    np.testing.assert_array_equal(seen.mask, mask)
