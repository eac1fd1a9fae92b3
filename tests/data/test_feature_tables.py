import numpy as np
import pytest

from handful.core.errors import DataError
from handful.data.feature_tables import is_feature_table, read_feature_table


@pytest.fixture
def write(tmp_path):
    def written(*lines):
        (tmp_path / "rows.csv").write_text("\n".join(lines))
        return tmp_path / "rows.csv"

    return written


def test_numbers_are_standardised_and_words_become_columns(write):
    found = read_feature_table(write("id,age,colour,same,label", "a,1,red,7,x", "b,3,blue,7,y", "c,,red,7,"))
    assert found.names == ("age", "colour=blue", "colour=red")
    np.testing.assert_allclose(found.values[:, 0], [-1, 1, 0])
    np.testing.assert_allclose(found.values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.values[:, 1:].std(axis=0), 1)
    assert (found.labels, found.places[2]) == (["x", "y", ""], "rows.csv, row 4")
    assert found.notes == (
        "age: 1 missing number, taken for the mean",
        "left out: the column same, which is the same in every row",
    )


def test_a_column_of_names_and_the_test_rows_are_left_out(write):
    rows = [f"{at},name{at},{'test' if at > 24 else 'train'}" for at in range(30)]
    found = read_feature_table(write("a,who,split", *rows))
    assert (found.names, len(found.values), found.labels) == (("a",), 25, None)
    assert found.notes[1] == "left out: the column who, which holds 25 different words"


def test_a_table_without_features_is_refused(write):
    with pytest.raises(DataError, match="no column holds features"):
        read_feature_table(write("a,empty,label", "1,,x", "1,,y"))


@pytest.mark.parametrize(("header", "is_one"), [("a,b,label", True), ("image,label", False), ("text,a", False)])
def test_tables_of_images_and_texts_are_none(write, header, is_one):
    assert is_feature_table(write(header, *(["1" + ",1" * header.count(",")] * 2))) is is_one


def test_the_largest_and_smallest_numbers_are_standardised_like_others(write):
    rows = "".join(f"{sign}1e308,{sign}1e-300\n" for sign in ("", "-") * 5)
    assert np.abs(read_feature_table(write("big,small\n" + rows)).values).tolist() == [[1, 1]] * 10
