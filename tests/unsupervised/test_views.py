import numpy as np
import pytest
import torch
from PIL import Image

from handful.augment.policy import Policy
from handful.unsupervised.image_pool import LEAST, image_pool
from handful.unsupervised.views import POLICY, OneView, TwoViews

MEAN, STD = (120.0, 110.0, 100.0), (60.0, 50.0, 40.0)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder, rng, files = tmp_path_factory.mktemp("pool"), np.random.default_rng(0), []
    for at in range(LEAST):
        files.append(folder / f"{at}.png")
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(files[-1])
    return image_pool(files, 24, "pool")


def normalised(pool, rows):
    return (pool.pixels(rows) - np.array(MEAN)) / STD


def test_first_views_come_before_second_ones(pool):
    rows = np.array([3, 1, 2])
    batch = TwoViews(pool, Policy(), MEAN, STD)(rows, np.random.default_rng(0))
    expected = normalised(pool, rows).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(batch, np.concatenate([expected, expected]), atol=1e-5)


def test_the_views_of_a_picture_differ_and_follow_from_the_generator(pool):
    fetch, rows = TwoViews(pool, Policy.parse(POLICY), MEAN, STD), np.arange(4)
    first, again, other = (fetch(rows, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert all(not torch.equal(a, b) for a, b in zip(first[:4], first[4:], strict=True))


def test_one_mean_stands_for_all_channels(pool):
    rows, policy = np.arange(3), Policy()
    one, three = (
        TwoViews(pool, policy, mean, std) for mean, std in (((127.0,), (128.0,)), ((127.0,) * 3, (128.0,) * 3))
    )
    assert torch.equal(one(rows, np.random.default_rng(0)), three(rows, np.random.default_rng(0)))


def test_what_is_wanted_is_shown_with_noise_or_without(pool):
    rows = np.arange(LEAST)
    shown, wanted = OneView(pool, MEAN, STD)(rows, np.random.default_rng(0))
    assert shown is wanted
    shown, again = OneView(pool, MEAN, STD, noise=0.3)(rows, np.random.default_rng(0))
    assert torch.equal(again, wanted)
    assert float((shown - wanted).std()) == pytest.approx(0.3, rel=0.02)
