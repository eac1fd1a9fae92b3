"""An augmented data set: the same bytes however it is made, and boxes that lie on what they are drawn around."""

import errno
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from handful.augment.policy import Policy
from handful.core.errors import DataError, ImageError, JobError, UsageError
from handful.core.rng import stream
from handful.data.coco import read_coco
from handful.data.readers import read
from handful.tasks.augmenting import data_set as augmenting
from handful.tasks.augmenting import how
from handful.tasks.augmenting.claim import FILE
from handful.tasks.augmenting.data_set import Settings, augment_data, places_of_copies
from handful.tasks.augmenting.how import Wish, copier_for
from handful.tasks.augmenting.sheet import augment_sheet
from handful.tasks.augmenting.source import part_of, pixels_of, read_source

GEOMETRY = "flip_h=0.5,rotate=20,scale=0.2,translate_x=0.1,border=constant"
INK = {"disc": (250, 40, 40), "plate": (40, 250, 40)}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def augment(folder, out, policy="standard", seed=0, implant=0, cutouts=None, **settings):
    wish = Wish(policy, seed, implant, cutouts)
    return augment_data(read_source(folder), out, wish, Settings(**{"n_copies": 2, **settings}))


@pytest.fixture
def classes(tmp_path):
    """`train/` with two classes of three photos of noise, one of them a JPEG; `test/` and a licence beside it."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 3), ("test", 1)):
        for name in ("ape", "bee"):
            (tmp_path / "data" / part / name).mkdir(parents=True)
            for at in range(n):
                suffix = "jpg" if at == 2 else "png"
                photo = Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8))
                photo.save(tmp_path / "data" / part / name / f"{at}.{suffix}")
    (tmp_path / "data" / "LICENSE").write_text("free")
    return tmp_path / "data"


def write_json(folder, name, images, boxes, **more):
    """Boxes are (image number, category number, x, y, width, height), what else there is to say."""
    annotations = [
        {"id": at, "image_id": image, "category_id": category, "bbox": list(box), **(rest[0] if rest else {})}
        for at, (image, category, *box, rest) in enumerate(((*each[:6], each[6:]) for each in boxes), 1)
    ]
    categories = [{"id": 1, "name": "disc"}, {"id": 2, "name": "plate"}]
    listed = [{"id": at, "file_name": file, "width": 90, "height": 60} for at, file in enumerate(images, 1)]
    content = {"images": listed, "annotations": annotations, "categories": categories, **more}
    (folder / name).write_text(json.dumps(content))


@pytest.fixture
def coco(tmp_path):
    """Three training images and a test image, each with a red and a green rectangle on grey, boxed to the pixel."""
    folder = tmp_path / "boxes"
    (folder / "images").mkdir(parents=True)
    boxes = []
    for at in range(1, 5):
        picture = np.full((60, 90, 3), 90, np.uint8)
        for category, (x, y, w, h) in enumerate([(20 + at, 15, 18, 12), (50, 30 + at, 14, 16)], 1):
            picture[y : y + h, x : x + w] = list(INK.values())[category - 1]
            boxes.append((at, category, x, y, w, h, {"score": 10 * at + category}))
        Image.fromarray(picture).save(folder / "images" / f"{at}.png")
    write_json(folder, "train.json", ["1.png", "2.png", "3.png"], [box for box in boxes if box[0] < 4])
    write_json(folder, "test.json", ["4.png"], [(1, *box[1:]) for box in boxes if box[0] == 4])
    return folder


def with_copies(out):
    """An augmented data set as one that does not say so."""
    (out / FILE).unlink()
    return read_source(out)


# What is written


def test_copies_lie_beside_originals_in_the_same_layout(classes, tmp_path):
    result = augment(classes, tmp_path / "out", n_copies=2)
    found = {path for path in contents(tmp_path / "out") if path.startswith("train/ape")}
    names = ("0.png", "0-1.png", "0-2.png", "1.png", "1-1.png", "1-2.png", "2.jpg", "2-1.jpg", "2-2.jpg")
    assert found == {f"train/ape/{name}" for name in names}
    assert (result["n"], result["written"], result["skipped"]) == (6, 12, 0)
    assert [len(part) for part in (read(tmp_path / "out").train, read(tmp_path / "out").test)] == [6, 2]
    for name in names:
        with Image.open(tmp_path / "out" / "train" / "ape" / name) as image:
            assert image.format == ("JPEG" if name.endswith("jpg") else "PNG")


def test_originals_other_parts_and_the_licence_are_copied_as_they_are(classes, tmp_path):
    augment(classes, tmp_path / "out")
    after = contents(tmp_path / "out")
    assert {name: after[name] for name in contents(classes)} == contents(classes)
    assert not [name for name in after if name.startswith("test") and name not in contents(classes)]


def test_copies_are_what_the_policy_makes_of_the_image(classes, tmp_path):
    augment(classes, tmp_path / "out", GEOMETRY, seed=5)
    original = pixels(classes / "train/ape/1.png")
    for number in (1, 2):
        rng = stream(5, "augment", "train/ape/1.png", number)
        written = pixels(tmp_path / "out" / f"train/ape/1-{number}.png")
        assert np.array_equal(written, Policy.parse(GEOMETRY)(original, rng))


def test_without_originals_only_copies_are_there(classes, coco, tmp_path):
    augment(classes, tmp_path / "out", originals=False)
    assert len(read(tmp_path / "out").train) == 12
    augment(coco, tmp_path / "boxes_out", originals=False)
    (train,) = (split for split in read_coco(tmp_path / "boxes_out") if split.name == "train.json")
    assert [image.file_name for image in train.images[:3]] == ["1-1.png", "1-2.png", "2-1.png"]


def test_names_that_are_taken_are_left_alone(classes):
    for name in ("0-1.PNG", "0--2.png", "1.gif"):
        shutil.copy(classes / "train/ape/0.png", classes / "train/ape" / name)
    source = read_source(classes)
    places = dict(zip([example.place for example in source.examples], places_of_copies(source, 2), strict=True))
    assert places["train/ape/0.png"] == ("train/ape/0---1.png", "train/ape/0---2.png")
    flat = [place.casefold() for each in places.values() for place in each] + [place.casefold() for place in places]
    assert len(flat) == len(set(flat))


def test_a_name_by_which_another_image_is_looked_for_is_taken_too(coco):
    (coco / "train").mkdir()
    (coco / "images/2.png").rename(coco / "train/1-1.png")
    write_json(coco, "train.json", ["1.png", "1-1.png"], [])
    source = read_source(coco)
    assert [example.place for example in source.examples] == ["images/1.png", "train/1-1.png"]
    assert places_of_copies(source, 1) == [("images/1--1.png",), ("train/1-1-1.png",)]


def test_sideways_photos_are_turned_upright_and_grey_stays_grey(classes, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new("RGB", (40, 20), "red").save(classes / "train/ape/side.jpg", exif=exif)
    levels = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
    Image.fromarray(levels).save(classes / "train/ape/grey.png")
    augment(classes, tmp_path / "out", "flip_h=0.5")
    assert pixels(tmp_path / "out/train/ape/side-1.jpg").shape == (40, 20, 3)
    with Image.open(tmp_path / "out/train/ape/grey-1.png") as grey:
        assert grey.mode == "L"
        assert np.array_equal(np.sort(np.asarray(grey), axis=1), np.sort(levels, axis=1))


def test_a_copy_may_be_read_by_whom_the_original_may_be_read(classes, tmp_path):
    (classes / "train/ape/0.png").chmod(0o640)
    (classes / "train/ape/1.png").chmod(0o644)
    augment(classes, tmp_path / "out")
    modes = [(tmp_path / "out/train/ape" / name).stat().st_mode & 0o777 for name in ("0-1.png", "0.png", "1-1.png")]
    assert modes == [0o640, 0o640, 0o644]


def test_names_of_files_may_be_no_text(classes, tmp_path):
    strange = os.fsdecode(b"train/\xe9t\xe9/\xff.png")
    (classes / strange).parent.mkdir()
    shutil.copy(classes / "train/ape/0.png", classes / strange)
    shutil.rmtree(classes / "test")
    assert augment(classes, tmp_path / "out")["n"] == 7
    assert (tmp_path / "out" / strange.replace(".png", "-2.png")).is_file()
    augment_sheet(read_source(classes), tmp_path / "sheet.png", Wish())


# The same bytes


@pytest.mark.parametrize("kind", ["classes", "coco", "implants"])
def test_the_bytes_depend_on_the_seed_and_not_on_the_threads(kind, request, tmp_path):
    folder = request.getfixturevalue("classes" if kind == "classes" else "coco")
    implant = 2 if kind == "implants" else 0
    for name, jobs, seed in (("one", 1, 0), ("four", 4, 0), ("other", 4, 1)):
        augment(folder, tmp_path / name, "strong", seed, implant, jobs=jobs)
    assert contents(tmp_path / "one") == contents(tmp_path / "four")
    assert contents(tmp_path / "one") != contents(tmp_path / "other")


@pytest.mark.parametrize("kind", ["classes", "coco", "implants"])
def test_what_a_killed_run_left_is_gone_on_with(kind, request, tmp_path):
    folder = request.getfixturevalue("classes" if kind == "classes" else "coco")
    implant = 2 if kind == "implants" else 0
    out = tmp_path / "out"
    first = augment(folder, out, implant=implant)
    whole = contents(out)
    half = sorted(path for path in out.rglob("*-2.*"))
    for path in [*half, *out.glob("train.json")]:
        path.unlink()
    (half[0].parent / ".writing-x1").write_bytes(b"half of a picture")
    before = json.loads((out / FILE).read_text())
    (out / FILE).write_text(json.dumps({**before, "complete": False}))
    again = augment(folder, out, implant=implant)
    assert contents(out) == whole
    assert (again["written"], again["skipped"]) == (len(half), first["written"] - len(half))
    assert again["boxes"] == first["boxes"]


def test_a_run_that_fails_says_so_and_the_next_one_ends_with_the_same_bytes(classes, tmp_path, monkeypatch):
    augment(classes, tmp_path / "whole")
    written, encoded = [], augmenting.encoded

    def full_disk(image, suffix):
        written.append(1)
        if len(written) > 4:
            raise OSError(errno.ENOSPC, "No space left on device", "there")
        return encoded(image, suffix)

    with monkeypatch.context() as patch:
        patch.setattr(augmenting, "encoded", full_disk)
        with pytest.raises(JobError, match=r"cannot write: No space left on device; there; mend that and run it again"):
            augment(classes, tmp_path / "out", jobs=1)
    assert json.loads((tmp_path / "out" / FILE).read_text())["complete"] is False
    assert augment(classes, tmp_path / "out")["skipped"] == 4
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"policy": "light"}, "begun with policy flip_h=0.5,resized_crop.* now it is flip_h=0.5,scale.*"),
        ({"seed": 1}, "begun with seed 0, now it is 1"),
        ({"n_copies": 3}, "begun with copies 2, now it is 3"),
        ({"originals": False}, "begun with originals True, now it is False"),
    ],
)
def test_a_folder_begun_in_another_way_is_refused(change, what, classes, tmp_path):
    augment(classes, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(UsageError, match=rf"{what}; .*out; choose another --out, or remove that folder"):
        augment(classes, tmp_path / "out", **change)
    assert contents(tmp_path / "out") == before


def test_changed_data_and_other_versions_are_refused_too(classes, tmp_path, monkeypatch):
    augment(classes, tmp_path / "out")
    about = json.loads((tmp_path / "out" / FILE).read_text())
    for versions, what in (
        ({**about["versions"], "numpy": "1.0"}, "numpy 1.0, now it is"),
        ({**about["versions"], "gone": "2"}, "gone 2, now it is None"),
        (["numpy"], "handful None, now it is"),
    ):
        (tmp_path / "out" / FILE).write_text(json.dumps({**about, "versions": versions}))
        with pytest.raises(UsageError, match=rf"the folder was begun with {what}"):
            augment(classes, tmp_path / "out")
    (tmp_path / "out" / FILE).write_text(json.dumps(about))
    (classes / "train/ape/1.png").rename(classes / "train/ape/01.png")
    with pytest.raises(UsageError, match="begun with other data: files have changed since"):
        augment(classes, tmp_path / "out")
    (classes / "train/ape/01.png").rename(classes / "train/ape/1.png")
    shutil.copy(classes / "train/ape/0.png", classes / "train/bee/0.png")
    with pytest.raises(UsageError, match="begun with other data: files have changed since"):
        augment(classes, tmp_path / "out")


def test_what_lies_in_the_data_or_is_something_else_is_refused(classes, tmp_path):
    with pytest.raises(UsageError, match=r"the copies would lie among the originals; .*choose an --out elsewhere"):
        augment(classes, classes / "train" / "more")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(UsageError, match="something that is no augmented data set stands at the destination"):
        augment(classes, tmp_path / "mine")
    assert contents(tmp_path / "mine") == {"thesis.txt": b"all of it"}


def test_a_damaged_record_of_how_it_was_made_is_an_error_and_an_empty_start_is_begun_anew(classes, tmp_path):
    (tmp_path / "out/train").mkdir(parents=True)
    (tmp_path / "out" / FILE).write_text("{half")
    with pytest.raises(DataError, match=r"not JSON: .*augment.json; remove the folder, or choose another --out"):
        augment(classes, tmp_path / "out")
    (tmp_path / "out" / FILE).write_text("[" * 200_000)
    with pytest.raises(DataError, match=r"not JSON: .*augment.json"):
        augment(classes, tmp_path / "out")
    (tmp_path / "out/train").rmdir()
    augment(classes, tmp_path / "out")  # of a run that failed before its first picture nothing need be kept
    augment(classes, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


# What cannot be read


def test_unreadable_images_are_named_and_left_out_or_refused(classes, tmp_path):
    (classes / "train/bee/0.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    result = augment(classes, tmp_path / "out")
    assert [Path(problem["input"]).name for problem in result["problems"]] == ["0.png"]
    assert result["n"] == 5
    assert any(note.startswith("left out: 1 unreadable image: ") and "bee/0.png (" in note for note in result["notes"])
    assert not list((tmp_path / "out/train/bee").glob("0*"))
    with pytest.raises(ImageError, match=r"bee/0.png; replace or remove it"):
        augment(classes, tmp_path / "strict", strict=True)
    assert not (tmp_path / "strict").exists()  # nothing is begun that the next try would stumble over


def test_nothing_to_augment_is_an_error(classes, tmp_path):
    for path in (classes / "train").rglob("*.*"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of the 6 images can be read"):
        augment(classes, tmp_path / "out")
    with pytest.raises(DataError, match="no such folder"):
        read_source(classes / "gone")


def test_an_image_of_another_size_than_its_annotation_is_left_out(coco, tmp_path):
    Image.new("RGB", (60, 90)).save(coco / "images/2.png")
    result = augment(coco, tmp_path / "out")
    assert [problem["reason"] for problem in result["problems"]] == [
        "the image has 60 x 90 pixels, its annotation 90 x 60"
    ]
    train = read_coco(tmp_path / "out")[1]
    assert [image.file_name for image in train.images] == [
        f"{at}{copy}.png" for at in (1, 3) for copy in ("", "-1", "-2")
    ]


# Boxes


def around(picture, colour):
    """The box around the pixels that are at least half of a colour, xyxy."""
    rows, columns = np.nonzero(np.abs(picture.astype(int) - colour).sum(axis=2) < 150)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def test_boxes_lie_on_what_they_are_drawn_around(coco, tmp_path):
    augment(coco, tmp_path / "out", GEOMETRY, n_copies=6)
    test, train = read_coco(tmp_path / "out")
    assert [len(split.images) for split in (test, train)] == [1, 21]
    n_boxes = 0
    for example in with_copies(tmp_path / "out").examples:
        picture = pixels_of(example)
        for box, label in zip(example.objects.boxes, example.objects.labels, strict=True):
            assert np.abs(box - around(picture, INK[train.classes[label]])).max() < 1.6
            n_boxes += 1
    assert n_boxes > 35


def test_what_belongs_to_a_box_goes_with_it_and_what_is_out_of_sight_is_dropped(coco, tmp_path):
    result = augment(coco, tmp_path / "out", "translate_x=-0.4..-0.4", n_copies=1)
    train = read_coco(tmp_path / "out")[1]
    copies = [image for image in train.images if "-" in image.file_name]
    assert [[row["score"] for row in image.kept] for image in copies] == [[12], [22], [31, 32]]
    assert copies[0].objects.boxes.tolist() == [[14, 31, 28, 47]]
    assert result["boxes"] == {"n": 6, "clipped": 1, "lost": 2, "implanted": 0}


def test_a_box_is_clipped_when_it_keeps_a_part(coco, tmp_path):
    result = augment(coco, tmp_path / "out", "translate_x=-0.3..-0.3", n_copies=1)
    assert result["boxes"] == {"n": 6, "clipped": 3, "lost": 0, "implanted": 0}
    first = next(image for image in read_coco(tmp_path / "out")[1].images if image.file_name == "1-1.png")
    assert first.objects.boxes.tolist() == [[0, 15, 12, 27], [23, 31, 37, 47]]


def test_no_object_is_shown_again_without_a_box(coco, tmp_path):
    def n_unboxed(out, policy):
        augment(coco, out, policy, n_copies=6)
        unboxed = 0
        for example in with_copies(out).examples:
            picture = pixels_of(example).astype(int)
            ink = np.min([np.abs(picture - colour).sum(axis=2) for colour in INK.values()], axis=0) < 150
            for left, top, right, bottom in example.objects.boxes.round().astype(int):
                ink[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1] = False
            unboxed += int(ink.sum())
        return unboxed

    policy = "rotate=40,scale=-0.6..0"
    assert n_unboxed(tmp_path / "black", policy) == 0
    assert n_unboxed(tmp_path / "mirrored", f"{policy},border=reflect") > 500


def test_outlines_and_keypoints_move_and_left_becomes_right(coco, tmp_path):
    polygon = [20, 15, 40, 15, 40, 30, 20, 30]
    points = [21, 16, 2, 39, 17, 2]
    write_json(
        coco,
        "train.json",
        ["1.png"],
        [(1, 1, 20, 15, 20, 15, {"segmentation": [polygon], "keypoints": points})],
        categories=[{"id": 1, "name": "disc", "keypoints": ["left_eye", "right_eye"]}],
    )
    (coco / "test.json").unlink()
    augment(coco, tmp_path / "out", "flip_h=1", n_copies=1)
    (split,) = read_coco(tmp_path / "out")
    objects = split.images[1].objects
    assert objects.boxes.tolist() == [[50, 15, 70, 30]]
    assert sorted(map(tuple, objects.outlines[0][0])) == [(50, 15), (50, 30), (70, 15), (70, 30)]
    assert objects.keypoints[0].tolist() == [[51, 17, 2], [69, 16, 2]]


def test_flips_are_left_out_where_class_names_tell_left_from_right(classes, tmp_path):
    (classes / "train/ape").rename(classes / "train/turn_left")
    shutil.rmtree(classes / "test")
    result = augment(classes, tmp_path / "out", "flip_h=1")
    assert any("flip_h is left out" in note for note in result["notes"])
    for number in (1, 2):
        copy = pixels(tmp_path / f"out/train/turn_left/0-{number}.png")
        assert np.array_equal(copy, pixels(classes / "train/turn_left/0.png"))


# Implants


def test_implants_of_a_folder_get_boxes_that_lie_on_them(coco, tmp_path):
    (tmp_path / "cut/plate").mkdir(parents=True)
    blue = np.zeros((20, 20, 4), np.uint8)
    blue[4:16, 2:18] = (20, 20, 250, 255)
    Image.fromarray(blue).save(tmp_path / "cut/plate/blue.png")
    result = augment(coco, tmp_path / "out", "none", implant=1, cutouts=tmp_path / "cut", n_copies=3)
    assert result["boxes"]["implanted"] == 9
    found = 0
    for image in read_coco(tmp_path / "out")[1].images:
        if "-" in image.file_name:
            picture = pixels(image.path)
            box, label = image.objects.boxes[-1], image.objects.labels[-1]
            assert np.abs(box - around(picture, (20, 20, 250))).max() < 1.6
            assert (label, image.kept[-1]) == (1, {"iscrowd": 0})
            assert not image.objects.outlines
            found += 1
    assert found == 9


def test_implants_are_cut_from_the_data_themselves_and_said(coco, tmp_path):
    result = augment(coco, tmp_path / "out", implant=2, n_copies=1)
    assert result["boxes"]["implanted"] > 0
    assert any(note.startswith("implanted from 6 cut-outs (disc 3, plate 3)") for note in result["notes"])


def test_an_outline_too_thin_to_be_cut_out_is_no_cutout(coco, tmp_path):
    hair = {"segmentation": [[20, 15, 40, 31, 40, 31.2, 20, 15.2]]}
    square = {"segmentation": [[50, 30, 64, 30, 64, 44, 50, 44]]}
    boxes = [(1, 1, 20, 15, 20, 16.2, hair), (1, 2, 50, 30, 14, 14, square)]
    write_json(coco, "train.json", ["1.png"], boxes)
    result = augment(coco, tmp_path / "out", implant=1, n_copies=1)
    assert "implanted from 1 cut-out (plate 1), got by outline 1" in result["notes"]


def test_crowds_are_not_cut_out_and_objects_that_the_edge_cuts_come_last(coco, monkeypatch):
    crowd = {"iscrowd": 1}
    boxes = [(1, 1, 0, 0, 30, 20), (1, 2, 10, 10, 20, 20, crowd), (2, 1, 40, 30, 50, 30), (3, 1, 10, 10, 12, 12)]
    write_json(coco, "train.json", ["1.png", "2.png", "3.png"], boxes)
    monkeypatch.setattr(how, "MOST_CUTOUTS", 1)
    for seed in range(4):
        (cutout,) = copier_for(read_source(coco), Wish("none", seed, implant=1))[0].cutouts
        assert cutout.label == 0
        assert max(cutout.image.shape[:2]) < 20


def test_which_objects_are_cut_out_is_drawn_by_the_seed(coco, monkeypatch):
    monkeypatch.setattr(how, "MOST_CUTOUTS", 1)
    for at in (1, 2, 3):
        Image.new("RGB", (90, 60), (at, at, at)).save(coco / f"images/{at}.png")
    source = read_source(coco)
    drawn = {copier_for(source, Wish("none", seed, implant=1))[0].cutouts[0].image[0, 0, 0] for seed in range(9)}
    assert len(drawn) > 1


def test_implants_are_mirrored_only_where_left_and_right_are_the_same(coco):
    wish = Wish("none", implant=1)
    assert copier_for(read_source(coco), wish)[0].implanting.may_mirror
    (coco / "train.json").write_text((coco / "train.json").read_text().replace('"plate"', '"left plate"'))
    assert not copier_for(read_source(coco), wish)[0].implanting.may_mirror


def test_implants_need_boxes_and_cutouts_need_implants(classes, coco, tmp_path):
    with pytest.raises(UsageError, match="objects are implanted on images with boxes"):
        augment(classes, tmp_path / "out", implant=1)
    with pytest.raises(UsageError, match="cut-outs are given and none is to be implanted; --cutouts; write --implant"):
        augment(coco, tmp_path / "out", cutouts=tmp_path)
    assert not (tmp_path / "out").exists()


# Parts


@pytest.mark.parametrize(
    ("name", "part"),
    [("train.json", "train"), ("annotations/instances_val2017.json", "val"), ("test/_annotations.coco.json", "test")],
)
def test_the_name_of_a_file_says_its_part(name, part):
    assert part_of(name) == part


def test_a_folder_with_one_file_is_learned_from_and_one_without_training_is_refused(coco):
    (coco / "train.json").rename(coco / "instances_all.json")
    with pytest.raises(DataError, match=r"0 files to learn from among instances_all.json, test.json"):
        read_source(coco)
    (coco / "test.json").unlink()
    assert len(read_source(coco).examples) == 3


def test_threads_of_opencv_are_what_they_were(classes, tmp_path):
    before = cv2.getNumThreads()
    augment(classes, tmp_path / "out")
    assert cv2.getNumThreads() == before


def test_an_augmented_coco_folder_counts_its_originals_alone(coco, tmp_path):
    augment(coco, tmp_path / "out", n_copies=2)
    source, before = read_source(tmp_path / "out"), read_source(coco)
    assert [example.place for example in source.examples] == [example.place for example in before.examples]
    n = len(before.examples)
    assert f"{2 * n} augmented copies are left aside: they are no new examples" in source.notes
    again = augment(tmp_path / "out", tmp_path / "again", n_copies=2)
    assert again["n"] == n
    for path in (tmp_path / "out" / "images").iterdir():
        assert (tmp_path / "again" / "images" / path.name).read_bytes() == path.read_bytes()
