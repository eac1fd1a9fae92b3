"""The sheet shows every image once, each above what became of it."""

import numpy as np
import pytest

from handful.core.errors import DataError
from handful.unsupervised.reconstruction_sheet import reconstruction_sheet


def test_every_image_stands_above_what_became_of_it():
    levels = np.array([10, 60, 110, 160, 210], np.uint8)
    originals = np.broadcast_to(levels[:, None, None, None], (5, 60, 60, 1)).copy()
    sheet = np.asarray(reconstruction_sheet(originals, originals + 20, n_columns=3))
    assert sheet.shape == (2 * (120 + 8), 3 * 64, 3)
    for at, level in enumerate(levels):
        top, left = at // 3 * 128 + 4, at % 3 * 64 + 2
        assert (sheet[top : top + 60, left : left + 60] == level).all()
        assert (sheet[top + 60 : top + 120, left : left + 60] == level + 20).all()
    assert (sheet[132:252, 130:] == 255).all()  # the place that is left over


def test_rows_that_do_not_fit_are_refused():
    images = np.zeros((2, 8, 8, 3), np.uint8)
    for rows in ((), (images, images[:1]), (images[:0],), (images / 255,), (images[..., :2],)):
        with pytest.raises(DataError, match="a sheet cannot be made of shapes"):
            reconstruction_sheet(*rows)
