import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from handful.augment.batched import augmented_batch
from handful.augment.draw import Draw
from handful.augment.matrices import moved_points, scaling, shifting
from handful.augment.policy import NAMED, OPERATIONS, Policy
from handful.augment.warp import Warp
from handful.core.errors import DataError, UsageError

LINEAR = [
    *("flip_h", "flip_v", "rotate", "scale", "translate_x", "shear_y", "perspective", "elastic", "resized_crop"),
    *("brightness", "contrast", "saturation", "hue", "grey", "channel_mix", "temperature", "invert", "standard"),
]
SIZES = [  # of the source, of the target
    ((61, 47), (61, 47)),
    ((120, 96), (40, 32)),
    ((30, 50), (64, 72)),
    ((96, 210), (41, 30)),
]
SHARED = "flip_h=0.5,resized_crop=0.3,rotate=30,perspective=0.2@0.5,elastic=0.02@0.5,contrast=0.2,gamma=0.2@0.5"


def photo(rng, width, height):
    """Smooth, with an edge: neither flat nor only noise."""
    coarse = rng.uniform(30, 225, (max(2, height // 6), max(2, width // 6), 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    smooth[: height // 3, : width // 3] = rng.integers(256, size=3)
    return smooth.round().astype(np.uint8)


def photos(rng, n, width, height):
    return np.stack([photo(rng, width, height) for _ in range(n)])


def tensor(pixels):
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())


def drawn(text, rng, n, source, target=None, border="reflect"):
    policy = Policy(Policy.parse(text).operations, border)
    return [policy.draw(rng, *source, out=target or source) for _ in range(n)]


@pytest.fixture(params=["one by one", "all at once"])
def split(request, monkeypatch):
    """The CPU takes as many images at once as it has threads, a GPU all: the answer is the same."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: {"one by one": 1, "all at once": 100}[request.param])


@pytest.mark.usefixtures("split")
@pytest.mark.parametrize("name", [*NAMED, *OPERATIONS])
def test_it_is_the_same_picture_as_from_arrays(name):
    text = "crop=0.7" if name == "crop" else name
    for seed, (source, target) in enumerate(SIZES):
        rng = np.random.default_rng(seed)
        images = photos(rng, 3, *source)
        draws = drawn(text, rng, 3, source, target, ("reflect", "replicate", "constant")[seed % 3])
        expected = np.stack([draw.chw(image, (0, 0, 0), (1, 1, 1)) for draw, image in zip(draws, images, strict=True)])
        differences = np.abs(augmented_batch(tensor(images).float(), draws, full=255).numpy() - expected)
        assert differences.mean() < (2.0 if "jpeg" in NAMED.get(name, name) else 1.0)  # JPEG makes much of a level
        if name in LINEAR:
            assert differences.max() < 1.6  # rounded after the reduction, the resampling and the recolouring


def reference(image, draw):
    """One image, shape (3, h, w), in float64, pixel by pixel: where it comes from, mirrored at the edges, bilinear."""
    width, height = draw.warp.target
    backward, planes = np.linalg.inv(draw.warp.matrix), np.zeros((3, height, width))
    for row in range(height):
        for column in range(width):
            x, y = moved_points(backward, np.array([[column + 0.5, row + 0.5]]))[0] - 0.5
            for i in (int(np.floor(y)), int(np.floor(y)) + 1):
                for j in (int(np.floor(x)), int(np.floor(x)) + 1):
                    weight = (1 - abs(y - i)) * (1 - abs(x - j))
                    planes[:, row, column] += (
                        weight * image[:, mirrored(i, image.shape[1]), mirrored(j, image.shape[2])]
                    )
    mix = draw.recolour.stages[0] if draw.recolour.stages else np.eye(4)
    coloured = np.tensordot(mix[:3, :3], planes, 1) + mix[:3, 3, None, None]
    return coloured.clip(0, 1)


def mirrored(at, side):
    while not 0 <= at < side:
        at = -at if at < 0 else 2 * (side - 1) - at
        if side == 1:
            return 0
    return at


@pytest.mark.usefixtures("split")
@pytest.mark.parametrize("source", [(9, 7), (1, 6), (6, 1), (1, 1), (3, 12)])
def test_nothing_is_rounded(source):
    rng = np.random.default_rng(3)
    draws = drawn("flip_h=0.5,rotate=40,translate_x=1,perspective=0.3@0.5,contrast=0.3,hue=40", rng, 4, source, (11, 8))
    images = torch.from_numpy(rng.uniform(0, 1, (4, 3, source[1], source[0])))
    expected = np.stack([reference(image.numpy(), draw) for image, draw in zip(images, draws, strict=True)])
    found = augmented_batch(images, draws)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


def test_black_surrounds_an_image_of_one_pixel():
    draw = Draw(Warp((1, 1), (3, 3), shifting(1, 1), "constant"))
    found = augmented_batch(torch.full((1, 3, 1, 1), 0.6), [draw])[0, 0]
    np.testing.assert_allclose(found, [[0, 0, 0], [0, 0.6, 0], [0, 0, 0]], atol=1e-6)


@pytest.mark.usefixtures("split")
def test_shrinking_takes_the_mean_of_whole_blocks():
    checks = torch.from_numpy((np.indices((24, 36)).sum(axis=0) % 2).astype(np.float32)).expand(1, 3, -1, -1)
    draw = Draw(Warp((36, 24), (6, 6), scaling(1 / 6, 1 / 4)))
    np.testing.assert_allclose(augmented_batch(checks, [draw]), 0.5, atol=1e-6)
    with_borders = drawn("rotate=180", np.random.default_rng(0), 5, (36, 24), (6, 6))
    np.testing.assert_allclose(augmented_batch(checks.expand(5, -1, -1, -1), with_borders), 0.5, atol=1e-6)


@pytest.mark.parametrize(("border", "corner"), [("constant", 0.25), ("replicate", 1), ("reflect", 1)])
def test_a_block_that_reaches_over_the_edge_is_filled_up_as_the_border_says(border, corner):
    draw = Draw(Warp((5, 5), (3, 3), scaling(0.5, 0.5), border))
    found = augmented_batch(torch.ones(1, 3, 5, 5), [draw])[0, 0]
    np.testing.assert_allclose(found, draw.image(np.full((5, 5), 255, np.uint8)) / 255, atol=2 / 255)
    assert found[2, 2] == pytest.approx(corner, abs=1e-6)


def test_blocks_are_never_larger_than_the_image():
    rng = np.random.default_rng(0)
    pixels = rng.integers(256, size=(1, 12, 3, 3), dtype=np.uint8)
    draw = drawn("scale=-0.9..-0.9", rng, 1, (3, 12))[0]
    found = augmented_batch(tensor(pixels).float(), [draw], full=255)[0]
    np.testing.assert_allclose(found, draw.image(pixels[0]).transpose(2, 0, 1), atol=1.1)


def test_uint8_and_float_agree():
    rng = np.random.default_rng(1)
    arrays = photos(rng, 5, 70, 40)
    pixels = tensor(arrays)
    draws = drawn(f"{SHARED},equalize=0.5,erase=0.2,noise=0.05,shot=0.1,blur=1", rng, 5, (70, 40), (30, 30))
    from_bytes = augmented_batch(pixels, draws, (120, 110, 100), (50, 60, 70))
    from_floats = augmented_batch(
        pixels / 255, draws, (120 / 255, 110 / 255, 100 / 255), (50 / 255, 60 / 255, 70 / 255)
    )
    from_large = augmented_batch(pixels.double() * 2, draws, (240, 220, 200), (100, 120, 140), full=510)
    assert from_bytes.dtype == from_floats.dtype == torch.float32
    by_opencv = [draw.chw(each, (120, 110, 100), (50, 60, 70)) for draw, each in zip(draws, arrays, strict=True)]
    np.testing.assert_array_equal(from_bytes.numpy(), by_opencv)
    assert float((from_floats - from_bytes).abs().mean()) < 2 / 50  # two levels
    torch.testing.assert_close(from_large.float(), from_floats, atol=1e-4, rtol=0)


@pytest.mark.usefixtures("split")
def test_every_image_has_its_own_draw_and_the_same_bytes_each_time():
    rng = np.random.default_rng(4)
    images = tensor(photos(rng, 7, 50, 60)).float()
    texts = ["none", SHARED, "document", "equalize,gamma,solarize", "strong", "scale=-0.7..-0.6", "trivial"]
    borders = ["reflect", "constant", "replicate"] * 3
    draws = [drawn(text, rng, 1, (50, 60), (50, 60), border)[0] for text, border in zip(texts, borders, strict=False)]
    together = augmented_batch(images, draws, full=255)
    assert torch.equal(together, augmented_batch(images, draws, full=255))
    for at, draw in enumerate(draws):
        torch.testing.assert_close(
            augmented_batch(images[at : at + 1], [draw], full=255)[0], together[at], atol=0.02, rtol=0
        )


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_images_stay_as_they_are(dtype):
    images = (torch.rand(2, 3, 8, 9) * 200).to(dtype)
    before = images.clone()
    for text in ("none", "standard", "strong", "posterize,jpeg"):
        augmented_batch(images, drawn(text, np.random.default_rng(0), 2, (9, 8)), (90, 90, 90), (50, 50, 50), 255)
    assert torch.equal(images, before)


def test_nothing_drawn_changes_nothing_but_the_range():
    images = torch.rand(2, 3, 5, 4) * 1.2 - 0.1
    found = augmented_batch(
        images, drawn("none", np.random.default_rng(0), 2, (4, 5)), (0.5, 0.4, 0.3), (0.2, 0.1, 0.3)
    )
    middle, unit = torch.tensor([0.5, 0.4, 0.3])[:, None, None], torch.tensor([0.2, 0.1, 0.3])[:, None, None]
    torch.testing.assert_close(found, (images.clamp(0, 1) - middle) / unit)


def test_half_precision_is_not_computed_in():
    images = torch.rand(2, 3, 20, 20)
    draws = drawn("standard", np.random.default_rng(0), 2, (20, 20))
    expected = augmented_batch(images, draws)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augmented_batch(images, draws), expected)
    assert torch.equal(augmented_batch(images.half(), draws), augmented_batch(images.half().float(), draws))


# Gradients


@pytest.mark.parametrize(
    "text",
    [
        *("rotate=30,perspective=0.3", "elastic", "scale=-0.7..-0.6", "resized_crop=0.3,saturation=0.3"),
        *("gamma=0.5,contrast=0.1,gamma", "noise=0.01,blur=1", "shot=0.01,motion=3", "erase=0.3,defocus=1"),
    ],
)
def test_gradients_are_those_of_finite_differences(text):
    rng = np.random.default_rng(2)
    draws = drawn(text, rng, 2, (7, 6), (5, 4))
    images = torch.from_numpy(rng.uniform(0.4, 0.6, (2, 3, 6, 7))).requires_grad_()  # so that nothing is clipped
    assert torch.autograd.gradcheck(
        lambda x: augmented_batch(x, draws, (0.5, 0.4, 0.3), (0.2, 0.1, 0.3)), images, eps=1e-7
    )


def test_what_is_mirrored_has_the_mirrored_gradient():
    images = torch.rand(2, 3, 4, 6, requires_grad=True)
    weights = torch.rand(2, 3, 4, 6)
    draws = drawn("flip_h=1", np.random.default_rng(0), 2, (6, 4))
    (augmented_batch(images, draws) * weights).sum().backward()
    torch.testing.assert_close(images.grad, weights.flip(3))


def test_black_has_a_gradient_under_shot_noise():
    images = torch.zeros(1, 3, 4, 4, requires_grad=True)
    augmented_batch(images, drawn("shot=0.3", np.random.default_rng(0), 1, (4, 4))).sum().backward()
    assert torch.isfinite(images.grad).all()


def test_what_has_no_gradient_says_so():
    images, draws = torch.rand(1, 3, 8, 8), drawn("jpeg", np.random.default_rng(0), 1, (8, 8))
    with pytest.raises(UsageError, match=r"jpeg has no gradient, and the images need one; .*Policy.without"):
        augmented_batch(images.clone().requires_grad_(), draws)
    with torch.no_grad():  # then none is needed
        augmented_batch(images.clone().requires_grad_(), draws)


# Effects


def test_every_effect_ends_within_the_range():
    pixels = np.random.default_rng(0).choice(np.array([0, 128, 255], np.uint8), (1, 12, 16, 3))
    draw = drawn("noise=0.6..0.6,shot=0.6..0.6,blur=1..1", np.random.default_rng(0), 1, (16, 12))[0]
    found = augmented_batch(tensor(pixels).float(), [draw], full=255)[0]
    np.testing.assert_allclose(found, draw.image(pixels[0]).transpose(2, 0, 1), atol=1.1)


def test_effects_from_elsewhere_are_done_on_pixels():
    def stripes(pixels):
        striped = pixels.copy()
        striped[::2] = 255 - striped[::2]
        return striped

    images = torch.tensor([0, 51, 102, 153]).div(255)[None, None, :, None].expand(1, 3, 4, 5)
    draw = Draw.nothing(5, 4).followed_by(stripes)
    expected = torch.tensor([255, 51, 153, 153]).div(255)
    torch.testing.assert_close(augmented_batch(images, [draw])[0, 0, :, 0], expected)


def test_a_kernel_may_be_larger_than_the_image():
    for width, height in ((7, 5), (1, 6), (1, 1)):
        pixels = np.random.default_rng(0).integers(256, size=(1, height, width, 3), dtype=np.uint8)
        for text in ("blur=20..20", "motion=60..60", "defocus=30..30"):
            draw = drawn(text, np.random.default_rng(0), 1, (width, height))[0]
            found = augmented_batch(tensor(pixels).float(), [draw], full=255)[0]
            np.testing.assert_allclose(found, draw.image(pixels[0]).transpose(2, 0, 1), atol=0.51)


# What is refused


@pytest.mark.parametrize(
    ("images", "n", "size", "message"),
    [
        (torch.rand(3, 8, 9), 1, (9, 8), r"of shape \(n, 3, height, width\), got float32 of shape \(3, 8, 9\)"),
        (torch.rand(1, 1, 8, 9), 1, (9, 8), r"got float32 of shape \(1, 1, 8, 9\)"),
        (torch.zeros(1, 3, 8, 9, dtype=torch.int16), 1, (9, 8), "got int16"),
        (torch.rand(2, 3, 8, 9), 1, (9, 8), "2 images and 1 draws, expected one for each"),
        (torch.rand(0, 3, 8, 9), 0, (9, 8), "0 images and 0 draws"),
        (torch.rand(1, 3, 8, 9), 1, (8, 9), "a draw is for 8 x 9 pixels, the batch has 9 x 8"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(images, n, size, message):
    with pytest.raises(DataError, match=message):
        augmented_batch(images, drawn("rotate", np.random.default_rng(0), n, size))


def test_one_batch_has_one_size():
    draws = [Policy().draw(np.random.default_rng(0), 9, 8, out) for out in ((4, 4), (6, 5))]
    with pytest.raises(
        DataError, match=r"targets of 4 x 4 and 6 x 5; augmented_batch; give Policy.draw one size as out"
    ):
        augmented_batch(torch.rand(2, 3, 8, 9), draws)


def test_importing_it_does_not_import_torch():
    command = "import sys; import handful.augment.batched; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


def test_bytes_given_as_floats_are_noticed_and_white_can_be_said():
    images = torch.rand(2, 3, 20, 20) * 200 + 50
    draws = drawn("flips", np.random.default_rng(0), 2, (20, 20))
    with pytest.raises(DataError, match=r"float images reach 2\d\d.*, and white is 1; .*; give full=255"):
        augmented_batch(images, draws)
    assert augmented_batch(images, draws, full=255).max() > 200
