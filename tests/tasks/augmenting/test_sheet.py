"""The sheet shows the very copies that a data set would get, a class in every row."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from handful.core.errors import DataError, UsageError
from handful.data.objects import Objects
from handful.tasks.augmenting import lettering
from handful.tasks.augmenting.data_set import Settings, augment_data
from handful.tasks.augmenting.drawn_objects import colour_of, draw_objects
from handful.tasks.augmenting.how import Wish
from handful.tasks.augmenting.lettering import shortened, width_of, wrapped, write
from handful.tasks.augmenting.sheet import N_COPIES, N_ROWS, WIDTH, augment_sheet, chosen
from handful.tasks.augmenting.source import read_source


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def few(write_photos, tmp_path):
    """Three classes of four photos."""
    return write_photos(tmp_path / "few", n=4)


def tiles(sheet, n_rows, n_columns):
    """The squares of a sheet, found by the white between them, shape (rows, columns, side, side, 3)."""
    used = (sheet != 255).any(axis=2)
    columns = np.flatnonzero(np.diff(np.concatenate([[0], used.mean(axis=0) > 0.5, [0]])))
    top = np.flatnonzero(used[:, columns[0] + 2 : columns[1] - 2].all(axis=1))[0]
    side = columns[1] - columns[0]
    return np.array(
        [
            [sheet[top + row * (side + 8) :][:side, left : left + side] for left in columns[0::2]]
            for row in range(n_rows)
        ]
    ).reshape(n_rows, n_columns, side, side, 3)


def test_each_row_is_an_original_and_its_copies(few, tmp_path):
    result = augment_sheet(read_source(few), tmp_path / "sheet.png", Wish("strong"))
    sheet = pixels(tmp_path / "sheet.png")
    assert sheet.shape[1] == WIDTH
    assert 0.8 * WIDTH < sheet.shape[0] < 1.5 * WIDTH
    assert (result["n"], result["copies"], result["sheet"]) == (N_ROWS, N_COPIES, str(tmp_path / "sheet.png"))
    for row in tiles(sheet, N_ROWS, N_COPIES + 1):
        assert all((row[0] != copy).any() for copy in row[1:])


def test_a_policy_that_does_nothing_shows_the_original_again(few, tmp_path):
    augment_sheet(read_source(few), tmp_path / "sheet.png", Wish("none"))
    found = tiles(pixels(tmp_path / "sheet.png"), N_ROWS, N_COPIES + 1)
    assert (found == found[:, :1]).all()
    assert len({row[0].tobytes() for row in found}) == N_ROWS


def test_the_copies_are_those_of_the_data_set(few, tmp_path):
    source, wish = read_source(few), Wish("standard", seed=7)
    augment_sheet(source, tmp_path / "sheet.png", wish)
    augment_data(source, tmp_path / "out", wish, Settings(n_copies=N_COPIES))
    found = tiles(pixels(tmp_path / "sheet.png"), N_ROWS, N_COPIES + 1)
    shown = [example for _, example in zip(range(N_ROWS), chosen(source, 7), strict=False)]
    first = min(shown, key=lambda example: source.examples.index(example))
    for number in range(1, N_COPIES + 1):
        copy = pixels(tmp_path / "out" / first.place.replace(".png", f"-{number}.png"))
        large = cv2.resize(copy, found.shape[2:4], interpolation=cv2.INTER_CUBIC)
        assert np.array_equal(found[0, number], large)


def test_the_same_seed_makes_the_same_sheet_and_leaves_nothing_else(few, tmp_path):
    source, out = read_source(few), tmp_path / "sheets"
    out.mkdir()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        augment_sheet(source, out / f"{name}.png", Wish(seed=seed))
    a, b, c = ((out / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c
    assert len(list(out.iterdir())) == 3


def test_rows_are_spread_over_the_classes(write_photos, tmp_path):
    names = tuple(f"class{at}" for at in range(12))
    source = read_source(write_photos(tmp_path / "many", n=3, classes=names))
    order = [example.label for example in chosen(source, 0)]
    assert len(order) == 36
    assert all(len(set(order[start : start + 12])) == 12 for start in (0, 12, 24))
    assert [example.place for example in chosen(source, 0)] != [example.place for example in chosen(source, 1)]


def test_unreadable_photos_make_room_for_others(few, tmp_path):
    first = next(chosen(read_source(few), 0))
    first.path.write_bytes(b"no picture")
    result = augment_sheet(read_source(few), tmp_path / "sheet.png", Wish())
    assert result["n"] == N_ROWS
    assert [problem["input"] for problem in result["problems"]] == [str(first.path)]
    for path in few.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of the 12 images can be read"):
        augment_sheet(read_source(few), tmp_path / "sheet.png", Wish())


def test_a_sheet_is_a_png_outside_the_data(few, tmp_path):
    with pytest.raises(UsageError, match=r"a sheet is a PNG file; .*sheet.jpg; name it sheet.png"):
        augment_sheet(read_source(few), tmp_path / "sheet.jpg", Wish())
    with pytest.raises(UsageError, match="the sheet would lie among the photos"):
        augment_sheet(read_source(few), few / "blue" / "sheet.png", Wish())
    shutil.copytree(few, tmp_path / "folder.png")
    with pytest.raises(UsageError, match="a folder stands where the sheet should go"):
        augment_sheet(read_source(few), tmp_path / "folder.png", Wish())


# Boxes on a picture


def drawn(objects, classes=("cat", "dog"), scale=(1.0, 1.0)):
    picture = np.full((120, 160, 3), 255, np.uint8)
    draw_objects(picture, objects, classes, scale)
    return picture


def is_coloured(picture, x, y, label):
    return (picture[y, x] == colour_of(label)).all()


def test_a_box_is_drawn_on_its_edges_in_the_colour_of_its_class():
    picture = drawn(Objects(np.array([[20.0, 30, 60, 50]]), np.array([1])), scale=(2.0, 2.0))
    for x, y in ((39, 80), (119, 80), (80, 99), (115, 60)):
        assert is_coloured(picture, x, y, 1), (x, y)
    assert (picture[80, 80] == 255).all()
    assert (picture[110] == 255).all()


def test_an_outline_is_drawn_beside_the_box():
    triangle = np.array([[20.0, 100], [140, 100], [80, 40]])
    picture = drawn(Objects(np.array([[20.0, 40, 140, 100]]), np.array([0]), ((triangle,),)))
    assert (picture[70, 110] != 255).any()  # half-way down its right leg
    assert (drawn(Objects(np.array([[20.0, 40, 140, 100]]), np.array([0])))[70, 110] == 255).all()


def test_keypoints_are_dots_where_they_are_labelled():
    box, points = np.array([[20.0, 40, 140, 100]]), np.array([[[50.5, 70.5, 2], [90.5, 70.5, 0]]])
    picture = drawn(Objects(box, np.array([0]), keypoints=points))
    assert picture[70, 50].max() < 60
    assert (picture[70, 90] == 255).all()


def test_names_do_not_cover_one_another_and_of_a_crowd_one_of_each_class_is_named():
    def n_white(objects):
        return int((drawn(objects)[:, :-8] == 255).all(axis=2).sum())

    same = np.array([[30.0, 40, 90, 100]] * 2)
    one, two = drawn(Objects(same[:1], np.array([0]))), drawn(Objects(same, np.array([0, 0])))
    assert np.array_equal(one[:38], two[:38])  # above the box, where the name is
    assert (one[:38] != 255).any()
    apart = np.array([[20.0 * at + 2, 60, 20 * at + 12, 70] for at in range(7)])
    crowd = Objects(apart, np.zeros(7, np.int64))
    assert n_white(crowd) > n_white(crowd.take(range(5)))  # fewer names on more boxes


# Letters


@pytest.mark.parametrize("built_in", [True, False])
def test_letters_are_as_wide_as_they_say(built_in, monkeypatch):
    if not built_in:
        monkeypatch.delattr(cv2, "FontFace", raising=False)
    elif not hasattr(cv2, "FontFace"):
        pytest.skip("this OpenCV brings no fonts")
    for text in ("rotate=15", "Größe é"):
        picture = np.full((60, 300, 3), 255, np.uint8)
        write(picture, text, 20, 40, 16)
        rows, columns = np.nonzero((picture < 128).any(axis=2))
        assert abs(columns.max() - columns.min() - width_of(text, 16)) < 6
        assert abs(columns.min() - 20) < 4
        assert rows.min() > 20
        assert rows.max() < 46


def test_without_fonts_of_its_own_accents_are_left_out():
    assert lettering._without_accents("Größe é 猫") == "Gro?e e ?"


def test_long_texts_are_cut_or_wrapped():
    assert width_of(shortened("a very long name of a class", 16, 90), 16) <= 90
    assert shortened("short", 16, 90) == "short"
    lines = wrapped("flip_h=0.5,resized_crop=0.6,rotate=15,brightness=0.2", 16, 200)
    assert "".join(lines) == "flip_h=0.5,resized_crop=0.6,rotate=15,brightness=0.2"
    assert len(lines) > 1
    assert all(width_of(line, 16) <= 200 for line in lines)
