import json

import numpy as np
import pytest

from handful.core.errors import DataError, UsageError
from handful.core.progress import Progress
from handful.nn.backbones import backbone_named
from handful.nn.pretrained import CONFIG, FILES, WEIGHTS
from handful.tasks.pretraining import images as pretraining
from handful.tasks.pretraining.desk import Desk
from handful.tasks.pretraining.images import pool_files
from handful.tasks.pretraining.images import pretrain_on_images as pretrain
from handful.tasks.pretraining.settings import Settings

FEW = Settings(size=24, budget="4steps")


@pytest.fixture(scope="module")
def pool(tmp_path_factory, write_photos):
    """24 photos in class folders; read only."""
    return write_photos(tmp_path_factory.mktemp("pool"))


def desks(tmp_path):
    return [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")]


class Told(Progress):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


def test_a_backbone_is_written_with_an_account_and_nothing_else_is_left(pool, tmp_path):
    account = pretrain(pool, FEW, tmp_path / "out")
    assert {entry.name for entry in (tmp_path / "out").iterdir()} == FILES
    assert desks(tmp_path) == []
    assert (account["n"], account["steps"], account["curve"], account["notes"]) == (24, 4, [], [])
    assert account["backbone"] == str(tmp_path / "out")
    json.dumps(account, allow_nan=False)
    assert backbone_named(str(tmp_path / "out")).spec.size == 24


def test_a_number_of_steps_gives_the_same_bytes(pool, tmp_path):
    for name in ("one", "two"):
        pretrain(pool, FEW, tmp_path / name)
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


class Killed(Exception):
    pass


def kill_after(monkeypatch, n_looks):
    """The process dies when it has looked at the labelled examples so often."""
    seen, accuracy = [], pretraining.Labelled.accuracy

    def looked(self, backbone):
        seen.append(backbone)
        if len(seen) > n_looks:
            raise Killed
        return accuracy(self, backbone)

    monkeypatch.setattr(pretraining.Labelled, "accuracy", looked)


def test_a_killed_run_goes_on_to_the_same_bytes_and_the_same_curve(pool, photos, tmp_path, monkeypatch):
    settings = Settings(size=24, budget="4steps", labels=photos)
    monkeypatch.setattr(pretraining, "SECONDS_APART", 0.0)  # a checkpoint at every step
    whole = pretrain(pool, settings, tmp_path / "whole")
    with monkeypatch.context() as patch:
        kill_after(patch, 3)
        with pytest.raises(Killed):
            pretrain(pool, settings, tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
    assert desks(tmp_path) == [".parts.unfinished"]
    told = Told()
    parts = pretrain(pool, settings, tmp_path / "parts", told)
    assert "going on where an interrupted run stopped" in told.notes
    assert whole["curve"] == parts["curve"]
    assert [row["step"] for row in parts["curve"]] == [0, 1, 2, 3, 4]
    assert (
        len([note for note in told.notes if "the probe is right" in note]) < 5
    )  # what was seen is not looked at again
    assert (tmp_path / "whole" / WEIGHTS).read_bytes() == (tmp_path / "parts" / WEIGHTS).read_bytes()
    assert desks(tmp_path) == []


def test_what_was_seen_after_the_last_checkpoint_is_seen_again(tmp_path):
    desk = Desk(tmp_path / "desk", {})
    assert desk.curve(9) == []
    desk.keep([{"step": step, "accuracy": 0.5} for step in range(5)])
    assert [row["step"] for row in desk.curve(3)] == [0, 1, 2]


def test_a_killed_run_does_not_go_on_in_another_way(pool, tmp_path):
    Desk(tmp_path / ".out.unfinished", {"method": "vicreg"}).claim({"steps": 4, "every": 1})
    with pytest.raises(UsageError, match=r"begun there with method vicreg, now it is simclr; .*unfinished; remove"):
        pretrain(pool, FEW, tmp_path / "out")
    (tmp_path / ".out.unfinished" / "plan.json").write_text("[]")
    with pytest.raises(DataError, match="what an interrupted run left is damaged"):
        pretrain(pool, FEW, tmp_path / "out")


def test_the_probe_is_that_of_handful_by_leave_one_out(pool, photos, tmp_path):
    account = pretrain(pool, Settings(size=24, budget="1steps", labels=photos), tmp_path / "out")
    assert [row["step"] for row in account["curve"]] == [0, 1]
    assert all(0 <= row["accuracy"] <= 1 for row in account["curve"])
    assert "| 1 | " in (tmp_path / "out" / "README.md").read_text()


def test_labels_change_nothing_that_is_learned(pool, photos, tmp_path):
    pretrain(pool, FEW, tmp_path / "without")
    pretrain(pool, Settings(size=24, budget="4steps", labels=photos), tmp_path / "with")
    assert (tmp_path / "without" / WEIGHTS).read_bytes() == (tmp_path / "with" / WEIGHTS).read_bytes()


def test_time_is_a_ceiling(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "MOST_EPOCHS", 10**6)
    monkeypatch.setattr(pretraining, "SHARE_OF_TIME", 50.0)  # far too many steps are planned
    account = pretrain(pool, Settings(size=24, budget="5s"), tmp_path / "out")
    assert account["notes"][-1].startswith("the time was up after")
    assert account["steps"] >= 1


def test_a_small_pool_is_not_learned_by_heart(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "MOST_EPOCHS", 2)
    assert pretrain(pool, Settings(size=24, budget="1h"), tmp_path / "out")["epochs"] == 2


def test_a_pool_is_what_lies_in_unlabelled_or_everything_but_the_test_set(tmp_path, write_photos):
    write_photos(tmp_path / "train", n=2)
    write_photos(tmp_path / "test", n=1)
    (tmp_path / "train" / "notes.txt").write_text("no image")
    files, notes = pool_files(tmp_path)
    assert len(files) == 6
    assert not any("test" in file.parts[len(tmp_path.parts) :] for file in files)
    assert notes == ["3 images of the test set are left out: nothing learns from them"]
    write_photos(tmp_path / "unlabelled" / "deep", n=3)
    assert len(pool_files(tmp_path)[0]) == 9


def test_damaged_images_are_left_out_and_said(tmp_path, write_photos):
    write_photos(tmp_path / "pool")
    (tmp_path / "pool" / "red" / "0.png").write_bytes(b"no image")
    account = pretrain(tmp_path / "pool", FEW, tmp_path / "out")
    assert account["n"] == 23
    assert account["notes"] == ["1 file could not be read and left out"]


def no_folder(folder, write_photos):
    pass


def nothing(folder, write_photos):
    folder.mkdir()


def texts(folder, write_photos):
    folder.mkdir()
    (folder / "a.txt").write_text("a")


def one(folder, write_photos):
    write_photos(folder, n=1, classes=("red",))


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (no_folder, "there is no such folder"),
        (nothing, "the folder holds no files"),
        (texts, "none of the 1 file is an image"),
        (one, "the pool holds one image"),
    ],
)
def test_a_pool_of_nothing_is_refused_and_nothing_is_written(tmp_path, write_photos, fill, said):
    fill(tmp_path / "pool", write_photos)
    with pytest.raises(DataError, match=said):
        pretrain(tmp_path / "pool", FEW, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "pool"] == []


