"""Texts are audited without a model."""

from handful.data.texts import read_texts
from handful.tasks.check_texts import check_texts

TABLE = "text,label\ngood,praise\nGood ,praise\nbad,rant\nawful,rant\n,rant\nso so,praise\nso so,rant\n"


def test_repeats_contradictions_and_empty_texts_are_said(tmp_path):
    (tmp_path / "texts.csv").write_text(TABLE, encoding="utf-8")
    found = check_texts(read_texts(tmp_path / "texts.csv"))
    assert (found["n"], found["classes"], found["counts"]) == (6, ["praise", "rant"], {"praise": 3, "rant": 3})
    kinds = {finding["kind"]: finding["names"] for finding in found["findings"]}
    assert kinds["duplicate"] == ("good", "Good")
    assert set(kinds["contradiction"]) == {"so so"}
    assert any("1 empty text" in note for note in found["notes"])
