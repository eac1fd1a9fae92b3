from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.augment.mixing.mosaic import draw_mosaic, mosaic
from handful.augment.policy import Policy
from handful.augment.scene import Scene
from handful.core.errors import DataError, UsageError
from handful.data.objects import Objects

SIZES = ((60, 40), (33, 70), (50, 50), (81, 64))
CANVAS = (90, 70)


def scene(size, level, keypoints=True):
    """A rectangle of one level on black; mask, outline, box and keypoints of it."""
    width, height = size
    left, top, right, bottom = width // 4, height // 4, width - width // 4, height - height // 3
    image = np.zeros((height, width, 3), np.uint8)
    image[top:bottom, left:right] = level
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
    points = np.concatenate([corners, np.full((4, 1), 2.0)], axis=1)[None] if keypoints else None
    objects = Objects(np.array([[left, top, right, bottom]], float), np.array([level]), ((corners,),), points)
    return Scene(image, objects, (image[..., 0] > 0).astype(np.uint8) * level)


def scenes(**how):
    return [scene(size, level, **how) for size, level in zip(SIZES, (50, 100, 150, 200), strict=True)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(("none", "rotate=20,scale=0.2,border=constant", "crop=0.8,flip_h=0.5")))
def test_boxes_masks_and_pixels_move_together(seed, policy):
    given_scenes = scenes()
    for each in given_scenes:
        each.image.flags.writeable = each.mask.flags.writeable = each.objects.boxes.flags.writeable = False
    together = mosaic(
        given_scenes, CANVAS, np.random.default_rng(seed), Policy.parse(policy), least_visible=0, keypoint_pairs=()
    )
    assert together.image.shape == (CANVAS[1], CANVAS[0], 3)
    assert ((together.image[..., 0] > 0) != (together.mask > 0)).mean() < 0.15  # but for edges, interpolated
    for label, box, outline in zip(
        together.objects.labels, together.objects.boxes, together.objects.outlines, strict=True
    ):
        rows, columns = np.nonzero(together.mask == label)
        if not len(rows):  # seen by less than half a pixel
            continue
        tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        if "rotate" in policy:  # the mask has no slivers of less than half a pixel, which the box has
            assert (box[:2] <= np.add(tight[:2], 1.01)).all()
            assert (box[2:] >= np.subtract(tight[2:], 1.01)).all()
        else:
            np.testing.assert_allclose(box, tight, atol=1.01)
        points = np.concatenate(outline)
        assert (points >= box[:2] - 1e-6).all()
        assert (points <= box[2:] + 1e-6).all()
    assert set(np.unique(together.mask)) - {0} <= set(together.objects.labels)


def test_each_scene_fills_its_quarter():
    flat = [
        Scene(np.full((h, w, 3), level, np.uint8)) for (w, h), level in zip(SIZES, (50, 100, 150, 200), strict=True)
    ]
    for seed in range(20):
        image = mosaic(flat, CANVAS, np.random.default_rng(seed)).image[..., 0]
        x, y = (
            np.flatnonzero(np.diff(image[0].astype(int)))[0] + 1,
            np.flatnonzero(np.diff(image[:, 0].astype(int)))[0] + 1,
        )
        assert 0.2 < x / CANVAS[0] < 0.8
        assert 0.2 < y / CANVAS[1] < 0.8
        for part, level in zip(
            (image[:y, :x], image[:y, x:], image[y:, :x], image[y:, x:]), (50, 100, 150, 200), strict=True
        ):
            assert (part == level).all()


def test_the_policy_happens_to_each_scene_by_itself():
    bright = [replace(each, image=np.full_like(each.image, 100)) for each in scenes()]
    together = mosaic(bright, CANVAS, np.random.default_rng(0), Policy.parse("brightness=0.5"), keypoint_pairs=())
    corners = {int(together.image[y, x, 0]) for y in (0, -1) for x in (0, -1)}
    assert len(corners) == 4
    assert all(50 <= level <= 150 for level in corners)


def test_proportions_are_kept():
    for draw in draw_mosaic(SIZES, CANVAS, np.random.default_rng(0)).draws:
        assert draw.warp.matrix[0, 0] == pytest.approx(draw.warp.matrix[1, 1])
        assert not draw.warp.matrix[[0, 1], [1, 0]].any()


def test_scenes_are_up_to_half_as_large_again_as_it_takes_to_fill_their_quarter():
    draws = [draw for seed in range(30) for draw in draw_mosaic(SIZES, CANVAS, np.random.default_rng(seed)).draws]
    needed = [max(draw.width / draw.warp.source[0], draw.height / draw.warp.source[1]) for draw in draws]
    zooms = np.array([draw.warp.matrix[0, 0] for draw in draws]) / needed
    assert 1 <= zooms.min() < 1.1
    assert 1.4 < zooms.max() <= 1.5


def test_same_seed_same_bytes():
    one, two = (
        mosaic(scenes(), CANVAS, np.random.default_rng(4), Policy.parse("standard"), keypoint_pairs=())
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.objects.boxes, two.objects.boxes)
    np.testing.assert_array_equal(one.objects.keypoints, two.objects.keypoints)


def test_keypoints_stand_at_the_corners_of_their_boxes():
    together = mosaic(scenes(), CANVAS, np.random.default_rng(1), least_visible=0)
    n_seen = 0
    for box, points in zip(together.objects.boxes, together.objects.keypoints, strict=True):
        for x, y, seen in points:
            assert seen or (x, y) == (0, 0)
            if seen:
                n_seen += 1
                assert min(abs(x - box[[0, 2]])) < 1e-6
                assert min(abs(y - box[[1, 3]])) < 1e-6
    assert n_seen


def test_scenes_without_keypoints_get_unlabelled_ones():
    some = [*scenes()[:2], *scenes(keypoints=False)[2:]]
    together = mosaic(some, CANVAS, np.random.default_rng(1), least_visible=0)
    assert together.objects.keypoints.shape == (len(together.objects), 4, 3)
    assert not together.objects.keypoints[together.objects.labels >= 150].any()


def test_bad_input_is_refused():
    rng, good = np.random.default_rng(0), scenes()
    with pytest.raises(DataError, match="made of 4 scenes, got 3"):
        mosaic(good[:3], CANVAS, rng)
    with pytest.raises(UsageError, match="a canvas of 3 x 70 pixels"):
        mosaic(good, (3, 70), rng)
    with pytest.raises(DataError, match="60 x 40 pixels of 3 channels, uint8 and 5 x 5 pixels of 1 channels, uint8"):
        mosaic([*good[:3], Scene(np.zeros((5, 5), np.uint8))], CANVAS, rng)
    with pytest.raises(DataError, match="some scenes have a mask and others none"):
        mosaic([*good[:3], Scene(good[3].image)], CANVAS, rng)
    few = Scene(
        good[0].image, Objects(good[0].objects.boxes, good[0].objects.labels, (), np.ones((1, 2, 3))), good[0].mask
    )
    with pytest.raises(DataError, match="some objects have 2 keypoints, others 4"):
        mosaic([few, *good[1:]], CANVAS, rng, least_visible=0)
