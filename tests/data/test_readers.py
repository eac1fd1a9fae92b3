import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handful.core.errors import DataError, UsageError
from handful.data.readers import from_arrays, read, read_inputs, read_test


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def names(data, root):
    return [path.relative_to(root).as_posix() for path in data.inputs]


def labels(data):
    return [data.classes[target] for target in data.targets]


def test_class_folders_in_natural_order_without_the_usual_litter(tmp_path):
    litter = ["README.md", "LICENSE", "cat/.DS_Store", "cat/Thumbs.db", "__MACOSX/cat/1.jpg", ".git/x"]
    touch(tmp_path, "dog/10.jpg", "dog/9.jpg", "cat/deep/er/1.jpg", "cat/2.heic", *litter)
    data = read(tmp_path).train
    assert names(data, tmp_path) == ["cat/2.heic", "cat/deep/er/1.jpg", "dog/9.jpg", "dog/10.jpg"]
    assert labels(data) == ["cat", "cat", "dog", "dog"]
    assert data.targets.dtype == np.int64


def test_number_folders_are_sorted_by_value(tmp_path):
    assert read(touch(tmp_path, "10/a.png", "9/b.png", "1/c.png")).train.classes == ("1", "9", "10")


def test_folder_names_are_never_amounts(tmp_path):
    assert len(read(touch(tmp_path, *(f"{name}/1.png" for name in range(40)), "a|b/1.png")).train.classes) == 41


@pytest.fixture
def parts(tmp_path):
    files = ["train/a/1.png", "train/b/2.png", "val/b/3.png", "test/a/4.png", "unlabelled/x/5.png", "unlabelled/6.png"]
    return touch(tmp_path, *files)


def test_all_parts_and_val_joins_train(parts):
    splits = read(str(parts))
    assert names(splits.train, parts) == ["train/a/1.png", "train/b/2.png", "val/b/3.png"]
    assert names(splits.test, parts) == ["test/a/4.png"]
    assert names(splits.unlabelled, parts) == ["unlabelled/6.png", "unlabelled/x/5.png"]
    assert splits.unlabelled.targets is None
    assert splits.notes == ("1 examples of val were joined to the training data",)


def test_val_is_left_alone_when_it_is_the_test(parts):
    splits = read(parts, test=parts / "val")
    assert names(splits.train, parts) == ["train/a/1.png", "train/b/2.png"]
    assert names(splits.test, parts) == ["val/b/3.png"]
    assert splits.test.targets.tolist() == [1]
    assert splits.notes == ()


def test_parts_beside_class_folders(tmp_path):
    touch(tmp_path, "a/1.png", "b/2.png", "test/b/3.png", "unlabelled/4.png")
    splits = read(tmp_path)
    assert splits.train.classes == ("a", "b")
    assert names(splits.test, tmp_path) == ["test/b/3.png"]
    assert len(splits.unlabelled) == 1


def test_a_class_may_be_called_train(tmp_path):
    assert read(touch(tmp_path, "car/1.png", "train/2.png")).train.classes == ("car", "train")


def test_what_is_left_out_is_noted(tmp_path):
    touch(tmp_path, "train/a/1.png", "train/b/2.png", "train/3.png", "drafts/4.png", "classes.csv")
    assert [note.split(str(tmp_path))[0] for note in read(tmp_path).notes] == [
        "left out: the folder ",
        "left out: 1 images beside the class folders in ",
    ]


def test_links_are_followed_and_loops_end(tmp_path):
    touch(tmp_path, "store/x/1.png", "store/y/2.png")
    data = tmp_path / "data"
    data.mkdir()
    for name, target in [("a", "store/x"), ("b", "store/y")]:
        (data / name).symlink_to(tmp_path / target)
    (tmp_path / "store/x/loop").symlink_to(data)
    assert "a/1.png" in names(read(data).train, data)


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ([], "the folder has no images; .*a folder per class"),
        (["1.png", "2.png"], "2 images lie flat, without class folders; .*folder of its own"),
        (["1.png", "labels.csv"], "1 images lie flat.*name the table .*labels.csv instead"),
        (["a/1.png"], "only one class: a; .*; add examples of a second class"),
        (["a/1.png", "b/.hidden"], "a class folder without files: b; "),
        (["train/1.png", "test/2.png"], "1 images lie flat, without class folders; .*test"),
        (["images/1.png", "labels/1.txt"], "object detection is not supported yet"),
        (["train/1.png", "train/_annotations.coco.json"], "object detection is not supported yet"),
        (["annotations/instances_train.json", "images/1.png"], "object detection is not supported yet"),
        (["1.png", "1.xml"], "object detection is not supported yet"),
        (["train/a/1.png", "train/b/2.png", "val/a/1.png", "valid/a/1.png"], "two folders for val: val and valid"),
        (["train/a/1.png", "train/b/2.png", "test/c/3.png"], "not in the training data: c; "),
    ],
)
def test_folders_that_cannot_be_learned_from(tmp_path, files, text):
    with pytest.raises(DataError, match=text):
        read(touch(tmp_path, *files))