@pytest.mark.parametrize("budget", ["", "0s", "-1m", "40fits", "0steps", "soon"])
def test_a_budget_that_cannot_be_read_is_refused(pool, tmp_path, budget):
    with pytest.raises(UsageError, match=r"cannot read the budget .*; budget; write 90s, 15m, 1h or 400steps"):
        pretrain(pool, Settings(size=24, budget=budget), tmp_path / "out")


def test_what_is_no_backbone_is_not_replaced(pool, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match="something that is no backbone stands at the destination"):
        pretrain(pool, FEW, tmp_path / "photos")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / CONFIG).write_text('{"model_type": "vit"}')
    with pytest.raises(UsageError, match="something that is no backbone of handful stands"):
        pretrain(pool, FEW, tmp_path / "model")
    with pytest.raises(UsageError, match="the backbone would lie among the examples"):
        pretrain(pool, FEW, pool / "out")


def test_a_backbone_is_replaced(pool, tmp_path):
    pretrain(pool, FEW, tmp_path / "out")
    first = (tmp_path / "out" / WEIGHTS).read_bytes()
    pretrain(pool, Settings(size=24, budget="4steps", seed=1), tmp_path / "out")
    assert (tmp_path / "out" / WEIGHTS).read_bytes() != first


def test_labelled_examples_are_looked_at_in_a_sample(photos, monkeypatch):
    monkeypatch.setattr(pretraining, "MOST_LABELLED", 10)
    looked_at = pretraining._labelled(Settings(size=24, labels=photos), Progress())
    assert len(looked_at.pixels) == len(looked_at.targets) == 10
    assert np.isin(looked_at.targets, [0, 1, 2]).all()
