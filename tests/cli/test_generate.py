"""`handful generate`: exactly so many images of each class and nothing else, how real they are, and what is refused."""

import cv2
import numpy as np
import pytest
from PIL import Image

from handful.tasks import generating


@pytest.fixture(autouse=True)
def small_judge(tiny_backbone, monkeypatch):
    monkeypatch.setattr(generating, "backbone_named", lambda _: tiny_backbone)


def write(folder, n, side=16, classes=("dark", "light"), seed=0):
    rng = np.random.default_rng(seed)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(n):
            pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_class_folders_hold_exactly_so_many_images(handful, tmp_path):
    data = write(tmp_path / "data", 60)
    arguments = ("generate", data, "--count", 12, "--steps", 4, "--json")
    result = handful(*arguments, "--out", tmp_path / "out", "--sheet", tmp_path / "sheet.png").json()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dark", "light"]
    for name in ("dark", "light"):
        files = sorted((tmp_path / "out" / name).iterdir())
        assert [file.name for file in files] == [f"generated-{number:02d}.png" for number in range(1, 13)]
        assert {cv2.imread(str(file)).shape for file in files} == {(16, 16, 3)}
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None
    expected = {"n": 96, "count": 12, "written": 24, "size": 16, "steps": 4, "against": "images kept aside"}
    assert {key: result[key] for key in expected} == expected
    assert result["distances"]["n"] == 24
    for name in ("kernel", "frechet", "precision", "recall"):
        found = result["distances"][name]
        assert found["low"] <= found["value"] <= found["high"]
    assert 0 <= result["memorising"]["low"] <= result["memorising"]["high"] <= 1
    assert any("24 images are kept aside" in note for note in result["notes"])
    handful(*arguments, "--out", tmp_path / "again").json()
    first, again = (tmp_path / each / "dark/generated-01.png" for each in ("out", "again"))
    assert first.read_bytes() == again.read_bytes()


def test_people_are_told_how_real_the_images_are(handful, tmp_path):
    write(tmp_path / "data/train", 15)
    write(tmp_path / "data/test", 6, seed=1)
    said = handful("generate", tmp_path / "data", "--count", 5, "--steps", 2, "--out", tmp_path / "out")
    assert said.code == 0
    assert "against     the test images, 10 against as many" in said.out
    for line in ("kernel", "frechet", "precision", "recall", "memorising"):
        assert f"\n{line} " in said.out


def test_larger_images_are_shrunk_when_asked(handful, tmp_path):
    data = write(tmp_path / "data", 10, side=80)
    refused = handful("generate", data, "--count", 2, "--out", tmp_path / "out")
    refused.error("side of more than 64 pixels", "--size 64", "handful augment")
    assert not (tmp_path / "out").exists()
    arguments = ("--count", 2, "--steps", 2, "--size", 32, "--out", tmp_path / "out", "--json")
    assert handful("generate", data, *arguments).json()["size"] == 32


def test_too_few_images_are_refused(handful, tmp_path):
    data = write(tmp_path / "data", 9)
    refused = handful("generate", data, "--count", 2, "--out", tmp_path / "out")
    refused.error("18 images: from fewer than 20", str(data), "handful augment")
    assert not (tmp_path / "out").exists()


def test_places_that_are_taken_are_refused(handful, tmp_path):
    data = write(tmp_path / "data", 10)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/mine.txt").write_text("mine")
    for out, more, said in (
        (tmp_path / "taken", (), "the folder is not empty"),
        (data / "new", (), "among the data"),
        (tmp_path / "out", ("--sheet", tmp_path / "sheet.jpg"), "PNG file"),
        (tmp_path / "out", ("--sheet", tmp_path / "out/sheet.png"), "among the generated images"),
        (tmp_path / "out", ("--sheet", tmp_path / "nowhere/sheet.png"), "no folder for the sheet"),
    ):
        handful("generate", data, "--count", 2, "--out", out, *more).error(said)
    assert (tmp_path / "taken/mine.txt").read_text() == "mine"


