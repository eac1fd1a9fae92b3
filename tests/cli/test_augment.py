"""`handful augment` and `handful check` on boxes: one object or a few lines, and one line for what is wrong."""

import json
import re
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def few(write_photos, tmp_path):
    return write_photos(tmp_path / "few", n=4)


@pytest.fixture
def boxes(tmp_path):
    """Two COCO images with two boxes each."""
    (tmp_path / "boxes/images").mkdir(parents=True)
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cell"}]}
    for at in (1, 2):
        pixels = np.random.default_rng(at).integers(0, 255, (50, 70, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"boxes/images/{at}.png")
        content["images"].append({"id": at, "file_name": f"{at}.png", "width": 70, "height": 50})
        for box in ([3, 5, 20, 20], [30, 20, 15, 12]):
            number = len(content["annotations"]) + 1
            content["annotations"].append({"id": number, "image_id": at, "category_id": 1, "bbox": box})
    (tmp_path / "boxes/train.json").write_text(json.dumps(content))
    return tmp_path / "boxes"


def test_copies_print_what_was_done(handful, few, boxes, tmp_path):
    result = handful("augment", few, "--copies", "2", "--out", tmp_path / "out", "--json").json()
    assert {key: result[key] for key in ("task", "policy", "seed", "n", "copies", "written", "skipped", "boxes")} == {
        "task": "image classification",
        "policy": "standard",
        "seed": 0,
        "n": 12,
        "copies": 2,
        "written": 24,
        "skipped": 0,
        "boxes": None,
    }
    assert result["out"] == str(tmp_path / "out")
    assert set(result) >= {"notes", "problems", "seconds"}
    arguments = ("--copies", "1", "--out", tmp_path / "more", "--policy", "none", "--json")
    result = handful("augment", boxes, *arguments).json()
    assert result["boxes"] == {"n": 4, "clipped": 0, "lost": 0, "implanted": 0}


def test_a_sheet_prints_where_it_is(handful, boxes, tmp_path):
    result = handful("augment", boxes, "--sheet", tmp_path / "sheet.png", "--seed", "3", "--json").json()
    assert (result["task"], result["seed"], result["n"]) == ("object detection", 3, 2)
    assert result["sheet"] == str(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert (sheet.format, sheet.width) == ("PNG", 1560)


def test_words_for_people_fit_into_80_columns(handful, few, boxes, tmp_path):
    said = [
        handful("augment", few, "--copies", "1", "--out", tmp_path / "a", "--policy", "strong"),
        handful("augment", boxes, "--copies", "1", "--out", tmp_path / "b", "--implant", "1"),
        handful("augment", boxes, "--sheet", tmp_path / "c.png"),
        handful("check", boxes),
    ]
    for each in said:
        assert (each.code, each.err) == (0, "")
        assert all(len(line) <= 80 or str(tmp_path) in line for line in each.out.splitlines())
    for word in ("policy  strong: flip_h=0.5", "copies  12 written, of 12 originals", "data"):
        assert word in said[0].out
    assert re.search(r"boxes   \d of 4 clipped, \d dropped; \d implanted", said[1].out)
    assert "2 originals with 5 copies each" in " ".join(said[2].out.split())
    again = handful("augment", few, "--copies", "1", "--out", tmp_path / "a", "--policy", "strong")
    assert "copies  0 written, 12 were there" in again.out


def test_check_says_what_a_policy_does_to_boxes(handful, boxes):
    said = handful("check", boxes, "--policy", "translate_x=-0.5..-0.5")
    assert "4 boxes on 2 training images, 1 class: cell 4" in said.out
    assert re.search(r"\ncell +4 +50\.0 \[[\d.]+, [\d.]+\] +50\.0 \[[\d.]+, [\d.]+\]\n", said.out), said.out
    result = handful("check", boxes, "--policy", "translate_x=-0.5..-0.5", "--json").json()
    assert result["by_class"]["cell"]["lost"].keys() == {"value", "low", "high", "n"}
    assert handful("check", boxes, "--json").json()["policy"] == "standard"


def test_check_of_photos_says_what_is_unsafe_of_a_policy(handful, few):
    assert "policy" not in handful("check", few, "--json").json()
    (few / "red").rename(few / "turn_left")
    result = handful("check", few, "--policy", "flip_h=0.5,rotate=5", "--json").json()
    assert result["policy"] == "rotate=5"
    assert any("flip_h is left out" in note for note in result["notes"])
    assert "note: flip_h is left out" in handful("check", few, "--policy", "flips").out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["FEW"], ["what to make is not said; --sheet, --copies; write --sheet FILE.png, or --copies"]),
        (["FEW", "--copies", "2"], ["where the copies should go is not said; --out; write --out DIR"]),
        (["FEW", "--sheet", "S.png", "--copies", "2"], ["a sheet and copies are two jobs; --sheet; leave out"]),
        (["FEW", "--sheet", "S.png", "--out", "OUT"], ["a sheet and copies are two jobs; --sheet; leave out"]),
        (["FEW", "--copies", "0", "--out", "OUT"], ["Invalid value for '--copies': 0", "see handful augment --help"]),
        (["FEW", "--out", "OUT"], ["what to make is not said"]),
        (["FEW", "--copies", "1", "--out", "FEW"], ["the copies would lie among the originals; ", "choose an --out"]),
        (["FEW", "--sheet", "sheet.jpg"], ["a sheet is a PNG file; sheet.jpg; name it"]),
        (["FEW", "--copies", "1", "--out", "OUT", "--policy", "rotat=5"], ["no operation is called 'rotat'", "rotate"]),
        (["FEW", "--copies", "1", "--out", "OUT", "--implant", "1"], ["objects are implanted on images with boxes"]),
        (["GONE", "--copies", "1", "--out", "OUT"], ["no such folder; ", "gone; check the path"]),
        (["TABLE", "--copies", "1", "--out", "OUT"], ["not a folder; ", "supported are image folders and COCO"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_is_one_clear_line(arguments, parts, handful, few, tmp_path):
    (tmp_path / "table.csv").write_text("image,label\n")
    places = {"FEW": few, "OUT": tmp_path / "out", "GONE": tmp_path / "gone", "TABLE": tmp_path / "table.csv"}
    handful("augment", *(places.get(word, word) for word in arguments)).error(*parts)
    assert not (tmp_path / "out").exists()


def test_check_of_boxes_refuses_another_folder_to_test_on(handful, boxes, few):
    handful("check", boxes, "--test", few).error("another folder to test on is for photos without boxes; --test; put")


def test_ctrl_c_says_that_it_goes_on_and_leaves_only_whole_files(write_photos, tmp_path):
    folder = write_photos(tmp_path / "many", n=40)
    command = [sys.executable, "-m", "handful", "augment", folder, "--out", tmp_path / "out", "--copies", "300"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what runs in the background is deaf to Ctrl-C
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, preexec_fn=heard) as process:
        end = time.monotonic() + 30
        while len(list(tmp_path.glob("out/*/*.png"))) < 20 and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said.count("\n")) == (1, 1)
    assert re.fullmatch(r"error: interrupted; .*out; run it again: it goes on where it stopped\n", said)
    assert not list(tmp_path.glob("out/*/.*"))
    assert 20 <= len(list(tmp_path.glob("out/*/*.png"))) < 120 * 301
