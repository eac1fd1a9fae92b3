import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handful.augment.implanting.coverage import covered_by_box, covered_by_outline
from handful.augment.implanting.cutout_files import read_cutouts
from handful.augment.implanting.cutouts import Cutout, cut_out, patch
from handful.augment.implanting.implant import Implants, Placement
from handful.augment.scene import Scene
from handful.core.errors import DataError, ImageError, UsageError
from handful.data.objects import Objects
from handful.data.outlines import area, traced

points = st.tuples(st.floats(-4, 20), st.floats(-4, 16))


@settings(max_examples=60, deadline=None)
@given(st.lists(points, min_size=3, max_size=3))
def test_coverage_is_the_area_of_the_part_in_each_pixel(corners):
    """Against many points in each pixel, each tested against the three edges."""
    triangle = np.array(corners)
    fine = 16
    y, x = (np.mgrid[: 12 * fine, : 16 * fine] + 0.5) / fine
    sides = [
        (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])
        for a, b in zip(triangle, np.roll(triangle, -1, axis=0), strict=True)
    ]
    inside = np.all([side > 0 for side in sides], axis=0) | np.all([side < 0 for side in sides], axis=0)
    slow = inside.reshape(12, fine, 16, fine).mean(axis=(1, 3))
    np.testing.assert_allclose(covered_by_outline((triangle,), 16, 12), slow, atol=0.1)


def test_coverage_of_boxes_is_exact_and_that_of_outlines_at_sixteenths():
    box = np.array([1.25, 2.5, 6.75, 4.125])
    outline = (np.array([[1.25, 2.5], [6.75, 2.5], [6.75, 4.125], [1.25, 4.125]]),)
    covered = covered_by_box(box, 9, 7)
    assert covered.sum() == pytest.approx(5.5 * 1.625)
    np.testing.assert_allclose(covered_by_outline(outline, 9, 7), covered, atol=1e-12)
    np.testing.assert_allclose(covered_by_outline((outline[0][::-1],), 9, 7), covered, atol=1e-12)
    np.testing.assert_allclose(covered_by_outline((*outline, *outline), 9, 7), covered, atol=1e-12)


def test_tracing_goes_along_the_edges_of_pixels():
    pixels = np.zeros((8, 9), bool)
    pixels[2:5, 3:7] = pixels[7, 8] = True
    assert sorted(area(polygon) for polygon in traced(pixels)) == [1, 12]
    assert traced(np.zeros((3, 3), bool)) == ()


def disc_scene(seed=0, size=120, centre=(60, 55), radii=(28, 20)):
    """A reddish ellipse on a greenish ground, both noisy; and the pixels that are in it."""
    rng = np.random.default_rng(seed)
    image = np.clip(rng.normal((70, 150, 80), 12, (size, size, 3)), 0, 255).astype(np.uint8)
    y, x = np.mgrid[:size, :size] + 0.5
    inside = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 < 1
    image[inside] = np.clip(rng.normal((190, 60, 60), 12, (inside.sum(), 3)), 0, 255).astype(np.uint8)
    (left, top), (right, bottom) = np.subtract(centre, radii), np.add(centre, radii)
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    outline = (np.stack([np.cos(angle), np.sin(angle)], axis=1) * radii + centre,)
    return Scene(image, Objects(np.array([[left, top, right, bottom]], float), np.array([4]), (outline,))), inside


def test_by_outline_it_is_the_pixels_inside():
    scene, inside = disc_scene()
    cutout = cut_out(scene, 0)
    assert (cutout.by, cutout.label, cutout.image.shape) == ("outline", 4, (40, 56, 4))
    assert cutout.image[..., 3].sum() / 255 == pytest.approx(area(scene.objects.outlines[0][0]), rel=1e-3)
    np.testing.assert_array_equal(cutout.image[..., :3], scene.image[35:75, 32:88])
    np.testing.assert_allclose(cutout.outline[0] + (32, 35), scene.objects.outlines[0][0])
    assert ((cutout.image[..., 3] >= 128) != inside[35:75, 32:88]).mean() < 0.02


