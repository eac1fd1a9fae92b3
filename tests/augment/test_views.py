import cv2
import numpy as np
import pytest

from handful.augment.views import MIRRORED, ORIGINAL, View, may_mirror, view_set

SIZE = 64
EVERY = {view.name: view for view in (*view_set(True), *view_set(False))}


def smooth(size=SIZE, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def noise(size=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def moved(view, x, y):
    return (view.matrix(SIZE) @ [x, y, 1])[:2]


@pytest.mark.parametrize("view", EVERY.values(), ids=EVERY)
def test_a_view_is_an_image_of_the_same_kind_and_leaves_its_input_alone(view):
    image = smooth()
    before = image.copy()
    seen = view(image)
    assert (seen.shape, seen.dtype) == (image.shape, np.uint8)
    assert seen.flags.c_contiguous
    np.testing.assert_array_equal(image, before)
    image.flags.writeable = False
    np.testing.assert_array_equal(view(image), seen)


@pytest.mark.parametrize("size", [1, 2, 63, 64])
def test_mirroring_is_exact_and_undoes_itself(size):
    image = noise(size)
    np.testing.assert_array_equal(MIRRORED(image), image[:, ::-1])
    np.testing.assert_array_equal(MIRRORED(MIRRORED(image)), image)


def test_the_original_is_the_image():
    image = noise()
    np.testing.assert_array_equal(ORIGINAL(image), image)


def test_the_words_mean_what_they_say():
    """Pixel centres lie at whole numbers; x runs to the right and y down."""
    centre = (SIZE - 1) / 2
    np.testing.assert_allclose(moved(View("", mirror=True), 0, 10), [SIZE - 1, 10], atol=1e-9)
    np.testing.assert_allclose(moved(View("", zoom=2.0), centre + 5, centre - 3), [centre + 10, centre - 6])
    np.testing.assert_allclose(moved(View("", shift=(0.25, 0.5)), 0, 0), [SIZE / 4, SIZE / 2], atol=1e-9)
    np.testing.assert_allclose(moved(View("", degrees=90), centre, 0), [SIZE - 1, centre])  # the top goes to the right
    np.testing.assert_allclose(moved(EVERY["turned right"], centre, centre), [centre + 0.04 * SIZE] * 2)


def test_a_quarter_turn_moves_pixels_and_mixes_none():
    image = noise()
    np.testing.assert_allclose(View("", degrees=90)(image).astype(int), np.rot90(image, k=-1), atol=1)


def test_a_shift_by_whole_pixels_moves_the_content():
    image = noise()
    np.testing.assert_array_equal(View("", shift=(4 / SIZE, 8 / SIZE))(image)[8:, 4:], image[:-8, :-4])


def test_steps_compose_by_multiplying_their_matrices():
    whole = View("", mirror=True, zoom=1.2, degrees=15, shift=(0.1, -0.05)).matrix(SIZE)
    steps = View("", mirror=True), View("", degrees=15), View("", zoom=1.2), View("", shift=(0.1, -0.05))
    composed = np.eye(3)
    for step in steps:
        composed = step.matrix(SIZE) @ composed
    np.testing.assert_allclose(whole, composed, atol=1e-9)


@pytest.mark.parametrize("view", EVERY.values(), ids=EVERY)
def test_one_resampling_is_what_the_matrix_says(view):
    """A picture whose colour is its position comes back with the position that the inverse matrix names."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    image = np.stack([3 * x, 3 * y, x + y], axis=2).astype(np.uint8)
    source = np.einsum("ij,jhw->ihw", np.linalg.inv(view.matrix(SIZE)), np.stack([x, y, np.ones_like(x)]))[:2]
    inside = ((source >= 0) & (source <= SIZE - 1)).all(axis=0)
    assert inside.mean() > 0.6
    seen = view(image)[inside].astype(float)
    np.testing.assert_allclose(seen[:, :2], 3 * source[:, inside].T, atol=0.75)


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (View("", zoom=1.25), View("", zoom=0.8)),
        (View("", degrees=8), View("", degrees=-8)),
        (View("", shift=(0.04, 0.06)), View("", shift=(-0.04, -0.06))),
        (View("", mirror=True, degrees=8), View("", mirror=True, degrees=8)),
    ],
)
def test_there_and_back_is_the_original(there, back):
    np.testing.assert_allclose(back.matrix(SIZE) @ there.matrix(SIZE), np.eye(3), atol=1e-9)
    image = smooth()
    inner = slice(SIZE // 4, -SIZE // 4)  # the border was reflected
    difference = back(there(image))[inner, inner].astype(float) - image[inner, inner]
    assert np.abs(difference).max() <= 4


def test_the_views_begin_with_the_cheapest_and_have_names_of_their_own():
    assert view_set(True)[:2] == (ORIGINAL, MIRRORED)
    assert view_set(False)[0] == ORIGINAL
    assert not any(view.mirror for view in view_set(False))
    for views in (view_set(True), view_set(False)):
        assert len({view.name for view in views}) == len(views)


@pytest.mark.parametrize(
    ("classes", "allowed"),
    [
        (("cat", "dog"), True),
        (("turn_left", "straight"), False),
        (("hand-Right", "hand-other"), False),
        (("LINKS", "RECHTS"), False),
        (("clockwise", "still"), False),
        (("bright", "leftover"), True),  # no more than parts of words
        (("airport", "sport"), True),
        ((), True),
    ],
)
def test_class_names_that_tell_left_from_right_forbid_mirroring(classes, allowed):
    assert may_mirror(classes) is allowed
