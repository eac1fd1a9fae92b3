import pytest

from handful.core.errors import DataError
from handful.data.cost_table import read_cost_table

NAMES = ("ill", "well")


def written(tmp_path, text):
    path = tmp_path / "costs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_classes_stand_in_any_order_and_rows_are_the_truth(tmp_path):
    path = written(tmp_path, "truth\\answer, well, ill\nwell, 0, 1\n\nill, 20, 0.5\n")
    assert read_cost_table(path, NAMES) == [[0.5, 20], [1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'ill' occurs 0 times"),
        (",ill,well\nill,0,1\n", r"'well' occurs 0 times.*first column"),
        (",ill\nill,0\nwell,1\n", r"'well' occurs 0 times.*first row"),
        (",ill,well,well\nill,0,1,1\nwell,1,0,0\n", "'well' occurs 2 times"),
        (",ill,weld\nill,0,1\nweld,1,0\n", r"'weld' is not a class of the data.*the classes are ill, well"),
        (",ill,well\nill,0,much\nwell,1,0\n", r"'much' is not a number.*row 'ill', column 'well'"),
        (",ill,well\nill,0\nwell,1,0\n", r"'' is not a number.*row 'ill', column 'well'"),
        (",ill,well\nill,0,1,3\nwell,1,0\n", "more cells than the first row"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=message) as refusal:
        read_cost_table(path, NAMES)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_cost_table(tmp_path / "none.csv", NAMES)
