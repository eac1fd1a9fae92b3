import io
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from handful.data.duplicates import across, components, join_units, near_duplicates
from handful.data.images import decode

SIZE = 64


def scene(seed):
    """A photograph-like picture: smooth light, coarse shapes, fine texture."""
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.normal(0, 1, (n, n, 3)), (96, 96), interpolation=cv2.INTER_CUBIC) for n in (3, 8, 24)]
    return np.clip(128 + 40 * layers[0] + 30 * layers[1] + 15 * layers[2], 0, 255).astype(np.uint8)


def jpeg(image, quality=60):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


COPIES = {
    "re-encoded": jpeg,
    "half as large": lambda image: cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA),
    "enlarged": lambda image: cv2.resize(image, (170, 130), interpolation=cv2.INTER_CUBIC),
    "brighter": lambda image: np.clip(image * 1.1 + 8, 0, 255).astype(np.uint8),
    "shrunk and re-encoded": lambda image: jpeg(cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA), 80),
}


def square(images):
    return np.stack([decode(image, SIZE) for image in images])


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES)
def test_copies_are_found_and_nothing_else(change):
    originals = [scene(seed) for seed in range(40)]
    found = near_duplicates(square(originals + [change(image) for image in originals[:10]]))
    assert [(pair.first, pair.second) for pair in found.near] == [(i, 40 + i) for i in range(10)]
    assert all(0.9 < pair.similarity <= 1 for pair in found.near)
    assert not found.exact
    assert (found.units[40:] == found.units[:10]).all()
    assert len(np.unique(found.units)) == 40


def test_alike_images_of_one_kind_are_not_duplicates():
    """As with X-rays: everything in common but the details."""
    common = scene(0).astype(float)
    alike = [np.clip(common + 0.5 * (scene(seed) - 128.0), 0, 255).astype(np.uint8) for seed in range(1, 60)]
    assert not near_duplicates(square(alike)).near


def test_identical_images_are_exact_and_paired_with_the_first():
    pixels = square([scene(0), scene(1), scene(0), jpeg(scene(0)), scene(0)])
    found = near_duplicates(pixels)
    assert found.exact == ((0, 2, 1.0), (0, 4, 1.0))
    assert [(pair.first, pair.second) for pair in found.near] == [(0, 3)]
    assert found.units.tolist() == [0, 1, 0, 0, 0]


def test_blank_images_are_only_exact_duplicates():
    blank = np.full((3, SIZE, SIZE, 3), 255, np.uint8)
    blank[2] = 250
    found = near_duplicates(blank)
    assert found.exact == ((0, 1, 1.0),)
    assert not found.near


def test_the_blocks_do_not_show(monkeypatch):
    images = [scene(seed) for seed in range(30)]
    pixels = square(images + [jpeg(image) for image in images])
    whole = near_duplicates(pixels)
    monkeypatch.setattr("handful.data.duplicates._BLOCK", 7)
    in_blocks = near_duplicates(pixels)
    assert [pair[:2] for pair in in_blocks.near] == [pair[:2] for pair in whole.near]


def test_a_film_of_one_scene_is_one_unit_with_few_pairs():
    rng = np.random.default_rng(0)
    film = np.clip(scene(0) + rng.normal(0, 2, (100, 96, 96, 3)), 0, 255).astype(np.uint8)
    found = near_duplicates(square(film))
    assert len(np.unique(found.units)) == 1
    assert len(found.near) <= 10 * 100


def test_across_finds_what_is_in_both():
    train = [scene(seed) for seed in range(30)]
    test = [scene(50), train[3], jpeg(train[7]), scene(51)]
    pairs = across(square(train), square(test))
    assert [pair[:2] for pair in pairs] == [(3, 1), (7, 2)]
    assert pairs[0].similarity == 1.0
    assert across(square(train), square(test)[:0]) == ()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_images(n):
    found = near_duplicates(np.zeros((n, 8, 8, 3), np.uint8))
    assert found.units.tolist() == [0] * n


def test_two_thousand_images_take_seconds():
    pixels = np.random.default_rng(0).integers(0, 256, (2000, 32, 32, 3), dtype=np.uint8)
    start = time.perf_counter()
    assert not near_duplicates(pixels).near
    assert time.perf_counter() - start < 6


def test_components_against_a_slow_reference():
    rng = np.random.default_rng(0)
    for _ in range(20):
        pairs = rng.integers(0, 12, (6, 2))
        reach = np.eye(12, dtype=int)
        reach[pairs[:, 0], pairs[:, 1]] = reach[pairs[:, 1], pairs[:, 0]] = 1
        reach = np.linalg.matrix_power(reach, 12) > 0
        units = components(12, pairs.tolist())
        assert ((units[:, None] == units) == reach).all()


def test_join_units_chains_units_and_groups():
    units = np.array([0, 0, 1, 2, 3])
    groups = np.array(["a", "b", "b", "c", "d"])
    assert join_units(units, groups).tolist() == [0, 0, 0, 1, 2]
    assert join_units(units, None).tolist() == units.tolist()
