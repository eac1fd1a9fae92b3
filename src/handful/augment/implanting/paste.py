"""Cut-outs on images that have one label: as a mixture of classes, or as something in the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from handful.augment.implanting.cutouts import Cutout
from handful.augment.implanting.implant import Implanting
from handful.augment.mixing.soft_labels import check_soft, one_hot
from handful.core.errors import DataError, UsageError

Array = npt.NDArray[Any]
Counts = Literal["mixture", "distractor"]


def implant_into_class(
    image: Array,
    target: Array,
    cutouts: Sequence[Cutout],
    rng: np.random.Generator,
    counts: Counts,
    how: Implanting | None = None,
) -> tuple[Array, Array]:
    """Place cut-outs, or patches of other images, at random on an image with a soft label.

    Args:
        image: Untouched; uint8 or uint16, shape (height, width) or (height, width, channels).
        target: Its soft label, shape (n_classes,).
        cutouts: To draw from.
        counts: "distractor" leaves the label as it is. "mixture" counts each cut-out by the share of the image that
            it covers visibly, weighted by alpha, and what was there by the rest, as CutMix does: right for patches;
            for whole objects it counts a small one as little, though it is all there.
        how: `Implanting()` when None.
    Raises:
        DataError: when the target does not sum to 1, or a cut-out of a mixture has no label or none of the target's.
        UsageError: when there is no cut-out.
    Source: Yun et al. 2019, arXiv:1905.04899 (labels by area).
    """
    check_soft(target, "implant")
    if counts not in get_args(Counts):
        raise UsageError(f"counts={counts}, expected {' or '.join(get_args(Counts))}", "implant")
    height, width = image.shape[:2]
    drawn = (how or Implanting()).draw(cutouts, width, height, rng)
    if counts == "distractor":
        return drawn.image(image), target.copy()
    labels = [placement.cutout.label for placement in drawn.placements]
    if any(label is None for label in labels):
        raise DataError("a cut-out of a mixture has no label", "implant", "give it one, or use counts='distractor'")
    shares = drawn.visible_areas() / (width * height)
    mixed = (1 - shares.sum()) * target + shares @ one_hot(np.array(labels, np.int64), len(target))
    return drawn.image(image), mixed.astype(target.dtype)
