import numpy as np
import pytest
import torch

from handful.augment.mixing.cutmix import cutmix, cutmix_batch
from handful.augment.mixing.soft_labels import one_hot
from handful.core.errors import DataError, UsageError


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_label_is_the_exact_share_of_the_pixels_and_they_are_a_rectangle():
    zeros, ones = np.zeros((23, 31, 3), np.uint8), np.ones((23, 31, 3), np.uint8)
    zeros.flags.writeable = ones.flags.writeable = False
    draws, shares = rng(), []
    for _ in range(300):
        image, target = cutmix(zeros, ones, *np.eye(2), draws)
        pasted = image[..., 0] > 0
        shares.append(pasted.mean())
        assert target == pytest.approx([1 - pasted.mean(), pasted.mean()])
        rows, columns = np.flatnonzero(pasted.any(axis=1)), np.flatnonzero(pasted.any(axis=0))
        assert pasted.sum() == len(rows) * len(columns)  # so it is the whole product of rows and columns
        assert len(rows) == 0 or np.ptp(rows) + 1 == len(rows)
    assert np.ptp(shares) > 0.7  # small ones and large ones


def test_before_clipping_areas_are_beta():
    """For alpha 1 the share is even on 0 to 1; clipping a box of sides s at a random centre leaves (s - s^2/4)^2."""
    zeros, ones, draws = np.zeros((60, 60), np.uint8), np.ones((60, 60), np.uint8), rng(1)
    areas = [cutmix(zeros, ones, *np.eye(2), draws)[1][1] for _ in range(3000)]
    side = np.sqrt(np.linspace(0, 1, 2001))
    assert np.mean(areas) == pytest.approx(np.mean((side - side**2 / 4) ** 2), abs=0.012)


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_batch_pastes_one_rectangle_everywhere(as_tensor, channels_last, dtype):
    shape = (5, 12, 16, 3) if channels_last else (5, 3, 12, 16)
    images = np.broadcast_to(np.arange(5).reshape(5, 1, 1, 1), shape).astype(dtype)
    targets = one_hot(range(5), 5)
    given = (torch.from_numpy(images), torch.from_numpy(targets)) if as_tensor else (images, targets)
    for seed in range(10):
        mixed, labels = cutmix_batch(*given, rng(seed), channels_last=channels_last)
        assert type(mixed) is type(given[0])
        assert mixed.dtype == given[0].dtype
        mixed, labels = np.asarray(mixed), np.asarray(labels)
        for row in range(5):
            counts = np.bincount(mixed[row].astype(int).ravel(), minlength=5) / mixed[row].size
            np.testing.assert_allclose(labels[row], counts, atol=1e-6)
        moved = (mixed != images).any(axis=-1 if channels_last else 1)
        assert all(not each.any() or (each == moved.any(axis=0)).all() for each in moved)
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.arange(5))
    np.testing.assert_array_equal(images, np.broadcast_to(images[:, :1, :1, :1], shape))


def test_same_seed_same_bytes():
    images = rng(5).random((4, 3, 8, 8))
    one, two = (cutmix_batch(images, np.eye(4), rng(6)) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


def test_bad_input_is_refused():
    small, large = np.zeros((4, 6, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)
    with pytest.raises(DataError, match=r"6 x 4 pixels .* 10 x 8 pixels"):
        cutmix(small, large, *np.eye(2), rng())
    with pytest.raises(UsageError, match=r"alpha=-0\.5, expected a number above 0"):
        cutmix(small, small, *np.eye(2), rng(), -0.5)
    with pytest.raises(DataError, match="soft labels sum to 2"):
        cutmix(small, small, np.ones(2), np.ones(2), rng())
    with pytest.raises(DataError, match=r"images of shape \(2, 3\), expected four dimensions"):
        cutmix_batch(np.zeros((2, 3)), np.eye(2), rng())
