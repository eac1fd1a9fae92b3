"""What a data set is of is told from how it is laid out."""

import pytest

from handful.core.errors import DataError
from handful.data.kind import kind_of


@pytest.mark.parametrize(
    ("column", "kind"), [("image", "image"), ("path", "image"), ("text", "text"), ("Sentence", "text")]
)
def test_a_table_is_of_what_its_columns_say(column, kind, tmp_path):
    (tmp_path / "table.csv").write_text(f"{column},label\na,b\n", encoding="utf-8")
    assert kind_of(tmp_path / "table.csv")[0] == kind


def test_a_folder_is_of_what_most_of_its_files_are(tmp_path):
    for name, suffixes in {"notes": (".txt", ".txt"), "photos": (".jpg", ".jpg", ".txt")}.items():
        for at, suffix in enumerate(suffixes):
            (tmp_path / name / "class").mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "class" / f"{at}{suffix}").touch()
    assert (kind_of(tmp_path / "notes")[0], kind_of(tmp_path / "photos")[0]) == ("text", "image")


def test_a_folder_of_tables_is_of_what_they_hold(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,b\n", encoding="utf-8")
    assert kind_of(tmp_path)[0] == "text"


def test_what_is_neither_or_is_not_there_is_an_error(tmp_path):
    (tmp_path / "table.csv").write_text("age,label\n3,b\n", encoding="utf-8")
    with pytest.raises(DataError, match="neither images nor texts; found the columns age, label"):
        kind_of(tmp_path / "table.csv")
    with pytest.raises(DataError, match="no such folder or file"):
        kind_of(tmp_path / "gone")
