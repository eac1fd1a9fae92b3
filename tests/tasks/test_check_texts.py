"""Texts are audited without a model."""

from handful.data.texts import read_texts
from handful.tasks.check_texts import check_texts

TABLE = "text,label\ngood,praise\nGood ,praise\nbad,rant\nawful,rant\n,rant\nso so,praise\nso so,rant\n"


def test_repeats_contradictions_and_empty_texts_are_said(tmp_path):
    (tmp_path / "texts.csv").write_text(TABLE, encoding="utf-8")
    found = check_texts(read_texts(tmp_path / "texts.csv"))
    assert (found["n"], found["classes"], found["counts"]) == (6, ["praise", "rant"], {"praise": 3, "rant": 3})
    kinds = {finding["kind"]: finding["names"] for finding in found["findings"]}
    assert kinds["duplicate"] == ("texts.csv, row 2: good", "texts.csv, row 3: Good")  # the header is row 1
    assert kinds["contradiction"] == ("texts.csv, row 7: so so", "texts.csv, row 8: so so")
    assert any("1 empty text" in note for note in found["notes"])


def test_a_text_that_cannot_be_read_is_named_by_its_row_whatever_was_left_out_before(tmp_path):
    (tmp_path / "texts.csv").write_text("text,label\n,a\ngood,a\nb\0ad,b\nfine,a\nbad,b\nawful,b\n")
    findings = {each["kind"]: each["names"] for each in check_texts(read_texts(tmp_path / "texts.csv"))["findings"]}
    assert findings["unreadable"] == ("texts.csv, row 4",)
