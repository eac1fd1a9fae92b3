import json

import numpy as np
import pytest
from PIL import Image

from handful.core.errors import DataError, UsageError
from handful.tasks.mapping import examples, picture
from handful.tasks.mapping.map_data import Wish, map_data


@pytest.fixture(autouse=True)
def tiny_network(tiny_backbone, monkeypatch):
    monkeypatch.setattr(examples, "backbone_named", lambda _: tiny_backbone)


@pytest.fixture
def table(tmp_path):
    """Two clusters of 30 rows, with labels but for one, the last of them in conflict; and one row like no other."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 1, (30, 3)), rng.normal(9, 1, (30, 3)), [[40, -40, 0]]])
    labels = ["x"] * 30 + ["y"] * 15 + ["x", "y", "z"] * 5 + [""]
    lines = [f"{a:.3f},{b:.3f},{c:.3f},{label}" for (a, b, c), label in zip(rows, labels, strict=True)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["a,b,c,label", *lines]))
    return path


def test_photos_of_classes(photos, tmp_path):
    told = map_data(photos, tmp_path / "map.png")
    assert {key: told[key] for key in ("task", "kind", "n", "n_labelled", "classes", "rows", "columns")} == {
        "task": "map",
        "kind": "image",
        "n": 24,
        "n_labelled": 24,
        "classes": ["blue", "green", "red"],
        "rows": 2,
        "columns": 4,
    }
    assert sum(cell["n"] for cell in told["cells"]) == 24
    assert sum(sum(cell["labels"].values()) for cell in told["cells"]) == 24
    with Image.open(tmp_path / "map.png") as drawn:
        assert (drawn.format, drawn.width, round(drawn.info["dpi"][0])) == ("PNG", picture.WIDTH, 300)
    json.dumps(told)


def test_photos_without_labels(photos, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for at, file in enumerate(sorted((photos / "train").glob("*/*.png"))):
        (flat / f"{at}.png").write_bytes(file.read_bytes())
    (flat / "broken.png").write_bytes(b"no image")
    told = map_data(flat, tmp_path / "map.png", Wish(grid="hexagonal", torus=True))
    assert (told["n"], told["n_labelled"], told["classes"], told["conflicts"]) == (24, 0, [], [])
    assert told["problems"][0]["input"].endswith("broken.png")
    assert (told["rows"] % 2, told["grid"], told["torus"]) == (0, "hexagonal", True)


def test_a_table_with_conflicts_and_a_lonely_row(table, tmp_path):
    told = map_data(table, tmp_path / "map.png", Wish(n_rows=3, n_columns=3))
    assert (told["kind"], told["n"], told["n_labelled"]) == ("table", 61, 60)
    lonely = next(each for each in told["lonely"] if each["input"] == "rows.csv, row 62")
    cells = {(cell["row"], cell["column"]): cell for cell in told["cells"]}
    assert cells[lonely["row"], lonely["column"]]["marks"][0].startswith(("a +", "b −"))
    assert told["conflicts"]
    for place in told["conflicts"]:
        labels = cells[place["row"], place["column"]]["labels"]
        assert max(labels.values()) < 2 / 3 * sum(labels.values())


def test_same_seed_same_picture(table, tmp_path):
    for name in ("one.png", "two.png"):
        map_data(table, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_texts_are_marked_by_their_words(tmp_path, monkeypatch):
    def embed(texts, cache, progress):
        return np.array([["sea" in text, "hill" in text, len(text) % 3 / 9] for text in texts], np.float16)

    class Encoder:
        last = ("all",)
        columns = staticmethod(lambda _: [slice(0, 3)])

    Encoder.embed = staticmethod(embed)
    monkeypatch.setattr(examples, "text_backbone_named", lambda _: Encoder)
    texts = [f"{'sea waves' if at % 2 else 'hill and stone'} {'x' * (at % 5)}" for at in range(40)]
    (tmp_path / "texts.csv").write_text("\n".join(["text", *texts]))
    told = map_data(tmp_path / "texts.csv", tmp_path / "map.png")
    assert (told["kind"], told["n"], told["n_labelled"]) == ("text", 40, 0)
    for cell in told["cells"]:
        assert {"sea", "hill"} & set(cell["marks"])


def test_many_classes_have_many_colours():
    colours = {picture.colour_of(label) for label in range(30)}
    assert len(colours) == 30


@pytest.mark.parametrize(
    ("out", "said"),
    [("map.jpg", "a map is a PNG file"), ("folder.png", "a folder stands"), ("photos/map.png", "among the data")],
)
def test_a_bad_destination_is_refused_before_any_work(write_photos, tmp_path, monkeypatch, out, said):
    write_photos(tmp_path / "photos", n=2)
    (tmp_path / "folder.png").mkdir()
    monkeypatch.setattr("handful.tasks.mapping.map_data.read_examples", None)
    with pytest.raises(UsageError, match=said):
        map_data(tmp_path / "photos", tmp_path / out)


def test_a_torus_that_does_not_close_is_refused_before_any_work(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("handful.tasks.mapping.map_data.read_examples", None)
    with pytest.raises(UsageError, match="3 rows of hexagons do not close"):
        map_data(photos, tmp_path / "map.png", Wish(n_rows=3, grid="hexagonal", torus=True))


def test_a_map_larger_than_the_data_is_refused(photos, tmp_path):
    with pytest.raises(
        DataError, match=r"5 x 5 = 25 cells for 24 examples; .*fewer --rows and --columns.*8 cells suit"
    ):
        map_data(photos, tmp_path / "map.png", Wish(n_rows=5, n_columns=5))
    assert not (tmp_path / "map.png").exists()


@pytest.mark.parametrize(("n", "said"), [(0, "the folder has no images"), (1, "1 example to map"), (6, "all 6 rows")])
def test_nothing_one_or_copies_are_refused(tmp_path, n, said):
    folder = tmp_path / "same"
    folder.mkdir()
    for at in range(n):
        Image.new("RGB", (32, 32), "red").save(folder / f"{at}.png")
    with pytest.raises(DataError, match=said):
        map_data(folder, tmp_path / "map.png")
    assert not (tmp_path / "map.png").exists()


def test_photos_that_cannot_be_read_are_named(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"none of the 1 image can be read, the first: .*a.png: not a PNG"):
        map_data(folder, tmp_path / "map.png")


@pytest.mark.parametrize(("wish", "said"), [(Wish(90, 90), "up to 4000 cells"), (Wish(30, 1), "does not fit on paper")])
def test_a_map_that_no_memory_or_paper_holds_is_refused(table, tmp_path, wish, said):
    with pytest.raises(UsageError, match=said):
        map_data(table, tmp_path / "map.png", wish)
