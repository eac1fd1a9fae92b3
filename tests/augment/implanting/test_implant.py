"""Implanting, on scenes where the truth is known: flat backgrounds, rectangles and polygons."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.augment.implanting.blending import BLENDS
from handful.augment.implanting.coverage import covered_by_outline
from handful.augment.implanting.cutouts import Cutout, patch
from handful.augment.implanting.implant import Implanting, Implants, Placement, implant
from handful.augment.implanting.paste import implant_into_class
from handful.augment.scene import Scene
from handful.core.errors import DataError, UsageError
from handful.data.objects import Objects
from handful.data.outlines import area

WIDTH, HEIGHT = 96, 64
ARROW = np.array([[2.0, 10], [20, 2], [38, 10], [26, 14], [26, 28], [14, 28], [14, 14]])


def arrow(label=1, level=250):
    alpha = np.rint(covered_by_outline((ARROW,), 40, 30) * 255).astype(np.uint8)
    rgb = np.full((30, 40, 3), level, np.uint8)
    rgb[alpha == 0] = 0  # what is clear has a colour of its own, which must never show
    return Cutout(np.dstack([rgb, alpha]), label, (ARROW,))


def block(width, height, label=1, level=200):
    return patch(np.full((height, width, 3), level, np.uint8), [0, 0, width, height], label)


def centred(cutout, left, top):
    height, width = cutout.image.shape[:2]
    return Placement(cutout, left + width / 2, top + height / 2)


def scene(boxes=(), outlines=(), mask=False, keypoints=None, level=100):
    objects = Objects(np.array(boxes, float).reshape(-1, 4), np.zeros(len(boxes), np.int64), outlines, keypoints)
    return Scene(
        np.full((HEIGHT, WIDTH, 3), level, np.uint8), objects, np.zeros((HEIGHT, WIDTH), np.uint8) if mask else None
    )


def laid(placements, on, **how):
    return Implants((WIDTH, HEIGHT), tuple(placements), **how)(on)


placed = st.builds(
    Placement,
    st.just(arrow()),
    st.floats(-5, WIDTH + 5),
    st.floats(-5, HEIGHT + 5),
    st.floats(0.3, 2.0),
    st.floats(-180, 180),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(placed)
def test_box_mask_outline_and_changed_pixels_agree(placement):
    before = scene(mask=True)
    after = laid([placement], before, least_visible=0)
    shape = covered_by_outline(placement.outline(), WIDTH, HEIGHT)
    inside = (after.image.astype(int) - 100)[..., 0] / 150
    # Resampling blurs by a pixel, of the source or of the target: along the outline it may be off, away from it not.
    blurred = np.ones(2 * (2 * int(np.ceil(1.5 * placement.scale + 0.5)) + 1,))
    around = covered_by_outline(tuple(each + 9 for each in placement.outline()), WIDTH + 18, HEIGHT + 18)
    far = (cv2.dilate(around, blurred) == cv2.erode(around, blurred))[9:-9, 9:-9]
    np.testing.assert_allclose(inside[far], shape[far], atol=0.01)
    assert abs(inside.sum() - shape.sum()) <= 2 + 0.05 * shape.sum()
    clear = np.abs(inside - 0.5) > 1 / 150  # the image is rounded to a level
    np.testing.assert_array_equal(after.mask[clear] > 0, inside[clear] > 0.5)
    if not len(after.objects):
        assert not (after.mask > 0).any()
        return
    rows, columns = np.nonzero(after.mask)
    assert after.objects.boxes[0].tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert sum(map(area, after.objects.outlines[0])) == pytest.approx(shape.sum(), abs=0.1 + 0.01 * shape.sum())
    outline = np.concatenate(placement.outline())
    wholly_inside = (outline >= 0).all() and (outline <= (WIDTH, HEIGHT)).all()
    if placement.scale > 0.9 and wholly_inside:  # else clipped, or with tips that are nowhere half a pixel wide
        points = np.concatenate(after.objects.outlines[0])
        around = np.concatenate([points.min(axis=0), points.max(axis=0)])
        assert np.abs(around - after.objects.boxes[0]).max() <= 1 + 1.5 * placement.scale


def test_a_clear_pixel_never_lends_its_colour():
    """The arrow is 250 on a background of 250, and black where it is clear: nothing may be seen."""
    for degrees, scale in ((0, 1), (33, 1.3), (70, 0.4)):
        after = laid([Placement(arrow(), 40.3, 30.7, scale, degrees)], scene(level=250))
        assert after.image.min() >= 249


def test_at_whole_pixels_a_patch_is_copied():
    texture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    after = laid([centred(patch(texture, [0, 0, 30, 20], 3), 7, 9)], scene())
    np.testing.assert_array_equal(after.image[9:29, 7:37], texture)
    assert (np.delete(after.image, np.s_[9:29], axis=0) == 100).all()
    assert after.objects.boxes.tolist() == [[7, 9, 37, 29]]
    assert after.objects.labels.tolist() == [3]


@pytest.mark.parametrize(("covers", "stays"), [(15, True), (16, False)])
def test_an_object_is_dropped_when_less_than_a_quarter_is_left(covers, stays):
    """A box of 20 x 10 of which the leftmost `covers` columns are covered: a quarter is left of 15."""
    after = laid([centred(block(covers, 10, label=None), 30, 20)], scene([[30, 20, 50, 30]]))
    assert after.objects.boxes.tolist() == ([[30, 20, 50, 30]] if stays else [])  # as in COCO, its box stays whole


def test_what_two_implants_cover_together_counts():
    two = [centred(block(8, 10, label=None), 30, 20), centred(block(8, 10, label=None), 38, 20)]
    on = scene([[30, 20, 50, 30]])
    assert len(laid(two[:1], on).objects) == 1
    assert len(laid(two, on).objects) == 0
    assert len(laid([two[0], two[0]], on).objects) == 1  # the same place twice is covered once
    assert len(laid([centred(block(40, 20, label=None), 25, 15)], on, least_visible=0).objects) == 0


def test_an_outline_and_its_box_shrink_to_what_is_left():
    outline = (np.array([[30.0, 20], [50, 20], [50, 30], [30, 30]]),)
    untouched = (np.array([[70.3, 40.1], [80.2, 41], [75, 50.7]]),)
    on = scene([[30, 20, 50, 30], [70.3, 40.1, 80.2, 50.7]], (outline, untouched))
    after = laid([centred(block(12, 10, label=None), 30, 20)], on)
    assert after.objects.boxes.tolist() == [[42, 20, 50, 30], [70.3, 40.1, 80.2, 50.7]]
    assert sorted(after.objects.outlines[0][0].tolist()) == [[42, 20], [42, 30], [50, 20], [50, 30]]
    assert after.objects.outlines[1] is untouched


def test_later_implants_cover_earlier_ones():
    low, high = centred(block(20, 10, 1, 150), 10, 10), centred(block(20, 10, 2, 200), 14, 10)
    both = laid([low, high], scene(mask=True), least_visible=0.1)
    assert both.objects.labels.tolist() == [1, 2]
    assert (both.image[10:20, 14:34] == 200).all()
    assert (both.image[10:20, 10:14] == 150).all()
    assert np.bincount(both.mask.ravel()).tolist()[1:] == [40, 200]
    assert laid([low, high], scene(), least_visible=0.3).objects.labels.tolist() == [2]  # a fifth of the lower is left


def test_the_outline_of_a_covered_implant_is_that_of_what_is_left():
    low, high = centred(arrow(), 30, 20), centred(block(12, 30, label=None), 56, 20)
    (outline,) = laid([low, high], scene()).objects.outlines
    assert np.abs(np.concatenate(outline).min(axis=0) - (32, 22)).max() <= 1
    assert np.concatenate(outline)[:, 0].max() == 56


def test_an_implant_with_an_outline_leaves_the_others_without():
    outlines = laid([centred(arrow(), 30, 20)], scene([[2, 2, 12, 12], [80, 50, 90, 60]])).objects.outlines
    assert [len(outline) for outline in outlines] == [0, 0, 1]


def test_an_implant_mostly_outside_has_no_box():
    inside = laid([centred(block(20, 10), WIDTH - 5, 20)], scene())
    outside = laid([centred(block(20, 10), WIDTH - 4, 20)], scene())
    assert inside.objects.boxes.tolist() == [[WIDTH - 5, 20, WIDTH, 30]]
    assert len(outside.objects) == 0
    assert (outside.image[20:30, -4:] == 200).all()


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_how_much_is_outside_is_judged_at_the_size_that_it_has(scale):
    """A block of 12 x 10 of which 30 % lie inside, and of which 20 % do."""
    for share, stays in ((0.3, True), (0.2, False)):
        at = Placement(block(12, 10), 12 * scale * (share - 0.5), 32, scale)
        assert len(laid([at], scene()).objects) == stays


def test_the_mask_gets_class_values_or_new_numbers():
    placements = [centred(block(5, 5, label), x, 10) for label, x in ((1, 0), (None, 10), (0, 20), (1, 30))]
    on = Scene(scene().image, Objects(), np.full((HEIGHT, WIDTH), 7, np.uint8))
    numbered, valued = laid(placements, on), laid(placements, on, mask_values=(40, 50))
    assert numbered.mask[12, [2, 12, 22, 32, 60]].tolist() == [8, 0, 9, 10, 7]
    assert valued.mask[12, [2, 12, 22, 32, 60]].tolist() == [50, 0, 40, 50, 7]
    full = Scene(on.image, Objects(), np.full((HEIGHT, WIDTH), 255, np.uint8))
    with pytest.raises(DataError, match="would be 256 in the mask, of type uint8"):
        laid(placements, full)
    with pytest.raises(DataError, match="no value for class 1"):
        laid(placements, on, mask_values=(40,))


def test_covered_keypoints_become_hidden_and_implants_get_none():
    points = np.array([[[31, 21, 2], [45, 25, 2], [31.5, 21, 1], [0, 0, 0]]], float)
    after = laid([centred(block(5, 5), 30, 20)], scene([[30, 20, 50, 30]], keypoints=points))
    assert after.objects.keypoints[0, :, 2].tolist() == [1, 2, 1, 0]
    assert not after.objects.keypoints[1].any()


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("at", [(0, 0), (WIDTH, HEIGHT), (0, HEIGHT / 2), (WIDTH / 2, HEIGHT), (50, 30)])
def test_no_blend_touches_the_background_at_any_border(blend, at):
    before = Scene(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    implants = Implants((WIDTH, HEIGHT), (Placement(arrow(), *at, 1.5, 20),), blend)
    after = implants(before)
    far = covered_by_outline(implants.placements[0].outline(), WIDTH + 2, HEIGHT + 2)
    reach = sum(np.roll(far, (y, x), (0, 1)) for y in (-2, -1, 0, 1, 2) for x in (-2, -1, 0, 1, 2))[:HEIGHT, :WIDTH]
    np.testing.assert_array_equal(after.image[reach == 0], before.image[reach == 0])
    assert (after.image != before.image).any()


def test_poisson_takes_the_level_of_the_background_and_keeps_the_texture():
    ramp = np.broadcast_to(np.linspace(0, 20, 40)[None, :, None], (30, 40, 3))
    texture = np.round(180 + ramp).astype(np.uint8)
    cutout = patch(texture, [0, 0, 40, 30], 1)
    at = centred(cutout, 20, 15)
    dark = laid([at], scene(level=60), blend="poisson").image[20:40, 30:50].astype(int)
    assert abs(dark.mean() - 60) < 15  # it was 190
    assert 0 < np.diff(dark.mean(axis=(0, 2))).mean() < 1  # and still rises to the right
    same = laid([at], Scene(np.full((HEIGHT, WIDTH, 3), 180, np.uint8)), blend="alpha").image[15:45, 20:60]
    np.testing.assert_array_equal(same, texture)


def test_poisson_is_no_lighter_where_the_cutout_is_half_clear():
    """Grey on the same grey stays it, whatever the alpha."""
    image = np.full((30, 40, 4), 100, np.uint8)
    image[..., 3] = 255
    image[:, :12, 3] = 140
    after = laid([Placement(Cutout(image, 1), 48, 32)], scene(), blend="poisson")
    assert np.abs(after.image.astype(int) - 100).max() <= 2


def test_feathering_fades_inwards_only():
    after = laid([centred(block(40, 40), 20, 10)], scene(), blend="feather").image[..., 0].astype(int)
    assert after[30, 40] == 200
    assert 100 < after[30, 20] < 160
    assert after[30, 19] == 100
    assert (np.diff(after[30, 20:40]) >= 0).all()


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 1), (HEIGHT, WIDTH, 4)])
def test_grey_and_alpha_images_stay_what_they_are(blend, shape):
    before = Scene(np.full(shape, 90, np.uint8))
    after = laid([Placement(arrow(), 40, 30)], before, blend=blend)
    assert (after.image.shape, after.image.dtype) == (shape, np.uint8)
    if len(shape) == 3 and shape[2] == 4:
        assert (after.image[28, 40, 3], after.image[0, 0, 3]) == (255, 90)


def test_sixteen_bits_are_filled_and_poisson_refuses_them():
    before = Scene(np.full((HEIGHT, WIDTH), 1000, np.uint16))
    after = laid([Placement(arrow(level=255), 40, 30)], before)
    assert (after.image.dtype, after.image.max(), after.image[0, 0]) == (np.uint16, 65535, 1000)
    with pytest.raises(DataError, match="Poisson blending takes 8-bit images"):
        laid([Placement(arrow(), 40, 30)], before, blend="poisson")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(BLENDS), st.sampled_from(("itself", "image")), st.integers(0, 4))
def test_same_seed_same_bytes_and_nothing_that_came_in_is_changed(seed, blend, relative_to, count):
    on = scene([[30, 20, 50, 30]], mask=True)
    cutouts = [arrow(), block(12, 9, None)]
    for array in (on.image, on.mask, on.objects.boxes, *(each.image for each in cutouts)):
        array.flags.writeable = False
    how = Implanting(count, (0.2, 0.6), relative_to, 180, True, blend=blend)
    one, two = (implant(on, cutouts, np.random.default_rng(seed), how) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.mask, two.mask)
    np.testing.assert_array_equal(one.objects.boxes, two.objects.boxes)
    assert count or np.array_equal(one.image, on.image)


def test_draws_keep_to_their_ranges_and_fill_them():
    how = Implanting(400, (0.5, 1.0), rotate=30, may_mirror=True, outside=0.25)
    drawn = how.draw([arrow()], WIDTH, HEIGHT, np.random.default_rng(0)).placements
    values = np.array([(each.scale, each.degrees, each.mirrored) for each in drawn])
    assert values[:, 0].min() >= 0.5
    assert values[:, 0].max() <= 1
    assert np.median(values[:, 0]) == pytest.approx(np.sqrt(0.5), abs=0.04)  # even on a logarithmic scale
    assert (np.abs(values[:, 1]) <= 30).all()
    assert np.ptp(values[:, 1]) > 55
    assert 0.4 < values[:, 2].mean() < 0.6
    as_they_are = Implanting(50).draw([arrow()], WIDTH, HEIGHT, np.random.default_rng(0)).placements
    assert not any(each.mirrored for each in as_they_are)
    spans = np.array([(each.corners.min(axis=0), each.corners.max(axis=0)) for each in drawn])
    sticks_out = np.maximum(-spans[:, 0], spans[:, 1] - (WIDTH, HEIGHT)) / (spans[:, 1] - spans[:, 0])
    assert 0.2 < sticks_out.max() <= 0.25 + 1e-9


def test_a_cutout_larger_than_the_image_is_made_to_fit():
    huge = block(500, 100)
    drawn = Implanting(20, (1, 2), rotate=180, outside=0).draw([huge], WIDTH, HEIGHT, np.random.default_rng(0))
    for each in drawn.placements:
        assert (each.corners >= -1e-6).all()
        assert (each.corners <= np.array([WIDTH, HEIGHT]) + 1e-6).all()
        assert max(np.ptp(each.corners, axis=0) / (WIDTH, HEIGHT)) == pytest.approx(1)


def test_relative_to_the_image_one_is_its_shorter_side():
    how = Implanting(scale=(0.5, 0.5), relative_to="image", rotate=0)
    (placement,) = how.draw([block(200, 100)], WIDTH, HEIGHT, np.random.default_rng(0)).placements
    assert np.ptp(placement.corners, axis=0) == pytest.approx((HEIGHT / 2, HEIGHT / 4))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": -1}, "count=-1, expected 0 or more"),
        ({"scale": (2, 1)}, "expected two numbers above 0, the lower one first"),
        ({"scale": (0, 1)}, "expected two numbers above 0"),
        ({"rotate": 270}, "rotate=270, expected 0 to 180"),
        ({"outside": 1}, "outside=1, expected 0 to below 1"),
        ({"least_visible": float("nan")}, "least_visible=nan"),
        ({"blend": "soft"}, "blend=soft, expected alpha, feather, poisson"),
        ({"relative_to": "box"}, "relative_to=box, expected itself or image"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Implanting(**values)


def test_bad_input_is_refused():
    with pytest.raises(UsageError, match="no cut-out to implant"):
        implant(scene(), [], np.random.default_rng(0))
    with pytest.raises(DataError, match="for 96 x 64 pixels, got 10 x 20"):
        Implants((WIDTH, HEIGHT), ())(Scene(np.zeros((20, 10, 3), np.uint8)))


def test_a_mixture_counts_by_visible_area_and_a_distractor_not_at_all():
    image, target = scene().image, np.array([1, 0, 0], np.float32)
    how = Implanting(scale=(1, 1), rotate=0, outside=0)
    cutouts = [block(24, 32, label=2)]
    seen, mixed = implant_into_class(image, target, cutouts, np.random.default_rng(1), "mixture", how)
    assert mixed == pytest.approx([7 / 8, 0, 1 / 8], abs=1e-6)  # 24 x 32 of 96 x 64
    same, kept = implant_into_class(image, target, cutouts, np.random.default_rng(1), "distractor", how)
    np.testing.assert_array_equal(seen, same)
    np.testing.assert_array_equal(kept, target)
    assert kept is not target


def test_a_mixture_without_overlap_counted_twice():
    """Two patches in one place: only the upper one is seen."""
    implants = Implants((WIDTH, HEIGHT), (centred(block(24, 32), 4, 4), centred(block(24, 32, 2), 16, 4)))
    assert implants.visible_areas().tolist() == pytest.approx([12 * 32, 24 * 32])


def test_mixtures_need_labels_and_soft_labels_that_sum_to_one():
    image, rng = scene().image, np.random.default_rng(0)
    with pytest.raises(DataError, match="a cut-out of a mixture has no label"):
        implant_into_class(image, np.array([1.0, 0]), [block(5, 5, None)], rng, "mixture")
    with pytest.raises(DataError, match=r"soft labels sum to 0\.5"):
        implant_into_class(image, np.array([0.5, 0]), [block(5, 5)], rng, "mixture")
    with pytest.raises(UsageError, match="counts=half"):
        implant_into_class(image, np.array([1.0, 0]), [block(5, 5)], rng, "half")
    with pytest.raises(DataError, match="labels from 5 to 5, expected 0 to 1"):
        implant_into_class(image, np.array([1.0, 0]), [block(5, 5, 5)], rng, "mixture")