def test_texts_are_refused(handful, tmp_path):
    for name in ("good", "bad"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.txt").write_text("words")
    handful("generate", tmp_path / "data", "--count", 2, "--out", tmp_path / "out").error("these are texts")
    assert not (tmp_path / "out").exists()


def test_copies_never_lie_on_both_sides_and_the_only_image_of_a_class_is_learned_from(tmp_path):
    data = write(tmp_path / "data", 104, classes=("many",))
    write(tmp_path / "data", 1, classes=("one",), seed=1)
    for number in range(40):
        (data / "many" / f"copy-{number}.png").write_bytes((data / "many" / f"{number}.png").read_bytes())
    real = generating._read(data, generating.Settings(2), generating.SILENT)
    learned, aside = ({image.tobytes() for image in each} for each in (real.pixels, real.aside))
    assert (len(learned), len(aside), len(learned & aside)) == (85, 20, 0)
    assert set(real.targets.tolist()) == {0, 1}
    assert "left out" in real.notes[0]


def groups_aside(tmp_path, sizes):
    """Which groups are learned from and which are kept aside; sizes: of each group, so many images of each class."""
    rng, rows, pixels = np.random.default_rng(0), [], {}
    (tmp_path / "images").mkdir()
    for group, of_classes in enumerate(sizes):
        for name, n in of_classes.items():
            for _ in range(n):
                image, number = rng.integers(0, 256, (16, 16, 3), np.uint8), len(rows)
                Image.fromarray(image).save(tmp_path / f"images/{number}.png")
                rows.append(f"images/{number}.png,{name},{group}")
                pixels[image.tobytes()] = group
    (tmp_path / "table.csv").write_text("\n".join(["image,label,group", *rows]))
    real = generating._read(tmp_path / "table.csv", generating.Settings(2), generating.SILENT)
    aside = [] if real.aside is None else real.aside
    return *({pixels[image.tobytes()] for image in each} for each in (real.pixels, aside)), real


def test_images_that_belong_together_are_learned_from_together_or_kept_aside_together(tmp_path):
    learned, aside, real = groups_aside(tmp_path, [{"a": 6, "b": 6}] * 10)
    assert learned | aside == set(range(10))
    assert aside
    assert not learned & aside
    assert "of whole groups" in real.notes[-1]


def test_a_group_that_a_class_cannot_do_without_stays_whole(tmp_path):
    learned, aside, real = groups_aside(tmp_path, [{"a": 8, "b": 4}, *[{"a": 12}] * 9])
    assert aside
    assert not learned & aside
    assert set(real.targets.tolist()) == {0, 1}


def test_where_groups_are_so_large_that_too_little_would_remain_none_is_kept_aside(tmp_path):
    learned, aside, real = groups_aside(tmp_path, [{"a": 100, "b": 2}, *[{"a": 2, "b": 2}] * 4])
    assert (learned, aside) == ({0, 1, 2, 3, 4}, set())
    assert "in so large groups are too few to keep some aside" in real.notes[-1]


def test_a_class_of_which_nothing_can_be_read_or_that_is_no_folder_is_refused(handful, tmp_path):
    data = write(tmp_path / "data", 30, classes=("fine",))
    (data / "broken").mkdir()
    (data / "broken" / "1.png").write_bytes(b"no image")
    rest = ("--count", 2, "--steps", 2, "--out", tmp_path / "out")
    handful("generate", data, *rest).error("no image of the class 'broken'")
    rows = [f"data/fine/{number}.png,{'x' * 300 if number % 2 else 'y'}" for number in range(30)]
    (tmp_path / "table.csv").write_text("\n".join(["image,label", *rows]))
    handful("generate", tmp_path / "table.csv", *rest).error("cannot be a folder")
    assert not (tmp_path / "out").exists()
