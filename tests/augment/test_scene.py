"""Image, mask, box, outline and keypoints must go the same way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from handful.augment.draw import Draw
from handful.augment.elastic import elastic
from handful.augment.geometry import crop, flip_h, flip_v, perspective, resized_crop, rotate, scale, translate_x
from handful.augment.matrices import IDENTITY, perspective_between, scaling, shifting, stretch, turning
from handful.augment.operations import GEOMETRY
from handful.augment.policy import Policy
from handful.augment.scene import Scene, augmented, moved_objects
from handful.augment.warp import Warp
from handful.core.errors import DataError, UsageError
from handful.data.objects import Objects
from handful.data.outlines import area, clip, cut

WIDTH, HEIGHT = 360, 280
BOXES = np.array([[40.0, 30.0, 160.0, 90.0], [200.0, 150.0, 320.0, 260.0]])


def inside(polygon, points):
    """Whether points, shape (..., 2), are in a polygon: an odd number of edges is crossed on the way to the right."""
    x, y = np.moveaxis(points, -1, 0)
    odd = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            odd ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return odd


def pixels(width=WIDTH, height=HEIGHT):
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x, y], axis=-1)


def box_around(mask):
    y, x = np.nonzero(mask)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


@st.composite
def scenes(draw):
    """One to three convex objects, each with an outline, a tight box, its pixels in a mask, and keypoints on it."""
    shapes = []
    for _ in range(draw(st.integers(1, 3))):
        centre = np.array([draw(st.floats(60, WIDTH - 60)), draw(st.floats(60, HEIGHT - 60))])
        radii = np.array([draw(st.floats(30, 58)), draw(st.floats(30, 58))])
        corners, start = draw(st.sampled_from([4, 5, 12])), draw(st.floats(0, 6.3))
        angles = start + np.arange(corners) * 2 * np.pi / corners
        shapes.append(centre + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return made_of(shapes)


def made_of(shapes, width=WIDTH, height=HEIGHT):
    """The last one lies in front; its mask is kept for itself all the same: one mask for each."""
    boxes = np.array([[*shape.min(axis=0), *shape.max(axis=0)] for shape in shapes])
    weights = np.array([[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3]])
    keypoints = np.array([[[*(row @ shape[:3]), 2] for row in weights] for shape in shapes])
    objects = Objects(boxes, np.arange(len(shapes)), tuple((shape,) for shape in shapes), keypoints)
    masks = [np.uint8(inside(shape, pixels(width, height))) for shape in shapes]
    return Scene(np.zeros((height, width, 3), np.uint8), objects), masks


def drawn_policy(names, seed):
    kinds = {kind.name: kind for kind in GEOMETRY}
    rng = np.random.default_rng(seed)
    operations = [kinds[name](0.6) if name == "crop" else kinds[name]() for name in names]
    return Policy(tuple(operations)).draw(rng, WIDTH, HEIGHT)


COMBINED = [
    ("perspective", "elastic"),
    ("resized_crop", "rotate", "perspective"),
    ("flip_h", "shear_x", "elastic", "crop"),
]


@pytest.mark.parametrize("names", [*((kind.name,) for kind in GEOMETRY), *COMBINED], ids="+".join)
@given(scene_and_masks=scenes(), seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_boxes_outlines_masks_and_keypoints_agree(names, scene_and_masks, seed):
    scene, masks = scene_and_masks
    draw = drawn_policy(names, seed)
    moved, visible = moved_objects(scene.objects, draw.warp, 0.5, ())
    width, height = draw.warp.target
    assert (moved.boxes[:, 2:] > moved.boxes[:, :2]).all()  # none is inverted
    assert (moved.boxes >= 0).all()
    assert (moved.boxes[:, 2:] <= (width, height)).all()
    np.testing.assert_array_equal(moved.labels, np.flatnonzero((visible >= 0.5) & (visible > 0)))
    tolerance = 1.5 + 0.75 * max(1, *stretch(draw.warp.matrix, width, height))  # of half a source pixel, enlarged
    for row, label in enumerate(moved.labels):
        seen = draw.warp.mask(masks[label])
        np.testing.assert_allclose(moved.boxes[row], box_around(seen), atol=tolerance)
        (outline,) = moved.outlines[row]
        assert outline.min(axis=0).tolist() == moved.boxes[row, :2].tolist()
        assert outline.max(axis=0).tolist() == moved.boxes[row, 2:].tolist()
        disagree = (inside(outline, pixels(width, height)) != seen).sum()
        assert disagree < 1.5 * tolerance * np.linalg.norm(outline - np.roll(outline, 1, axis=0), axis=1).sum()
        for x, y, visibility in moved.keypoints[row]:
            near = [
                (x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)
            ]  # a bent edge is drawn in straight pieces
            assert visibility == 0 or inside(outline, np.array(near)).any()
    for share, mask in zip(visible, masks, strict=True):
        points = draw.warp.points(pixels()[mask > 0][::7])
        assert share == pytest.approx(((points >= 0) & (points < (width, height))).all(axis=-1).mean(), abs=0.03)


@given(scene_and_masks=scenes(), seed=st.integers(0, 1000), least=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_an_object_is_dropped_exactly_when_too_little_of_it_is_left(scene_and_masks, seed, least):
    scene, _ = scene_and_masks
    warp = drawn_policy(("crop", "translate_x"), seed).warp
    _, visible = moved_objects(scene.objects, warp, 0, ())
    assume((abs(visible - least) > 1e-9).all())
    moved, again = moved_objects(scene.objects, warp, least, ())
    np.testing.assert_array_equal(visible, again)
    np.testing.assert_array_equal(moved.labels, np.flatnonzero((visible > 0) & (visible >= least)))


@pytest.mark.parametrize(("right", "kept"), [(30.0, True), (29.9, False)])
def test_a_quarter_of_a_box_is_enough(right, kept):
    objects = Objects(np.array([[0.0, 0, 40, 10]]), np.zeros(1, np.int64))
    moved, visible = moved_objects(objects, Warp((50, 50), (50, 50), shifting(right - 60, 0)))
    assert visible[0] == pytest.approx((right - 20) / 40)
    assert len(moved) == kept
    assert moved.boxes.tolist() == ([[0, 0, 10, 10]] if kept else [])


def test_of_a_box_without_an_outline_the_corners_move():
    objects = Objects(np.array([[10.0, 20, 30, 60]]), np.zeros(1, np.int64))
    turned, _ = moved_objects(
        objects, Warp((100, 100), (100, 100), shifting(50, 50) @ turning(30) @ shifting(-50, -50))
    )
    half = turning(30)[:2, :2] @ [-30, -10]
    reach = np.abs(turning(30)[:2, :2]) @ [10, 20]
    np.testing.assert_allclose(turned.boxes[0], [*(50 + half - reach), *(50 + half + reach)])
    assert turned.outlines == ()


def test_an_outline_gives_a_tighter_box_than_its_box_does():
    diamond = np.array([[50.0, 20], [80, 50], [50, 80], [20, 50]])
    box = np.array([[20.0, 20, 80, 80]])
    warp = Warp((100, 100), (100, 100), shifting(50, 50) @ turning(45) @ shifting(-50, -50))
    tight, _ = moved_objects(Objects(box, np.zeros(1, np.int64), ((diamond,),)), warp)
    wide, _ = moved_objects(Objects(box, np.zeros(1, np.int64)), warp)
    np.testing.assert_allclose(tight.boxes[0, 2:] - tight.boxes[0, :2], 60 / 2**0.5)
    np.testing.assert_allclose(wide.boxes[0, 2:] - wide.boxes[0, :2], 60 * 2**0.5)


def test_some_objects_may_have_outlines_and_others_none():
    square = np.array([[10.0, 10], [40, 10], [40, 40], [10, 40]])
    objects = Objects(np.array([[10.0, 10, 40, 40], [50, 50, 90, 90]]), np.array([3, 4]), ((square,), ()))
    moved, _ = moved_objects(objects, Warp((100, 100), (100, 100), shifting(5, 0)))
    np.testing.assert_allclose(moved.boxes, [[15, 10, 45, 40], [55, 50, 95, 90]])
    assert [len(outline) for outline in moved.outlines] == [1, 0]


def test_an_object_of_two_pieces_is_one_object():
    """And of the piece that is no longer seen, though it touches the edge, nothing is left in the box."""
    left, right = (np.array([[x, 10.0], [x + 20, 10], [x + 20, 30], [x, 30]]) for x in (10, 80))
    right[:, 1] += 40
    objects = Objects(np.array([[10.0, 10, 100, 70]]), np.zeros(1, np.int64), ((left, right),))
    moved, visible = moved_objects(objects, Warp((100, 100), (80, 100), IDENTITY))
    np.testing.assert_allclose(visible, 0.5)
    np.testing.assert_allclose(moved.boxes, [[10, 10, 30, 30]])
    assert len(moved.outlines[0]) == 1


def test_a_box_does_not_reach_for_what_only_clipping_passed():
    """A hook that comes into the picture from the left, and leads around its upper left corner."""
    hook = np.array([[20.0, 60], [-20, 60], [-20, -30], [70, -30], [70, -10], [-10, -10], [-10, 40], [20, 40]])
    objects = Objects(np.array([[60.0, 70, 150, 160]]), np.zeros(1, np.int64), ((hook + np.array([80, 100]),),))
    moved, _ = moved_objects(objects, Warp((200, 200), (120, 100), shifting(-80, -100)), 0)
    np.testing.assert_allclose(moved.boxes, [[0, 40, 20, 60]])
    np.testing.assert_allclose(area(moved.outlines[0][0]), 400)


@given(seed=st.integers(0, 300))
@settings(max_examples=30, deadline=None)
def test_an_object_that_fills_the_picture_keeps_filling_it(seed):
    """Cropped and then seen from an angle: parts far outside would come back from beyond the horizon."""
    drawn = drawn_crop(seed)
    objects = Objects(np.array([[0.0, 0, WIDTH, HEIGHT]]), np.zeros(1, np.int64))
    moved, visible = moved_objects(objects, drawn.warp, 0)
    mask = drawn.warp.mask(np.ones((HEIGHT, WIDTH), np.uint8))
    np.testing.assert_allclose(moved.boxes[0], box_around(mask), atol=3)
    points = drawn.warp.origins(pixels(*drawn.warp.target)[mask > 0])
    jacobians = local_areas(drawn.warp, points)
    assert visible[0] == pytest.approx((1 / jacobians).sum() / (WIDTH * HEIGHT), rel=0.03)


@given(seed=st.integers(0, 300), left=st.floats(0, 200), top=st.floats(0, 200))
@settings(max_examples=30, deadline=None)
def test_what_lies_beyond_the_horizon_is_not_seen(seed, left, top):
    drawn = drawn_crop(seed)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[int(top) : int(top) + 60, int(left) : int(left) + 150] = 1
    objects = Objects(np.array([[int(left), int(top), int(left) + 150.0, int(top) + 60.0]]), np.zeros(1, np.int64))
    moved, visible = moved_objects(objects, drawn.warp, 0)
    seen = drawn.warp.mask(mask)
    assert (visible[0] > 0) == bool(len(moved))
    if seen.sum() > 500:  # of a sliver's sharp end no pixel may have its centre inside
        np.testing.assert_allclose(moved.boxes[0], box_around(seen), atol=5)
    elif seen.sum() <= 30:
        assert visible[0] < 0.05


def drawn_crop(seed):
    """A small part, and then twice a perspective: the rest of the source lies far outside of it."""
    rng = np.random.default_rng(seed)
    policy = Policy((crop(0.3), perspective((0.5, 0.5)), perspective((0.5, 0.5))))
    return policy.draw(rng, WIDTH, HEIGHT)


def local_areas(warp, points):
    """How much larger each of the points of the source appears, from differences."""
    dx = warp.points(points + np.array([1e-3, 0])) - warp.points(points - [1e-3, 0])
    dy = warp.points(points + np.array([0, 1e-3])) - warp.points(points - [0, 1e-3])
    return np.abs(dx[:, 0] * dy[:, 1] - dx[:, 1] * dy[:, 0]) / 4e-6


def test_a_large_elastic_picture_keeps_its_boxes_within_a_pixel_or_two():
    """An outline is moved point by point: there must be points enough where it bends."""
    size = 1000
    mask = np.zeros((size, size), np.uint8)
    mask[100:900, 100:900] = 1
    objects = Objects(np.array([[100.0, 100, 900, 900]]), np.zeros(1, np.int64))
    for seed in range(3):
        drawn = elastic.draw(Draw.nothing(size, size), 0.04, np.random.default_rng(seed))
        moved, _ = moved_objects(objects, drawn.warp)
        np.testing.assert_allclose(moved.boxes[0], box_around(drawn.warp.mask(mask)), atol=2.5)


FLIPPED = {
    "once": ((flip_h(),), True),
    "twice": ((flip_h(), flip_h()), False),
    "both ways": ((flip_h(), flip_v()), False),
    "upside down": ((flip_v(),), True),
    "turned": ((rotate((180, 180)),), False),
    "with all the rest": ((flip_h(), rotate(20), perspective(0.3), scale(0.1)), True),
    "in a crop": ((crop(0.9), flip_v(), translate_x(0.05)), True),
}


@pytest.mark.parametrize("name", FLIPPED)
def test_left_and_right_keypoints_change_places_exactly_when_the_image_is_mirrored(name):
    operations, mirrored = FLIPPED[name]
    keypoints = np.array([[[150.0, 140, 2], [210, 140, 1], [180, 160, 2], [170, 150, 0]]])
    objects = Objects(np.array([[120.0, 100, 240, 190]]), np.zeros(1, np.int64), (), keypoints)
    warp = Policy(operations).draw(np.random.default_rng(1), WIDTH, HEIGHT).warp
    moved, _ = moved_objects(objects, warp, keypoint_pairs=[(0, 1)])
    plain, _ = moved_objects(objects, warp, keypoint_pairs=())
    order = [1, 0, 2, 3] if mirrored else [0, 1, 2, 3]
    np.testing.assert_array_equal(moved.keypoints[:, order], plain.keypoints)
    assert warp.mirrors is mirrored
    assert plain.keypoints[0, :, 2].tolist() == [2, 1, 2, 0]
    np.testing.assert_array_equal(plain.keypoints[0, 3], 0)  # what is not labelled has no place
    if mirrored:
        with pytest.raises(
            UsageError, match=r"^an image with keypoints would be mirrored.*; flip_h; give keypoint_pairs"
        ):
            moved_objects(objects, warp)
    else:
        np.testing.assert_array_equal(moved_objects(objects, warp)[0].keypoints, plain.keypoints)


def test_a_keypoint_outside_of_the_picture_is_no_longer_labelled():
    keypoints = np.array([[[5.0, 5, 2], [30, 30, 2], [59.99, 30, 1], [60, 30, 1]]])
    objects = Objects(np.array([[0.0, 0, 70, 60]]), np.zeros(1, np.int64), (), keypoints)
    moved, _ = moved_objects(objects, Warp((100, 100), (50, 50), shifting(-10, -10)))
    np.testing.assert_allclose(moved.keypoints[0], [[0, 0, 0], [20, 20, 2], [49.99, 20, 1], [0, 0, 0]])


def test_the_whole_scene_goes_together_and_the_one_before_stays_as_it_was():
    scene, masks = made_of([np.array([[100.0, 80], [200, 90], [150, 200]])])
    scene = Scene(scene.image + np.uint8(9), scene.objects, masks[0])
    arrays = [scene.image, scene.mask, scene.objects.boxes, scene.objects.labels, scene.objects.keypoints]
    arrays += [scene.objects.outlines[0][0]]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    for operations in ((), (flip_h(), rotate(20), elastic()), (resized_crop(),), (crop(0.7), perspective())):
        draw = Policy(operations).draw(np.random.default_rng(2), WIDTH, HEIGHT)
        after = augmented(scene, draw, 0, ())
        assert after.image.shape[:2] == after.mask.shape == draw.warp.target[::-1]
        np.testing.assert_array_equal(after.image, draw.image(scene.image))
        fresh = [after.image, after.mask, after.objects.boxes, after.objects.labels, after.objects.keypoints]
        fresh += [polygon for outline in after.objects.outlines for polygon in outline]
        assert not any(np.shares_memory(new, old) for new in fresh for old in arrays)
        assert all(new.flags.writeable for new in fresh)
    for array, was in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, was)


def test_a_scene_without_objects_stays_one():
    after = augmented(Scene(np.zeros((20, 30), np.uint8)), Policy((rotate(),)).draw(np.random.default_rng(0), 30, 20))
    assert len(after.objects) == 0
    assert after.objects.boxes.shape == (0, 4)
    assert after.mask is None


def test_what_does_not_move_stays_to_the_last_bit():
    scene, _ = made_of([np.array([[100.0, 80], [200, 90], [150, 200]]), np.array([[10.0, 10], [50.1, 10], [30, 70.3]])])
    moved, visible = moved_objects(scene.objects, Draw.nothing(WIDTH, HEIGHT).warp)
    np.testing.assert_array_equal(moved.boxes, scene.objects.boxes)
    np.testing.assert_array_equal(moved.keypoints, scene.objects.keypoints)
    np.testing.assert_array_equal(moved.outlines[0][0], scene.objects.outlines[0][0])
    np.testing.assert_allclose(visible, 1, rtol=1e-12)


IMAGE = np.zeros((30, 40, 3), np.uint8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((0, 5, 3), np.uint8),), r"an image of 5 x 0 pixels is empty; scene; leave it out"),
        ((IMAGE, Objects(), np.zeros((40, 30), np.uint8)), r"the mask has 30 x 40 pixels, its image 40 x 30; scene"),
        (
            (IMAGE, Objects(), np.zeros((30, 40, 1), np.uint8)),
            r"the mask has 1 x 40 x 30 pixels, its image 40 x 30; scene",
        ),
        (
            (IMAGE, Objects(np.array([[0, 0, 5, 5], [40, 0, 50, 5.5]]), np.zeros(2, np.int64))),
            r"the box \[40, 0, 50, 5.5\] lies outside its image of 40 x 30 or is empty; scene",
        ),
        (
            (IMAGE, Objects(np.array([[5.0, 5, 5, 9]]), np.zeros(1, np.int64))),
            r"the box \[5, 5, 5, 9\] lies .* empty; scene",
        ),
        (
            (IMAGE, Objects(np.array([[9.0, 5, 5, 9]]), np.zeros(1, np.int64))),
            r"the box \[9, 5, 5, 9\] lies .* empty; scene",
        ),
        (
            (IMAGE, Objects(np.array([[np.nan, 5, 5, 9]]), np.zeros(1, np.int64))),
            r"the box \[nan, 5, 5, 9\] lies .*; scene",
        ),
    ],
)
def test_a_scene_that_is_none_is_refused_in_one_line(arguments, message):
    with pytest.raises(DataError, match=f"^{message}$"):
        Scene(*arguments)


def test_a_draw_for_another_size_is_refused():
    with pytest.raises(DataError, match=r"^this draw is for 30 x 40 pixels, got 40 x 30; warp$"):
        augmented(Scene(IMAGE), Policy((rotate(),)).draw(np.random.default_rng(0), 30, 40))


SQUARE = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])


@pytest.mark.parametrize(
    ("shift", "expected"),
    [((0, 0), 100), ((5, 0), 50), ((-5, 0), 50), ((5, 5), 25), ((-5, 5), 25), ((11, 0), 0), ((0, -20), 0)],
)
def test_clipping_a_square(shift, expected):
    part = clip(SQUARE + shift, 10, 10)
    assert area(part) == expected
    assert part.shape[1] == 2
    assert area(clip((SQUARE + shift)[::-1], 10, 10)) == expected


@given(seed=st.integers(0, 5000))
@settings(max_examples=60)
def test_a_clipped_star_is_what_of_the_star_is_inside(seed):
    """Against counting points of a fine grid; a star is not convex."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 11))
    star = rng.uniform(-5, 25, 2) + rng.uniform(2, 20, (11, 1)) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    grid = (pixels(100, 60)) / 5
    part = clip(star, 20, 12)
    assert area(part) == pytest.approx(inside(star, grid).mean() * 240, abs=2.5)
    assert not len(part) or ((part >= 0) & (part <= (20, 12))).all()