def test_by_grabcut_it_is_nearly_those_pixels():
    scene, inside = disc_scene()
    cutout = cut_out(scene, 0, "grabcut")
    assert cutout.by == "grabcut"
    y, x = np.nonzero(cutout.image[..., 3] >= 128)
    offset = np.rint(np.array([60, 55]) - (x.mean() + 0.5, y.mean() + 0.5)).astype(int)
    whole = np.zeros_like(inside)
    whole[y + offset[1], x + offset[0]] = True
    assert (whole & inside).sum() / (whole | inside).sum() > 0.93


def test_grabcut_is_always_the_same_whatever_was_drawn_before():
    """On patchwork, where it is left to the clusters what is found."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    image, cuts, numbers = cv2.resize(coarse, (140, 120), interpolation=cv2.INTER_LINEAR), [], []
    y, x = np.mgrid[:120, :140]
    image[((x - 70) / 45) ** 2 + ((y - 60) / 40) ** 2 < 1] //= 3
    scene = Scene(image, Objects(np.array([[25.0, 20, 115, 100]]), np.array([0])))
    for seed in (1, 2, 3):
        cv2.setRNGSeed(seed)
        cuts.append(cut_out(scene, 0, "grabcut"))
        numbers.append(cv2.randu(np.zeros(3), 0, 1).tolist())
    assert numbers[0] == numbers[1] == numbers[2]  # it began at a seed of its own: on most photos that decides
    assert {each.by for each in cuts} == {"grabcut"}
    assert all(np.array_equal(cuts[0].image, each.image) for each in cuts)


def test_where_grabcut_finds_nothing_it_is_the_box_and_says_so():
    """A box of one pixel; and one of 70 x 66 in which a blot of 14 x 14 is all that there is."""
    image = np.full((100, 100, 3), 128, np.uint8)
    blot = np.random.default_rng(0).integers(0, 20, (14, 14, 3), dtype=np.uint8)
    image[43:57, 43:57] = blot
    for box in ([5, 5, 6, 6], [15, 17, 85, 83]):
        cutout = cut_out(Scene(image, Objects(np.array([box], float), np.array([0]))), 0, "grabcut")
        assert (cutout.by, cutout.outline) == ("box", ())


def test_by_box_half_opaque_is_the_box():
    scene = Scene(np.full((60, 80, 3), 50, np.uint8), Objects(np.array([[20.0, 10, 60, 50]]), np.array([0])))
    cutout = cut_out(scene, 0)
    assert (cutout.by, cutout.outline) == ("box", ())
    height, width = cutout.image.shape[:2]
    rows, columns = np.nonzero(cutout.image[..., 3] >= 128)
    assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == (40, 40)
    assert (columns.min(), rows.min()) == ((width - 40) / 2, (height - 40) / 2)
    alpha = cutout.image[height // 2, :, 3].astype(int)
    assert 0 < alpha[0] < 128 <= alpha[(width - 40) // 2] < 255 == alpha[width // 2]
    assert (np.diff(alpha[: width // 2]) >= 0).all()


def test_a_box_cut_out_and_implanted_has_its_box_again():
    scene = Scene(np.full((60, 80, 3), 50, np.uint8), Objects(np.array([[20.0, 10, 60, 50]]), np.array([0])))
    cutout = cut_out(scene, 0, "box")
    height, width = cutout.image.shape[:2]
    implants = Implants((100, 100), (Placement(cutout, 50 + width % 2 / 2, 50 + height % 2 / 2),))
    after = implants(Scene(np.zeros((100, 100, 3), np.uint8)))
    assert (after.objects.boxes[0, 2:] - after.objects.boxes[0, :2]).tolist() == [40, 40]


@pytest.mark.parametrize("by", ["outline", "grabcut", "box"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_and_deep_images_give_rgba_bytes(by, dtype):
    scene, _ = disc_scene()
    grey = scene.image[..., 0].astype(dtype) * (257 if dtype == np.uint16 else 1)
    grey.flags.writeable = False
    cutout = cut_out(Scene(grey, scene.objects), 0, by)
    assert (cutout.image.dtype, cutout.image.shape[2]) == (np.uint8, 4)
    assert (cutout.image[..., 0] == cutout.image[..., 2]).all()
    assert np.array_equal(cutout.image, cut_out(Scene(scene.image[..., 0], scene.objects), 0, by).image)


def test_a_patch_is_the_rectangle():
    image = np.arange(10 * 12 * 3, dtype=np.uint8).reshape(10, 12, 3)
    cut = patch(image, [2, 3, 7, 99], 1)
    np.testing.assert_array_equal(cut.image[..., :3], image[3:, 2:7])
    assert (cut.image[..., 3] == 255).all()
    with pytest.raises(DataError, match="holds no pixel of 12 x 10"):
        patch(image, [5, 5, 5, 8])


def test_bad_requests_are_refused():
    scene, _ = disc_scene()
    boxes_only = Scene(scene.image, Objects(scene.objects.boxes, scene.objects.labels))
    with pytest.raises(DataError, match="object 1 of a scene with 1"):
        cut_out(scene, 1)
    with pytest.raises(DataError, match="object 0 has no outline; cut_out; cut it out by grabcut or by box"):
        cut_out(boxes_only, 0, "outline")
    with pytest.raises(UsageError, match="by=magic is not known"):
        cut_out(scene, 0, "magic")
    with pytest.raises(DataError, match="transparent everywhere"):
        Cutout(np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(DataError, match=r"uint8 of shape \(h, w, 4\), found uint8 of \(4, 4, 3\)"):
        Cutout(np.zeros((4, 4, 3), np.uint8))


def rgba(width=12, height=9):
    image = np.full((height, width, 4), 90, np.uint8)
    image[..., 3] = 0
    image[2:6, 3:10, 3] = 255
    return image


def save(path, image, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **how)
    return path


def test_files_in_class_folders_are_read_and_trimmed(tmp_path):
    save(tmp_path / "cat" / "b2.png", rgba())
    save(tmp_path / "cat" / "b10.png", rgba(14))
    save(tmp_path / "dog" / "small" / "a.png", rgba())
    save(tmp_path / "leaf.png", rgba())
    (tmp_path / "README.md").write_text("not a cut-out")
    read = read_cutouts(tmp_path, ("cat", "cow", "dog"))
    assert [each.label for each in read] == [0, 0, 2, None]
    assert all(each.image.shape == (4, 7, 4) and each.by == "file" for each in read)
    assert area(read[0].outline[0]) == 28


def test_transparency_of_a_palette_is_alpha(tmp_path):
    picture = Image.fromarray(np.tile(np.arange(2, dtype=np.uint8), (4, 4)), "L").convert("P")
    picture.save(tmp_path / "a.png", transparency=0)
    assert read_cutouts(tmp_path)[0].image[0, :, 3].tolist() == [255, 0, 255, 0, 255, 0, 255]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((5, 5, 3), np.uint8), "the cut-out has no alpha"),
        (np.full((5, 5, 4), 255, np.uint8), "the cut-out has no transparent pixel"),
        (np.zeros((5, 5, 4), np.uint8), "the cut-out is transparent everywhere"),
    ],
)
def test_a_file_without_use_is_named(tmp_path, image, message):
    path = save(tmp_path / "cat" / "a.png", image)
    with pytest.raises(DataError, match=message) as caught:
        read_cutouts(tmp_path, ("cat",))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_foreign_and_huge_files_are_refused(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (50, 50, 4), dtype=np.uint8))
    whole = path.read_bytes()
    for content, message in (
        (whole[: len(whole) // 2], "damaged or truncated"),
        (whole[:20], "damaged or truncated"),
        (b"", "a cut-out is a PNG file with alpha"),
        (b"\xff\xd8\xff\xe0JFIF", "a cut-out is a PNG file with alpha"),
    ):
        path.write_bytes(content)
        with pytest.raises(ImageError, match=message):
            read_cutouts(tmp_path)
    path.write_bytes(whole)
    monkeypatch.setattr("handful.augment.implanting.cutout_files.MAX_PIXELS", 100)
    with pytest.raises(ImageError, match="50 x 50 pixels; at most 100 are read"):
        read_cutouts(tmp_path)


def test_folders_that_are_none_empty_or_no_class_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read_cutouts(tmp_path / "none")
    with pytest.raises(DataError, match="no cut-outs"):
        read_cutouts(tmp_path)
    save(tmp_path / "cta" / "a.png", rgba())
    with pytest.raises(DataError, match=r"the folder 'cta' is no class; .*; did you mean cat\?"):
        read_cutouts(tmp_path, ("cat", "dog"))
