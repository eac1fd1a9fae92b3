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


@pytest.mark.parametrize("originals", [True, False])
def test_an_augmented_data_set_is_read_with_copies_and_original_in_one_group(originals, write_photos, tmp_path):
    photos = write_photos(tmp_path / "photos", n=3, classes=("blue", "red"))
    (photos / "red" / "0.png").rename(photos / "red" / "2-1.png")  # looks like a copy and is none
    augment_data(read_source(photos), tmp_path / "more", Wish("flips"), Settings(2, originals, jobs=1))
    splits = read(tmp_path / "more")
    groups = {}
    for path, group in zip(splits.train.inputs, splits.train.groups, strict=True):
        groups.setdefault(group, set()).add(path.relative_to(tmp_path / "more").as_posix())
    assert len(groups) == 6
    assert {len(members) for members in groups.values()} == {3 if originals else 2}
    odd = next(members for members in groups.values() if "red/2-1-1.png" in members)
    assert odd == {"red/2-1-1.png", "red/2-1-2.png"} | ({"red/2-1.png"} if originals else set())
    assert any("copies of one photo count as one example" in note for note in splits.notes)


@pytest.mark.parametrize("originals", [True, False])
def test_copies_of_copies_belong_to_the_first_original(originals, write_photos, tmp_path):
    photos = write_photos(tmp_path / "photos", n=3, classes=("blue", "red"))
    augment_data(read_source(photos), tmp_path / "once", Wish("flips"), Settings(1, jobs=1))
    augment_data(read_source(tmp_path / "once"), tmp_path / "twice", Wish("light"), Settings(2, originals, jobs=1))
    train = read(tmp_path / "twice").train
    assert set(train.groups) == {path.relative_to(photos).as_posix() for path in photos.glob("*/*.png")}
    assert len(train) == 6 * (2 * 2 + 2 * originals)


def test_test_photos_are_each_a_group_of_their_own(write_photos, tmp_path):
    write_photos(tmp_path / "photos" / "train", n=3, classes=("blue", "red"))
    write_photos(tmp_path / "photos" / "test", n=2, classes=("blue", "red"))
    augment_data(read_source(tmp_path / "photos"), tmp_path / "more", Wish("flips"), Settings(1, jobs=1))
    splits = read(tmp_path / "more")
    assert len(np.unique(splits.test.groups)) == len(splits.test) == 4
    assert len(np.unique(splits.train.groups)) == 6


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