def test_cutting_keeps_what_is_not_cut_to_the_last_bit():
    np.testing.assert_array_equal(cut(SQUARE, np.ones(4)), SQUARE)
    assert cut(SQUARE, -np.ones(4)).shape == (0, 2)
    np.testing.assert_allclose(cut(SQUARE, SQUARE[:, 0] - 4), [[4, 0], [10, 0], [10, 10], [4, 10]])


def test_area_of_nothing_is_none():
    assert area(np.zeros((0, 2))) == 0
    assert area(SQUARE[:2]) == 0


def test_a_perspective_counts_the_share_on_the_source():
    """Half of the object stays in, though that half is drawn much larger than the other."""
    corners = np.array([[0.0, 0], [100, 0], [100, 100], [0, 100]])
    seen = perspective_between(corners, np.array([[30.0, 30], [70, 30], [100, 100], [0, 100]]))
    edge = Warp((100, 100), (100, 100), seen).points(np.array([0.0, 50.0]))[1]
    objects = Objects(np.array([[0.0, 0, 100, 100]]), np.zeros(1, np.int64))
    _, visible = moved_objects(objects, Warp((100, 100), (100, 100), shifting(0, -edge) @ scaling(1, 1) @ seen))
    assert visible[0] == pytest.approx(0.5)
