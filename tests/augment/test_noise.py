"""Noise by its mean, its deviation and what it leaves alone."""

import numpy as np
import pytest

from handful.augment.noise import Noise, ShotNoise, noise, shot
from handful.augment.policy import Policy

BOTH = pytest.mark.parametrize("effect", [Noise(0.05, 3), ShotNoise(0.05, 3)], ids=["noise", "shot"])


def flat(level, dtype=np.uint8, shape=(200, 200, 3)):
    return np.full(shape, level, dtype)


def errors(effect, level, dtype=np.uint8):
    """What the noise added, as a share of the full range."""
    return (effect(flat(level, dtype)) - float(level)) / np.iinfo(dtype).max


@pytest.mark.parametrize(("dtype", "level"), [(np.uint8, 100), (np.uint16, 30_000)])
@pytest.mark.parametrize("deviation", [0.02, 0.05, 0.08])
def test_noise_has_the_deviation_that_was_asked_for_and_no_mean(deviation, dtype, level):
    added = errors(Noise(deviation, 0), level, dtype)
    assert added.mean() == pytest.approx(0, abs=4 * deviation / np.sqrt(added.size))
    assert added.std() == pytest.approx(deviation, rel=0.02)
    assert np.mean((added / deviation) ** 4) == pytest.approx(3, abs=0.2)  # of the normal distribution


@pytest.mark.parametrize(("dtype", "step"), [(np.uint8, 25), (np.uint16, 6_500)])
def test_shot_noise_grows_with_the_square_root_of_the_light(dtype, step):
    for level in range(step, 9 * step, step):  # below white, so that nothing is clipped
        share = level / np.iinfo(dtype).max
        added = errors(ShotNoise(0.05, level), level, dtype)
        assert added.mean() == pytest.approx(0, abs=1e-3)
        assert added.std() == pytest.approx(0.05 * np.sqrt(share), rel=0.04)


@pytest.mark.parametrize("level", [50, 128, 200])
def test_shot_noise_has_the_mean_and_deviation_of_counted_photons(level):
    photons = 1 / 0.05**2
    counted = np.random.default_rng(1).poisson(photons * level / 255, (200, 200, 3)) / photons
    made = ShotNoise(0.05, 0)(flat(level)) / 255
    assert made.mean() == pytest.approx(counted.mean(), abs=1e-3)
    assert made.std() == pytest.approx(counted.std(), rel=0.03)


def test_black_has_no_shot_noise_and_both_are_clipped_not_wrapped():
    np.testing.assert_array_equal(ShotNoise(0.5, 0)(flat(0)), flat(0))
    assert set(np.unique(Noise(1.0, 0)(flat(255)) >= 128)) == {False, True}
    for effect in (Noise(0.05, 0), ShotNoise(0.05, 0)):
        bright = effect(flat(255))
        assert bright.min() > 180  # five deviations below white: nothing came round to black
        assert (bright == 255).mean() > 0.45
    dark = Noise(0.05, 0)(flat(0))
    assert dark.max() < 75
    assert (dark == 0).mean() > 0.45


@BOTH
def test_pixels_channels_and_seeds_are_independent(effect):
    added = errors(effect, 128)
    planes = [added[..., 0], added[..., 1], added[..., 2], np.roll(added[..., 0], 1, 0), np.roll(added[..., 0], 1, 1)]
    other = errors(type(effect)(0.05, 4), 128)[..., 0]
    together = np.corrcoef([plane.ravel() for plane in (*planes, other)])
    assert np.abs(together - np.eye(6)).max() < 0.025  # five deviations of 1 / 200


@pytest.mark.parametrize("kind", [noise, shot], ids=["noise", "shot"])
def test_amounts_are_drawn_from_nothing_and_every_draw_has_its_own_noise(kind):
    rng = np.random.default_rng(0)
    effects = [Policy((kind(0.1),)).draw(rng, 10, 10).effects[0] for _ in range(50)]
    assert 0 <= min(effect.deviation for effect in effects) < 0.02
    assert 0.08 < max(effect.deviation for effect in effects) <= 0.1
    assert len({effect.seed for effect in effects}) == 50
    image = flat(77, shape=(9, 9, 3))
    np.testing.assert_array_equal(Policy((kind((0.0, 0.0)),))(image, rng), image)
