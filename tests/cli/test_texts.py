"""The command line with a model for texts."""

import csv
import io
import json
import shutil
import sys

import numpy as np
import pytest

from handful.bundle.model import load
from handful.cli.main import run

TABLE = "text,label\ngood song,praise\nbad song,rant\nbad,rant\ngreat film,rant\nGood  film,praise\n"


@pytest.fixture
def handful(monkeypatch, capfd):
    """The command line in this process."""

    def call(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["handful", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            run()
        return (end.value.code, *capfd.readouterr())

    return call


@pytest.fixture
def predicted(handful, text_model_saved):
    """`handful predict --json` as an object; what it said on standard error is under "said"."""

    def call(*arguments, stdin=b""):
        code, out, err = handful("predict", text_model_saved, *arguments, "--json", stdin=stdin)
        assert (code, out.count("\n")) == (0, 1), err
        return {**json.loads(out), "said": err}

    return call


@pytest.fixture
def refused(handful):
    """The one line of an error with exit code 2."""

    def call(*arguments, stdin=b""):
        code, out, err = handful(*arguments, stdin=stdin)
        *before, last = err.splitlines()
        assert (code, out) == (2, "")
        assert last.startswith("error: ")
        assert not any(line.startswith(("error", "Traceback")) for line in before)
        return last

    return call


@pytest.fixture
def table(tmp_path):
    (tmp_path / "reviews.csv").write_text(TABLE)
    return tmp_path / "reviews.csv"


def labels(result):
    return [record["label"] for record in result["predictions"]]


def test_texts_come_from_options_files_folders_tables_and_standard_input(predicted, table, tmp_path):
    folder = tmp_path / "letters"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.txt").write_text("awful\nfilm")
    (folder / "deeper" / "b.TXT").write_text("great")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    result = predicted(table, folder, "-", folder / "a.txt", "--text", "good", "--text", "bad", stdin=b"bad\nsong")
    names = [record["input"] for record in result["predictions"]]
    rows = [row["text"] for row in csv.DictReader(TABLE.splitlines())]
    assert names == [*rows, str(folder / "a.txt"), str(folder / "deeper" / "b.TXT"), "bad\nsong", "good", "bad"]
    assert labels(result)[5:] == ["rant", "praise", "rant", "praise", "rant"]
    assert list(result["predictions"][0]) == ["input", "label", "probability", "set", "abstain", "unfamiliar"]
    assert result["problems"] == []


def test_patterns_and_other_tables_work_and_a_label_is_not_needed(predicted, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"sentence": "good"}\n{"sentence": null}\n{"sentence": 3}\n')
    (tmp_path / "1.txt").write_text("bad")
    result = predicted(tmp_path / "*.txt", tmp_path / "a.jsonl")
    assert [record["input"] for record in result["predictions"]] == [str(tmp_path / "1.txt"), "good", "3"]
    place = f"{tmp_path / 'a.jsonl'}, row 2"
    assert result["problems"] == [{"input": place, "reason": "the text is empty"}]
    assert result["said"] == f"warning: skipped {place}: the text is empty\n"


def test_a_table_of_predictions_has_a_row_for_each_text(handful, text_model_saved, table, tmp_path):
    code, out, err = handful("predict", text_model_saved, table, "--csv", tmp_path / "found.csv")
    assert (code, out, err) == (0, "", f"wrote {tmp_path / 'found.csv'}: 5 predictions\n")
    found = list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines()))
    assert [row["input"] for row in found] == [row["text"] for row in csv.DictReader(TABLE.splitlines())]
    assert found[1]["label"] == "rant"


def test_for_people_a_text_is_one_short_line_and_a_path_is_whole(handful, text_model_saved, tmp_path):
    path = tmp_path / ("long " * 12) / "letter.txt"
    path.parent.mkdir()
    path.write_text("good")
    code, out, _ = handful("predict", text_model_saved, path, "--text", "good\nfilm", "--text", "good film " * 99)
    assert code == 0
    first, second, third = out.splitlines()
    assert first.startswith(f"{path}  praise  ")
    assert second.startswith("good film  praise  ")
    assert third.startswith("good film good film")
    assert "...  praise" in third
    assert len(third) < 80


def test_bad_inputs_are_one_line(refused, text_model_saved, tmp_path):
    def said(*arguments, stdin=b""):
        return refused("predict", text_model_saved, *arguments, stdin=stdin)

    (tmp_path / "latin.txt").write_bytes(b"na\xefve")
    (tmp_path / "zeros.txt").write_bytes(bytes(9))
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "odd.csv").write_text("words\nbad\n")
    utf8 = "check that these are texts in UTF-8"
    assert said() == "error: no inputs were named; name text files, tables or folders, or write --text"
    assert said("--text", " ") == f"error: none of the 1 inputs can be read: the text is empty; --text 1; {utf8}"
    assert "the text is empty; the standard input; check" in said("-")
    assert said("-", stdin=b"na\xefve").startswith("error: the text is not UTF-8 (byte 2); the standard input; convert")
    assert "the file is not UTF-8 text (byte 2)" in said(tmp_path / "latin.txt")
    assert "it holds NUL characters: it is no text" in said(tmp_path / "zeros.txt")
    assert "this model reads texts: the file is neither .txt nor a table" in said(tmp_path / "photo.jpg")
    assert "the folder has no .txt files" in said(tmp_path / "photos")
    assert "there is no column 'text'; found the columns words" in said(tmp_path / "odd.csv")
    assert said("I like it").endswith("I like it; check the path, or write --text for a text itself")


