import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from handful.data.readers import read
from handful.tasks.check_images import check_images


def plain(colour, rng):
    image = rng.integers(90, 120, (32, 32, 3)).astype(np.uint8)
    return cv2.circle(image, [int(at) for at in rng.integers(12, 20, 2)], 9, colour, -1)


@pytest.fixture
def clean(tmp_path):
    """Two classes of eight that nobody can mistake."""
    rng = np.random.default_rng(0)
    for name, colour in {"blue": (20, 20, 230), "red": (230, 20, 20)}.items():
        (tmp_path / "train" / name).mkdir(parents=True)
        for at in range(8):
            Image.fromarray(plain(colour, rng)).save(tmp_path / "train" / name / f"{at}.png")
    return tmp_path


def kinds(result):
    return {finding["kind"]: finding for finding in result["findings"]}


def ends(names):
    return [name.split(" (")[0].split("/")[-2:] for name in names]


def test_clean_data_have_no_findings(tiny, clean):
    result = check_images(read(clean))
    assert result["findings"] == []
    assert result["counts"] == {"blue": 8, "red": 8}
    counted = [result[key] for key in ("n", "n_test", "n_unlabelled", "n_unreadable", "leaked")]
    assert counted == [16, 0, 0, 0, 0]
    json.dumps(result, allow_nan=False)


def test_a_planted_wrong_label_is_found_and_nothing_else(tiny, clean):
    Image.fromarray(plain((20, 20, 230), np.random.default_rng(9))).save(clean / "train" / "red" / "wrong.png")
    suspects = kinds(check_images(read(clean)))["suspect-label"]
    assert ends(suspects["names"]) == [["red", "wrong.png"]]
    assert "wrong.png (labelled red, looks like blue)" in suspects["names"][0]
    assert suspects["severity"] == "warning"


def test_planted_repeats_contradictions_and_leaks_are_found(tiny, clean):
    train = clean / "train"
    shutil.copy(train / "blue" / "0.png", train / "blue" / "again.png")
    shutil.copy(train / "blue" / "1.png", train / "red" / "other.png")
    (clean / "test").mkdir()
    shutil.copytree(train / "red", clean / "test" / "red")
    (clean / "test" / "blue").mkdir()
    Image.fromarray(plain((20, 20, 230), np.random.default_rng(5))).save(clean / "test" / "blue" / "new.png")
    result = check_images(read(clean))
    found = kinds(result)
    assert ends(found["duplicate"]["names"]) == [["blue", "0.png"], ["blue", "again.png"]]
    assert ends(found["contradiction"]["names"]) == [["blue", "1.png"], ["red", "other.png"]]
    assert found["contradiction"]["severity"] == "problem"
    assert len(found["leak"]["names"]) == 9
    assert (result["leaked"], result["n_test"]) == (9, 1)


def test_unreadable_files_small_classes_and_imbalance_are_found(tiny, clean):
    train = clean / "train"
    (train / "blue" / "0.png").write_text("no photo")
    for at in range(1, 8):
        (train / "red" / f"{at}.png").unlink()
    result = check_images(read(clean))
    found = kinds(result)
    assert ends(found["unreadable"]["names"]) == [["blue", "0.png"]]
    assert found["small-class"]["names"] == ("red",)
    assert found["imbalance"]["names"] == ("blue", "red")
    assert "suspect-label" not in found  # a single red photo has nothing to be compared with
    assert result["n_unreadable"] == 1


def test_the_unlabelled_are_counted_and_the_same_seed_finds_the_same(tiny, clean):
    shutil.copytree(clean / "train" / "red", clean / "unlabelled")
    results = [json.dumps(check_images(read(clean), seed=3)) for _ in range(2)]
    assert results[0] == results[1]
    assert json.loads(results[0])["n_unlabelled"] == 8
