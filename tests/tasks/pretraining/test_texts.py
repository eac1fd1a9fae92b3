import csv
import json

import numpy as np
import pytest

from handful.core.errors import DataError, JobError, ModelError, UsageError
from handful.data.texts import read_text_pool, read_texts
from handful.nn.backbones import backbone_named, text_backbone_named
from handful.nn.pretrained import CONFIG, FILES, WEIGHTS
from handful.tasks.fit_texts import fit_texts
from handful.tasks.fitting import Settings as FitSettings
from handful.tasks.pretraining import texts as texts_task
from handful.tasks.pretraining.pretrain import pretrain
from handful.tasks.pretraining.settings import Settings

ROWS = [(f"the {size} {thing} is {look}", thing) for size in ("small", "large") for thing in ("cell", "bone")
        for look in ("pale", "dark", "round", "torn")]  # fmt: skip
FEW = Settings(budget="2steps")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "texts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("text", "label", "split"), *((*row, "train") for row in ROWS), ("held", "cell", "test")]
        )
    return path


@pytest.fixture
def backbone(table, tmp_path):
    pretrain(table, FEW, tmp_path / "backbone")
    return tmp_path / "backbone"


def test_a_table_becomes_a_backbone_that_fit_takes(table, backbone):
    assert {file.name for file in backbone.iterdir()} == FILES
    encoder = text_backbone_named(str(backbone))
    fit = fit_texts(read_texts(table), FitSettings(recipe="probe", backbone=encoder, cached=False))
    assert fit.metrics["n"] == len(ROWS)
    assert encoder.name in fit.metrics["recipe"]["description"]
    assert fit.model().predict(["a pale bone"]).classes == ("bone", "cell")


def test_the_same_seed_gives_the_same_bytes_and_the_test_part_is_not_read(table, backbone, tmp_path):
    again = pretrain(table, FEW, tmp_path / "again")
    assert (tmp_path / "again" / WEIGHTS).read_bytes() == (backbone / WEIGHTS).read_bytes()
    assert again["n"] == len(ROWS)
    assert any("test part" in note for note in again["notes"])
    assert again["steps"] == 2


def test_time_is_a_ceiling_and_what_was_learned_is_kept(table, tmp_path):
    account = pretrain(table, Settings(budget="0.01s"), tmp_path / "short")
    assert account["steps"] == 1
    assert account["notes"][-1] == "the time was up after 1 of 200 steps"
    assert np.isfinite(text_backbone_named(str(tmp_path / "short")).embed(["a cell"]).astype(float)).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(start="efficientnet-lite0"), "is of images"),
        (Settings(size=64), "64 is of images"),
        (Settings(method="simclr"), "simclr"),
        (Settings(method="masked-language", labels="few"), "labelled texts"),
    ],
)
def test_what_does_not_suit_texts_is_refused(settings, said, table, tmp_path):
    with pytest.raises(UsageError, match=said):
        pretrain(table, settings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_texts_all_alike_are_refused_and_nothing_is_left(tmp_path):
    (tmp_path / "texts").mkdir()
    for number in range(3):
        (tmp_path / "texts" / f"{number}.txt").write_text("the same", encoding="utf-8")
    with pytest.raises(DataError, match="at least two"):
        pretrain(tmp_path / "texts", FEW, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_texts_is_no_backbone_for_images(backbone):
    with pytest.raises(ModelError, match="all-minilm-l6-v2"):
        backbone_named(str(backbone))


def test_weights_of_another_shape_are_refused(backbone):
    config = json.loads((backbone / CONFIG).read_text(encoding="utf-8"))
    assert (config["architecture"], config["max_length"]) == ("all-minilm-l6-v2", 256)
    (backbone / WEIGHTS).write_bytes((backbone / WEIGHTS).read_bytes()[:-1000])
    with pytest.raises(ModelError, match="damaged"):
        text_backbone_named(str(backbone))


@pytest.mark.parametrize("columns", ["text,split", "text,split,label"])
def test_the_test_rows_of_a_table_without_all_labels_are_not_read(columns, tmp_path):
    path = tmp_path / "table.csv"
    rows = [f"text {n},{'test' if n % 2 else 'train'}" + ("," if "label" in columns else "") for n in range(6)]
    path.write_text("\n".join([columns, *rows]))
    texts, notes = read_text_pool(path)
    assert texts == ["text 0", "text 2", "text 4"]
    assert "3 texts of the test part" in notes[0]
    path.write_text(path.read_text().replace("test\n", "tset\n").replace("test,\n", "tset,\n"))
    with pytest.raises(DataError, match="unknown split 'tset'"):
        read_text_pool(path)


def test_a_test_folder_beside_loose_texts_is_not_read(tmp_path):
    (tmp_path / "test" / "praise").mkdir(parents=True)
    (tmp_path / "test" / "praise" / "1.txt").write_text("secret")
    (tmp_path / "1.txt").write_text("pool")
    assert read_text_pool(tmp_path)[0] == ["pool"]


def test_what_was_learned_is_told_when_only_the_writing_had_failed(table, tmp_path, monkeypatch):
    out, settings = tmp_path / "late", Settings(budget="2steps")

    def full(*_):
        raise JobError("the disk is full")

    with monkeypatch.context() as at_first:
        at_first.setattr(texts_task, "write_backbone", full)
        with pytest.raises(JobError, match="full"):
            pretrain(table, settings, out)
    again = pretrain(table, settings, out)
    assert again["steps"] == 2
    assert again["loss"][0] > 0
    assert not any("time was up" in note for note in again["notes"])
