"""Copies of one photo are one example to whoever splits."""

import json

import numpy as np
import pytest

from handful.core.errors import DataError
from handful.data import origins as accounts
from handful.data.origins import read_origins
from handful.data.readers import read
from handful.tasks.augmenting.data_set import Settings, augment_data
from handful.tasks.augmenting.how import Wish
from handful.tasks.augmenting.source import read_source


def test_a_folder_that_is_not_augmented_has_none(tmp_path):
    assert read_origins(tmp_path) == {}


@pytest.mark.parametrize("layout", ["itself", "as train", "as train, beside a test set"])
def test_copies_are_left_aside_where_their_original_is_there(layout, write_photos, tmp_path):
    photos = write_photos(tmp_path / "photos", n=3, classes=("blue", "red"))
    (photos / "red" / "0.png").rename(photos / "red" / "2-1.png")  # looks like a copy and is none
    place = tmp_path / "more" if layout == "itself" else tmp_path / "more" / "train"
    augment_data(read_source(photos), place, Wish("flips"), Settings(2, jobs=1))
    if layout.endswith("test set"):
        write_photos(tmp_path / "more" / "test", n=2, classes=("blue", "red"))
    splits = read(tmp_path / "more")
    names = sorted(path.relative_to(place).as_posix() for path in splits.train.inputs)
    assert names == ["blue/0.png", "blue/1.png", "blue/2.png", "red/1.png", "red/2-1.png", "red/2.png"]
    assert splits.train.groups is None
    assert any("12 augmented copies are left aside: they are no new examples" in note for note in splits.notes)
    assert splits.test is None or len(splits.test) == 4


def test_copies_without_their_original_are_a_group(write_photos, tmp_path):
    photos = write_photos(tmp_path / "photos", n=3, classes=("blue", "red"))
    augment_data(read_source(photos), tmp_path / "more", Wish("flips"), Settings(2, originals=False, jobs=1))
    splits = read(tmp_path / "more")
    assert len(splits.train) == 12
    assert np.bincount(np.unique(splits.train.groups, return_inverse=True)[1]).tolist() == [2] * 6


@pytest.mark.parametrize("content", ["{", "[]", "{}", json.dumps({"origins": [1]}), json.dumps({"complete": False})])
def test_a_damaged_or_unfinished_account_is_refused(content, tmp_path):
    (tmp_path / "augment.json").write_text(content)
    with pytest.raises(DataError, match=r"augment\.json does not say which images are copies of which; .*; finish"):
        read_origins(tmp_path)


def test_an_account_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(accounts, "MOST_BYTES", 10)
    (tmp_path / "augment.json").write_text(json.dumps({"origins": {}}))
    with pytest.raises(DataError, match=r"augment\.json is too large to be ours; .*; remove it, or augment again"):
        read_origins(tmp_path)