def test_a_missing_folder(tmp_path):
    with pytest.raises(DataError, match=r"no such folder or file; .*nowhere; check the path"):
        read(tmp_path / "nowhere")


ROWS = [("1.png", "cat", "ann", "train"), ("2.png", "dog", "bob", "val"), ("3.png", "dog", "eve", "test")]
ROWS += [("4.png", "", "", "unlabelled")]


def write_table(root, suffix, columns=("image", "label", "group", "split"), rows=ROWS):
    touch(root, *(row[0] for row in rows if row[0]))
    path = root / f"täble{suffix}"
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    if suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, records)) + "\n")
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    else:
        mark = {".csv": ",", ".tsv": "\t"}[suffix]
        path.write_text("\n".join(mark.join(row) for row in [columns, *rows]), encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_table_reads_the_same(tmp_path, suffix):
    splits = read(write_table(tmp_path, suffix))
    assert names(splits.train, tmp_path) == ["1.png", "2.png"]
    assert splits.train.classes == ("cat", "dog")
    assert splits.train.groups.tolist() == ["ann", "bob"]
    assert labels(splits.test) == ["dog"]
    assert names(splits.unlabelled, tmp_path) == ["4.png"]


def test_semicolons_quotes_and_other_names(tmp_path):
    touch(tmp_path, "a;b.png", "c.png")
    (tmp_path / "t.csv").write_text('Target;Path\n10;"a;b.png"\n9;c.png\n')
    data = read(tmp_path / "t.csv").train
    assert names(data, tmp_path) == ["a;b.png", "c.png"]
    assert data.classes == ("9", "10")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\n1.png,a\n", "there is no column 'image'; found the columns name, label; .*image or path or file"),
        ("image,kind\n1.png,a\n", "there is no column 'label'; found the columns image, kind"),
        ("image,label\n1.png,a\n2.png,b\n9.png,b\n8.png,a\n", "2 of 4 image files are missing, .* row 4: .*9.png"),
        ("image,label\n1.png,a\n2.png,\n3.png, \n", "2 rows have no label: rows 3, 4; "),
        ("image,label,group\n1.png,a,x\n2.png,b,\n", "1 rows have no group: rows 3; "),
        (
            "image,label\n1.png,a\n2.png,a|b\n",
            r"\(multi-label\) are not supported: 'a\|b'; .*one class label per image",
        ),
        ("image,label\n1.png,a\n2.png,b,c\n", "more cells than columns; .*row 3"),
        ('image,label\n1.png,"a\n', "the table is malformed: .*line"),
        ("image,label,split\n1.png,a,train\n2.png,b,later\n", "unknown split 'later'; .*row 3; use train, val"),
        ("image,label,split\n1.png,a,test\n", "no row has the split 'train'"),
        ("image,label\n", "the table has no rows"),
        ("image,label\n1.png,a\n2.png,a\n", "only one class: a"),
    ],
)
def test_tables_that_cannot_be_learned_from(tmp_path, text, message):
    touch(tmp_path, "1.png", "2.png", "3.png")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "t.csv")


def test_files_that_are_no_tables(tmp_path):
    (tmp_path / "t.csv").write_bytes("image,label\nä.png,b".encode("latin-1"))
    (tmp_path / "t.jsonl").write_text('{"image": "1.png"}\n[1]\n')
    (tmp_path / "u.jsonl").write_text("{\n")
    (tmp_path / "t.parquet").write_bytes(b"PAR")
    for name, message in [
        ("t.csv", r"not UTF-8 text \(byte 12\)"),
        ("t.jsonl", "not a JSON object; .*line 2"),
        ("u.jsonl", "not JSON: .*line 1"),
        ("t.parquet", "not a Parquet file"),
        ("../t.zip", "no such folder or file"),
        ("photo.png", r"not a folder, nor a table that can be read; .*use a \.csv"),
    ]:
        touch(tmp_path, "photo.png")
        with pytest.raises(DataError, match=message):
            read(tmp_path / name)


