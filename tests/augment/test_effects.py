"""What holds for every effect, whatever it does."""

import numpy as np
import pytest

from handful.augment.blur import Kernel, disc, gaussian, line
from handful.augment.erase import Erase
from handful.augment.noise import Noise, ShotNoise

SHAPES = [(1, 1), (1, 1, 3), (1, 5000, 3), (5000, 1), (7, 9), (7, 9, 1), (7, 9, 3), (7, 9, 4)]
EFFECTS = {
    "noise": Noise(0.05, 3),
    "shot noise": ShotNoise(0.05, 3),
    "a separable kernel": Kernel(gaussian(2)),
    "a small kernel": Kernel(line(9, 33)),
    "a kernel larger than most images": Kernel(disc(40)),
    "erasing": Erase(0.1, 0.0, 0.8, 1.0, 3),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("effect", EFFECTS.values(), ids=EFFECTS)
def test_shape_type_input_and_alpha_stay_and_so_do_the_bytes(effect, dtype, shape):
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    image.flags.writeable = False
    got = effect(image)
    assert (got.shape, got.dtype) == (shape, dtype)
    np.testing.assert_array_equal(got, effect(image))
    if shape[2:] == (4,):
        np.testing.assert_array_equal(got[..., 3], image[..., 3])
        np.testing.assert_array_equal(got[..., :3], effect(np.ascontiguousarray(image[..., :3])))
