"""What a check of a COCO folder says: shares with intervals that know of images, and what is wrong with the files."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from handful.data.coco import read_coco
from handful.tasks import check_boxes as checking
from handful.tasks.audit_boxes import audit_boxes
from handful.tasks.augmenting.source import read_source
from handful.tasks.check_boxes import check_boxes


def write_coco_folder(folder, parts, classes=("cat", "dog")):
    """Parts: name to a list of images, each a list of (category from 1, x, y, width, height) on 100 x 80 pixels."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, images in parts.items():
        content = {"images": [], "annotations": [], "categories": []}
        content["categories"] = [{"id": at, "name": name} for at, name in enumerate(classes, 1)]
        for at, boxes in enumerate(images, 1):
            name = f"{part}{at}.png"
            Image.fromarray(rng.integers(0, 255, (80, 100, 3), np.uint8)).save(folder / "images" / name)
            content["images"].append({"id": at, "file_name": name, "width": 100, "height": 80})
            for category, *box in boxes:
                number = len(content["annotations"]) + 1
                content["annotations"].append({"id": number, "image_id": at, "category_id": category, "bbox": box})
        (folder / f"{part}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def folder(tmp_path):
    """Twelve images with a cat on the left and a dog on the right; the test images are others."""
    both = [(1, 5, 30, 20, 20), (2, 75, 30, 20, 20)]
    return write_coco_folder(tmp_path / "data", {"train": [both] * 12, "test": [both] * 2})


def test_facts(folder):
    result = check_boxes(read_source(folder))
    assert (result["n"], result["n_boxes"], result["classes"]) == (12, 24, ["cat", "dog"])
    assert result["counts"] == {"cat": 12, "dog": 12}
    assert result["splits"] == {
        "train.json": {"part": "train", "images": 12, "boxes": 24},
        "test.json": {"part": "test", "images": 2, "boxes": 4},
    }
    assert (result["findings"], result["policy"]) == ([], "standard")
    json.dumps(result, allow_nan=False)


def test_a_shift_by_half_loses_what_is_on_that_side(folder):
    result = check_boxes(read_source(folder), "translate_x=-0.5..-0.5")
    shares = {name: (each["clipped"]["value"], each["lost"]["value"]) for name, each in result["by_class"].items()}
    assert shares == {"cat": (0, 1), "dog": (0, 0)}
    assert (result["lost"]["value"], result["lost"]["n"]) == (0.5, 24)
    cat = result["by_class"]["cat"]["lost"]
    assert 0.7 < cat["low"] < cat["high"] == 1


def test_a_shift_of_a_tenth_clips_and_nothing_clips_nothing(folder):
    shifted = check_boxes(read_source(folder), "translate_x=-0.1..-0.1")
    assert shifted["by_class"]["cat"]["clipped"]["value"] == 1  # from 5 to -5
    assert shifted["by_class"]["dog"]["clipped"]["value"] == 0
    still = check_boxes(read_source(folder), "none")
    assert (still["clipped"]["value"], still["lost"]["value"], still["clipped"]["low"]) == (0, 0, 0)
    assert still["clipped"]["high"] > 0  # twelve images say something about others, not everything


def test_a_share_between_is_the_share_of_draws(folder):
    result = check_boxes(read_source(folder), "translate_x=-0.4..0")
    # the cat, from 5 to 25, is lost when less than a quarter of it stays: from a shift of 20 on
    assert result["by_class"]["cat"]["lost"]["value"] == pytest.approx(0.5, abs=0.1)
    assert result["by_class"]["cat"]["clipped"]["value"] == pytest.approx(0.375, abs=0.1)


def test_boxes_of_one_image_say_less_than_boxes_of_many(tmp_path):
    left, right = (1, 5, 30, 20, 20), (1, 75, 30, 20, 20)
    few = write_coco_folder(tmp_path / "few", {"train": [[left] * 8, [right] * 8] * 2}, ("cat",))
    many = write_coco_folder(tmp_path / "many", {"train": [[left], [right]] * 16}, ("cat",))
    widths = []
    for folder in (few, many):
        lost = check_boxes(read_source(folder), "translate_x=-0.5..-0.5")["lost"]
        assert (lost["value"], lost["n"]) == (0.5, 32)
        widths.append(lost["high"] - lost["low"])
    assert widths[0] > 1.5 * widths[1]


def test_the_same_seed_says_the_same(folder):
    results = [check_boxes(read_source(folder), seed=seed, jobs=jobs) for seed, jobs in ((0, 1), (0, 4), (1, 1))]
    assert results[0] == results[1]
    assert results[0]["clipped"] != results[2]["clipped"]


def test_a_class_without_boxes_has_no_share_and_is_found(tmp_path):
    images = [[(1, 5, 30, 20, 20)]] * 12
    folder = write_coco_folder(tmp_path / "data", {"train": images}, ("cat", "unicorn"))
    result = check_boxes(read_source(folder))
    assert result["by_class"]["unicorn"] == {"clipped": None, "lost": None}
    (finding,) = result["findings"]
    assert (finding["kind"], finding["names"]) == ("small-class", ("unicorn",))
    assert finding["message"] == "fewer than 10 boxes to learn from: unicorn"


def test_nine_boxes_are_few_and_ten_are_not(tmp_path):
    images = [[(1, 5, 30, 20, 20), (2, 75, 30, 20, 20)]] * 9 + [[(1, 5, 30, 20, 20)]]
    (finding,) = audit_boxes(read_source(write_coco_folder(tmp_path / "data", {"train": images})))
    assert finding.names == ("dog",)


def test_of_very_many_boxes_only_some_images_are_drawn(folder, monkeypatch):
    monkeypatch.setattr(checking, "MOST_BOXES", 5)
    result = check_boxes(read_source(folder))
    assert (result["n_boxes"], result["n_drawn_images"], result["lost"]["n"]) == (24, 3, 6)


def test_a_folder_without_any_box_is_checked_too(tmp_path):
    folder = write_coco_folder(tmp_path / "data", {"train": [[], []]})
    result = check_boxes(read_source(folder))
    assert (result["n_boxes"], result["n_without_boxes"], result["lost"]) == (0, 2, None)


def test_leaks_repeats_and_unusable_files_are_found_by_name(folder):
    images = folder / "images"
    shutil.copy(images / "train1.png", images / "train2.png")
    shutil.copy(images / "train3.png", images / "test1.png")
    (images / "train4.png").write_bytes(b"no picture")
    Image.new("RGB", (80, 100)).save(images / "train5.png")
    found = {finding.kind: finding for finding in audit_boxes(read_source(folder))}
    assert list(found) == ["leak", "unreadable", "duplicate"]
    assert found["leak"].names == ("images/test1.png",)
    assert found["duplicate"].names == ("images/train1.png", "images/train2.png")
    assert found["unreadable"].names == ("images/train4.png", "images/train5.png")
    assert found["leak"].message == "also in the training data: 1 image of another part (images/test1.png)"


def test_the_draws_are_those_that_copies_would_get(folder):
    """Of one image: what the check counts is what its first twenty copies lose."""
    from handful.tasks.augmenting.data_set import Settings, augment_data
    from handful.tasks.augmenting.how import Wish

    policy = "translate_x=-0.4..0,rotate=20"
    checked = check_boxes(read_source(folder), policy, seed=3)
    made = augment_data(read_source(folder), folder.parent / "out", Wish(policy, 3), Settings(n_copies=20))
    assert checked["lost"]["value"] == pytest.approx(made["boxes"]["lost"] / made["boxes"]["n"])
    assert checked["clipped"]["value"] == pytest.approx(made["boxes"]["clipped"] / made["boxes"]["n"])
    n_left = sum(len(image.objects) for image in read_coco(folder.parent / "out")[1].images)
    assert n_left == 24 * 21 - made["boxes"]["lost"]