def test_half_a_character_in_a_table_comes_back_as_it_was(predicted, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "good \\ud83d"}\n')
    assert predicted(tmp_path / "a.jsonl")["predictions"][0]["input"] == "good \ud83d"


def test_a_model_of_one_kind_refuses_what_is_for_the_other(refused, text_model_saved, saved, photos, table):
    said = "error: this model is for images, not for texts; --text; name image files or folders"
    assert refused("predict", saved, "--text", "good") == said
    assert "none of the 1 inputs can be read: not a PNG" in refused("predict", saved, table)
    assert "there is no column 'image'; found the columns text, label" in refused("evaluate", saved, table)
    assert "the folder has no .txt files" in refused("predict", text_model_saved, photos)
    assert "the folder has no texts" in refused("evaluate", text_model_saved, photos)
    said = "error: one model is for texts, the other for images; compare models of the same kind"
    assert refused("compare", text_model_saved, saved, table) == said


def test_models_that_are_not_whole_are_one_line(refused, text_model_folder):
    tokenizer = text_model_folder / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes() + b" ")
    assert "tokenizer.json is not the file that was saved" in refused("predict", text_model_folder, "--text", "good")
    tokenizer.unlink()
    assert "incomplete: tokenizer.json is missing" in refused("evaluate", text_model_folder, "x.csv")


def test_evaluating_leaves_out_what_the_model_was_made_from_and_says_so(handful, text_model_saved, table):
    code, out, err = handful("evaluate", text_model_saved, table, "--json")
    metrics = json.loads(out)
    assert (code, err) == (0, "")
    assert (metrics["n"], metrics["leaked"], metrics["counts"]) == (4, 1, {"praise": 1, "rant": 3})
    answers = load(text_model_saved).predict(["good song", "bad song", "bad", "great film"]).indices
    assert metrics["score"]["value"] == np.mean(answers == [0, 1, 1, 1]) == 0.75
    assert metrics["task"] == "text classification"
    code, out, _ = handful("evaluate", text_model_saved, table)
    assert "warning: left out 1 text that the model was made from" in " ".join(out.split())


def test_evaluating_says_what_the_reader_left_out_and_refuses_other_classes(
    handful, refused, text_model_saved, tmp_path
):
    (tmp_path / "a.csv").write_text("text,label\n,praise\ngreat song indeed,praise\nbad,rant\n")
    _, out, err = handful("evaluate", text_model_saved, tmp_path / "a.csv", "--json")
    assert json.loads(out)["n"] == 2
    assert err == f"note: left out: 1 empty text of {tmp_path / 'a.csv'}: rows 2\n"
    (tmp_path / "b.csv").write_text("text,label\ngood,poem\nbad,rant\n")
    said = refused("evaluate", text_model_saved, tmp_path / "b.csv")
    assert "a class that is not in the training data: poem" in said
    (tmp_path / "c.csv").write_text("text,label\ngood film,praise\nbad film,rant\n")
    said = refused("evaluate", text_model_saved, tmp_path / "c.csv")
    assert said == "error: all 2 examples are ones the model was made from; good film; give new ones"
    (tmp_path / "d.csv").write_text("text,label\ng\0od,praise\nbad,rant\n")
    assert json.loads(handful("evaluate", text_model_saved, tmp_path / "d.csv", "--json")[1])["n_unreadable"] == 1
    assert "it holds NUL characters" in refused("evaluate", text_model_saved, tmp_path / "d.csv", "--strict")


def test_two_models_for_texts_are_compared(handful, text_model_saved, text_model_folder, table):
    code, out, err = handful("compare", text_model_saved, text_model_folder, table, "--json")
    result = json.loads(out)
    assert (code, result["n"], result["leaked"], result["verdict"]) == (0, 4, [1, 1], "cannot tell")
    assert err == "warning: left out texts the models were made from: 1 and 1\n"
    shutil.rmtree(text_model_folder)


def test_reasons_are_wrapped_and_their_file_stays_on_one_line(handful, text_model_saved, tmp_path, monkeypatch):
    monkeypatch.setattr("handful.cli.output.WIDTH", 30)
    code, out, _ = handful("predict", text_model_saved, "--text", "good bad", "--why", tmp_path / "a folder")
    _, *reasons, file = out.splitlines()
    assert code == 0
    assert reasons
    assert all(line.startswith("    ") and len(line) <= 30 for line in reasons)
    assert file.startswith(f"    {tmp_path / 'a folder'}")
