import numpy as np
import pytest
import torch

from handful.augment.mixing.mixup import mixup, mixup_batch
from handful.augment.mixing.soft_labels import one_hot
from handful.core.errors import DataError, UsageError


def rng(seed=0):
    return np.random.default_rng(seed)


def test_image_and_label_are_in_the_same_share():
    for seed in range(20):
        share = rng(seed).beta(0.4, 0.4)
        image, target = mixup(
            np.full((4, 6, 3), 200, np.uint8), np.zeros((4, 6, 3), np.uint8), *np.eye(2), rng(seed), alpha=0.4
        )
        assert target == pytest.approx([share, 1 - share])
        assert (image == np.rint(200 * share)).all()
        assert image.dtype == np.uint8


@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_batch_is_the_slow_sum_of_its_pairs(as_tensor):
    images, targets = rng(1).random((6, 3, 4, 5)).astype(np.float32), one_hot([0, 1, 2, 0, 1, 2], 3)
    given = (torch.from_numpy(images), torch.from_numpy(targets)) if as_tensor else (images, targets)
    copies = images.copy(), targets.copy()
    mixed, labels = mixup_batch(*given, rng(2))
    assert type(mixed) is type(given[0])
    assert mixed.dtype == given[0].dtype
    assert labels.dtype == given[1].dtype
    draws = rng(2)
    share, order = draws.beta(0.2, 0.2), draws.permutation(6)
    for row, other in enumerate(order):
        np.testing.assert_allclose(mixed[row], share * images[row] + (1 - share) * images[other], atol=1e-6)
        np.testing.assert_allclose(labels[row], share * targets[row] + (1 - share) * targets[other], atol=1e-6)
    np.testing.assert_array_equal(images, copies[0])
    np.testing.assert_array_equal(targets, copies[1])


def test_the_shares_follow_beta():
    """Beta(alpha, alpha) has the mean 1/2 and the variance 1 / (4 (2 alpha + 1))."""
    draws, image = rng(3), np.zeros((1, 1, 1), np.uint8)
    shares = np.array([mixup(image, image, *np.eye(2), draws, alpha=0.5)[1][0] for _ in range(4000)])
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert shares.var() == pytest.approx(1 / 8, abs=0.01)


def test_soft_labels_mix_into_soft_labels():
    _, target = mixup(np.zeros((2, 2)), np.ones((2, 2)), np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.1, 0.8]), rng())
    assert target.sum() == pytest.approx(1)


@pytest.mark.parametrize("alpha", [0, -1, float("nan"), float("inf")])
def test_alpha_must_be_above_zero(alpha):
    image = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(UsageError, match=f"alpha={alpha}, expected a number above 0"):
        mixup(image, image, *np.eye(2), rng(), alpha)
    with pytest.raises(UsageError, match=f"alpha={alpha}"):
        mixup_batch(np.zeros((2, 3)), np.eye(2), rng(), alpha)


def test_images_that_differ_are_named_by_both_sizes():
    small, large = np.zeros((4, 6, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)
    with pytest.raises(DataError, match="6 x 4 pixels of 3 channels, uint8 and 10 x 8 pixels of 3 channels") as caught:
        mixup(small, large, *np.eye(2), rng())
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="uint8 and 6 x 4 pixels of 3 channels, float64"):
        mixup(small, np.zeros((4, 6, 3)), *np.eye(2), rng())


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.array([[0.5, 0.4], [1, 0]]), "soft labels sum to 0.9 up to 1, expected 1"),
        (np.array([[1.5, -0.5], [1, 0]]), "none below 0"),
        (np.array([[np.nan, 0.4], [1, 0]]), "soft labels sum to nan"),
        (np.array([[1, 0], [0, 1]]), "soft labels are floating"),
        (np.eye(3), r"2 images with targets of shape \(3, 3\)"),
        (np.array([0.0, 1.0]), r"targets of shape \(2,\)"),
    ],
)
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_targets_that_are_no_soft_labels_are_refused(targets, message, convert):
    with pytest.raises(DataError, match=message):
        mixup_batch(convert(np.zeros((2, 3))), convert(targets), rng())


def test_batches_of_bytes_are_refused():
    with pytest.raises(DataError, match="the images of a batch are uint8, expected floating"):
        mixup_batch(np.zeros((2, 3), np.uint8), np.eye(2), rng())


def test_targets_of_two_lengths_are_refused():
    with pytest.raises(DataError, match=r"shapes \(2,\) and \(3,\)"):
        mixup(np.zeros((2, 2)), np.zeros((2, 2)), np.array([1.0, 0]), np.array([1.0, 0, 0]), rng())


@pytest.mark.parametrize("labels", [[-1], [2], [0.5]])
def test_one_hot_refuses_what_is_no_class(labels):
    with pytest.raises(DataError, match="expected 0 to 1"):
        one_hot(labels, 2)