def test_lists_of_labels_in_json_are_several_labels(tmp_path):
    path = write_table(tmp_path, ".jsonl", ("image", "label"), [("1.png", ["a", "b"]), ("2.png", ["a"])])
    with pytest.raises(DataError, match="multi-label"):
        read(path)


def test_unlabelled_and_test_tables(tmp_path):
    path = write_table(tmp_path, ".csv", ("image", "label"), [("1.png", "a"), ("2.png", "b")])
    other = tmp_path / "other.csv"
    other.write_text("image,label\n2.png,a\n")
    splits = read(path, test=other, unlabelled=other)
    assert labels(splits.test) == ["a"]
    assert splits.unlabelled.targets is None
    other.write_text("image,label\n2.png,mouse\n")
    with pytest.raises(DataError, match=r"not in the training data: mouse; .*other\.csv"):
        read(path, test=other)


def test_read_test_prefers_the_test_part_and_allows_one_class(parts):
    assert names(read_test(parts, ("a", "b")), parts) == ["test/a/4.png"]
    assert read_test(parts / "val", ("a", "b")).targets.tolist() == [1]


def test_read_inputs(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.png", "a/b/2.png", "10.jpg", "9.jpg")
    monkeypatch.chdir(tmp_path)
    assert [str(path) for path in read_inputs(["a", "a/1.png", "*.jpg"])] == ["a/1.png", "a/b/2.png", "9.jpg", "10.jpg"]
    assert len(read_inputs([str(tmp_path / "**/*.png")])) == 2
    for wrong in (["*.gif"], ["missing.png"]):
        with pytest.raises(DataError, match=r"no such file, folder or pattern.*; check the path"):
            read_inputs(wrong)
    with pytest.raises(DataError, match="no inputs were named"):
        read_inputs([])


IMAGES = np.zeros((4, 8, 8, 3), np.uint8)


def test_from_arrays():
    data = from_arrays(IMAGES, [10, 9, 9, 10], groups=["a", "a", "b", "b"])
    assert data.classes == ("9", "10")
    assert data.targets.tolist() == [1, 0, 0, 1]
    assert len(data.take([0, 2])) == 2
    assert from_arrays(IMAGES).targets is None
    assert from_arrays(list(IMAGES), np.array(["b", "a", "b", "a"])).targets.tolist() == [1, 0, 1, 0]
    assert from_arrays(IMAGES, ["x"] * 4, classes=["y", "x"]).targets.tolist() == [1] * 4


@pytest.mark.parametrize(
    ("y", "text"),
    [
        ([1, 2], "4 examples but 2 labels; y"),
        (["a", None, "b", float("nan")], "2 labels are missing: rows 1, 3"),
        (["a"] * 4, "only one class: a"),
        (np.eye(4), r"labels of shape \(4, 4\); expected \(4,\); .*one class label per image"),
        ([0.5, 1.5, 2.5, 3.5], r"\(regression\) is not supported: 4 distinct numbers"),
    ],
)
def test_labels_that_are_refused(y, text):
    with pytest.raises(DataError, match=text):
        from_arrays(IMAGES, y)


def test_other_arrays_that_are_refused():
    with pytest.raises(DataError, match=r"4 examples but groups of shape \(3,\)"):
        from_arrays(IMAGES, groups=[1, 2, 3])
    with pytest.raises(DataError, match="there are no examples"):
        from_arrays([])
    with pytest.raises(UsageError, match="X is one path"):
        from_arrays("photo.png")
    with pytest.raises(DataError, match="not in the training data: z"):
        from_arrays(IMAGES, list("abaz"), classes=("a", "b"))


def test_amounts_are_refused_and_codes_are_not():
    def targets(values):
        return from_arrays([IMAGES[0]] * len(values), values)

    assert len(targets(list(range(10))).classes) == 10
    assert len(targets([0.5, 1.0] * 20).classes) == 2
    assert len(targets(list(range(30)) * 2).classes) == 30
    for amounts in (range(20), np.linspace(0, 1, 40).repeat(5), [str(x / 7) for x in range(30)]):
        with pytest.raises(DataError, match=r"a number to predict \(regression\) is not supported"):
            targets(list(amounts))


def test_reading_needs_no_image_library():
    code = (
        "import handful.data.readers, sys; print([m for m in ('cv2', 'PIL', 'pyarrow', 'torch') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"
