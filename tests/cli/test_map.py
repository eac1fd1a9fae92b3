"""`handful map`: one object or a few lines, and one line for what is wrong."""

import pytest

ROWS = ["a,b,label", *(f"{at},{at * at % 7},{'xy'[at % 2]}" for at in range(40))]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(ROWS))
    return path


def test_a_map_prints_one_object(handful, table, tmp_path):
    told = handful("map", table, "--out", tmp_path / "map.png", "--rows", "2", "--columns", "3", "--json").json()
    assert (told["task"], told["rows"], told["columns"], told["map"]) == ("map", 2, 3, str(tmp_path / "map.png"))
    assert (tmp_path / "map.png").read_bytes()[:4] == b"\x89PNG"


def test_a_map_says_what_is_on_it(handful, table, tmp_path):
    said = handful("map", table, "--out", tmp_path / "map.png", "--grid", "hexagonal")
    assert said.code == 0
    assert "40 rows, 40 with labels of 2 classes" in said.out
    assert "cells, hexagonal" in said.out
    assert "conflicts  " in said.out


def test_bad_input_is_one_line(handful, table, tmp_path):
    handful("map", table, "--out", tmp_path / "map.png", "--rows", "9", "--columns", "9").error("9 x 9 = 81 cells")
    handful("map", tmp_path / "nowhere", "--out", tmp_path / "map.png").error("no such folder or file", "nowhere")
    handful("map", table, "--out", tmp_path / "map.gif").error("a map is a PNG file")
    table.write_text("a,b\n" + "1,2\n" * 9)
    handful("map", table, "--out", tmp_path / "map.png").error("no column holds features")
    assert not (tmp_path / "map.png").exists()
