"""An outline from the mask makes the box tight after a turn, and the cut-out exact."""

import cv2
import numpy as np

from handful.augment.implanting.cutouts import cut_out
from handful.augment.outlined import outlined
from handful.augment.policy import Policy
from handful.augment.scene import Scene, augmented
from handful.data.objects import Objects


def scene(values=(1, 2)):
    """A disc and a bar, apart."""
    mask = np.zeros((100, 140), np.uint8)
    cv2.circle(mask, (40, 50), 20, values[0], -1)
    mask[30:40, 80:120] = values[1]
    boxes = np.array([[20.0, 30, 61, 71], [80, 30, 120, 40]])
    image = np.dstack([mask * 40] * 3)
    return Scene(image, Objects(boxes, np.array([0, 1])), mask)


def bounds(pixels):
    rows, columns = np.nonzero(pixels)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_boxes_are_tight_after_a_turn_where_without_outlines_they_are_not():
    draw = Policy.parse("rotate=40..40").draw(np.random.default_rng(0), 140, 100)
    tight, loose = augmented(outlined(scene()), draw), augmented(scene(), draw)
    np.testing.assert_allclose(tight.objects.boxes[0], bounds(tight.mask == 1), atol=1.5)
    np.testing.assert_allclose(tight.objects.boxes[1], bounds(tight.mask == 2), atol=1.5)
    assert np.ptp(loose.objects.boxes[0].reshape(2, 2), axis=0).min() > 50  # a disc of 41 pixels


def test_a_cut_out_is_the_object_and_nothing_beside_it():
    cut = cut_out(outlined(scene()), 0)
    assert cut.by == "outline"
    assert abs(int((cut.image[..., 3] > 127).sum()) - int((scene().mask == 1).sum())) < 15


def test_a_class_mask_serves_as_well_and_what_is_known_or_not_there_stays():
    of_classes = outlined(scene((7, 7)))
    for row, (outline,) in enumerate(of_classes.objects.outlines):
        np.testing.assert_allclose([*outline.min(axis=0), *outline.max(axis=0)], scene().objects.boxes[row], atol=1)
    given = ((np.array([[20.0, 30], [40, 30], [40, 60]]),), ())
    before = Scene(
        scene().image, Objects(scene().objects.boxes, np.array([0, 1]), given), np.zeros((100, 140), np.uint8)
    )
    after = outlined(before)
    assert after.objects.outlines[0] is given[0]
    assert after.objects.outlines[1] == ()
    without = Scene(scene().image, scene().objects)
    assert outlined(without) is without
