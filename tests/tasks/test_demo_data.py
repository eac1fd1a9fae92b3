import hashlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from handful.core.errors import UsageError
from handful.data.readers import read
from handful.tasks.demo_data import ENLARGED, write_digits


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "digits"
    write_digits(folder)
    return folder


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [str(path.relative_to(folder)).encode() + path.read_bytes() for path in files]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_ten_of_each_are_labelled_a_thousand_are_not_and_the_rest_is_for_the_test(digits):
    splits = read(digits)
    assert splits.train.classes == tuple("0123456789")
    assert Counter(splits.train.targets.tolist()) == dict.fromkeys(range(10), 10)
    assert len(splits.unlabelled) == 1000
    assert len(splits.test) == 1797 - 100 - 1000
    numbers = [path.name for part in (splits.train, splits.test, splits.unlabelled) for path in part.inputs]
    assert len(set(numbers)) == 1797


def test_a_picture_is_its_digit_enlarged_dark_on_white_under_its_own_label(digits):
    known = load_digits()
    for path in [*(digits / "train").glob("*/*.png")][:20]:
        row = int(path.stem)
        assert known.target[row] == int(path.parent.name)
        image = np.asarray(Image.open(path).convert("L"), dtype=float)
        assert image.shape == (8 * ENLARGED, 8 * ENLARGED)
        cells = image.reshape(8, ENLARGED, 8, ENLARGED).mean(axis=(1, 3))
        assert np.corrcoef(cells.ravel(), -known.images[row].ravel())[0, 1] > 0.95


def test_it_writes_the_same_every_time_and_replaces_what_it_wrote(digits, tmp_path):
    (tmp_path / "digits").mkdir()
    write_digits(tmp_path / "digits")
    (tmp_path / "digits" / "train" / "3" / "stray.png").write_text("left over")
    write_digits(tmp_path / "digits")
    assert digest(tmp_path / "digits") == digest(digits)


def test_a_folder_that_it_did_not_write_is_left_alone(tmp_path):
    mine = tmp_path / "digits" / "my scans" / "1.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    with pytest.raises(UsageError, match=r"the folder holds something else; .*digits; choose another --out"):
        write_digits(tmp_path / "digits")
    assert mine.exists()
