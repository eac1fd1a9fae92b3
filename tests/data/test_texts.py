import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handful.core.errors import DataError
from handful.data.text_inputs import read_text_inputs
from handful.data.text_repeats import contradictory_rows, leaked_rows, text_units
from handful.data.texts import read_texts, read_texts_to_test


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def labels(data):
    return [data.classes[target] for target in data.targets]


COLUMNS = ("text", "label", "group", "split")
ROWS = [
    (' Why, "me"?\nYes; you. ', "question", "ann", "train"),
    ("ça ira \U0001f600", "praise", "bob", "val"),
    ("3.0", "praise", "eve", "test"),
    ("who knows", "", "", "unlabelled"),
]


def write_table(path, rows=ROWS, columns=COLUMNS):
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, records)))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    else:
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, columns, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(records)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_table_reads_the_same_and_texts_are_left_as_they_are(tmp_path, suffix):
    splits = read_texts(write_table(tmp_path / f"täble{suffix}"))
    assert list(splits.train.inputs) == [ROWS[0][0], ROWS[1][0]]
    assert labels(splits.train) == ["question", "praise"]
    assert splits.train.targets.dtype == np.int64
    assert splits.train.groups.tolist() == ["ann", "bob"]
    assert list(splits.test.inputs) == ["3.0"]
    assert labels(splits.test) == ["praise"]
    assert list(splits.unlabelled.inputs) == ["who knows"]
    assert splits.unlabelled.targets is None
    assert splits.notes == ("1 examples of val were joined to the training data",)


def test_a_table_for_each_part(tmp_path):
    write(tmp_path, {
        "train.csv": "text,label\nyes,a\nno,b\n", "dev.csv": "text,label\nso,b\n",
        "test.jsonl": '{"text": "t", "label": "a"}', "unlabelled.csv": "text\nu\n",
        "README.md": "x", "notes.csv": "x\n1\n",
    })  # fmt: skip
    splits = read_texts(tmp_path)
    assert list(splits.train.inputs) == ["yes", "no", "so"]
    assert list(splits.test.inputs) == ["t"]
    assert list(splits.unlabelled.inputs) == ["u"]
    assert splits.notes == (
        f"left out: the table {tmp_path / 'notes.csv'}, which is named after no part of the data",
        "1 examples of val were joined to the training data",
    )
    tested_on_dev = read_texts(tmp_path, test=tmp_path / "dev.csv")
    assert list(tested_on_dev.train.inputs) == ["yes", "no"]
    assert labels(tested_on_dev.test) == ["b"]


def test_a_folder_for_each_class_in_natural_order(tmp_path):
    write(tmp_path, {"praise/10.txt": "ten", "praise/9.txt": "nine", "blame/deep/1.TXT": "one", "blame/x.pdf": b"\xff"})
    splits = read_texts(tmp_path)
    assert list(splits.train.inputs) == ["one", "nine", "ten"]
    assert labels(splits.train) == ["blame", "praise", "praise"]
    assert splits.test is None
    assert splits.notes == ()


@pytest.fixture
def parts(tmp_path):
    return write(tmp_path, {
        "train/a/1.txt": "one", "train/b/2.txt": "two", "train/loose.txt": "loose", "valid/b/3.txt": "three",
        "test/a/4.txt": "four", "unlabelled/5.txt": "five", "unlabelled/x/6.txt": "six", "drafts/c/7.txt": "seven",
    })  # fmt: skip


def test_a_folder_for_each_part(parts):
    splits = read_texts(str(parts))
    assert list(splits.train.inputs) == ["one", "two", "three"]
    assert splits.train.classes == ("a", "b")
    assert list(splits.test.inputs) == ["four"]
    assert sorted(splits.unlabelled.inputs) == ["five", "six"]
    assert splits.notes == (
        f"left out: 1 .txt file beside the class folders in {parts / 'train'}",
        f"left out: {parts / 'drafts'}, which is no part of the data",
        "1 examples of val were joined to the training data",
    )
    held_out = read_texts(parts, test=parts / "valid")
    assert (list(held_out.train.inputs), list(held_out.test.inputs)) == (["one", "two"], ["three"])


def test_parts_beside_class_folders_and_classes_named_like_parts(tmp_path):
    write(tmp_path / "one", {"a/1.txt": "one", "b/2.txt": "two", "test/b/3.txt": "three", "unlabelled/4.txt": "four"})
    splits = read_texts(tmp_path / "one")
    assert (list(splits.train.inputs), list(splits.test.inputs)) == (["one", "two"], ["three"])
    assert list(splits.unlabelled.inputs) == ["four"]
    write(tmp_path / "two", {"car/1.txt": "one", "train/2.txt": "two"})
    assert read_texts(tmp_path / "two").train.classes == ("car", "train")


def test_other_places_for_test_and_unlabelled(tmp_path, parts):
    train = write_table(tmp_path / "t.csv", [("x", "a"), ("y", "b")], COLUMNS[:2])
    splits = read_texts(train, test=parts, unlabelled=parts)
    assert list(splits.test.inputs) == ["four"]
    assert len(splits.unlabelled) == 8
    assert list(read_texts(train, unlabelled=train).unlabelled.inputs) == ["x", "y"]
    data, notes = read_texts_to_test(train, ("b", "a"))
    assert (labels(data), data.targets.tolist(), notes) == (["a", "b"], [1, 0], ())
    with pytest.raises(DataError, match=r"not in the training data: a; .*t\.csv"):
        read_texts_to_test(train, ("b", "c"))


def test_empty_texts_are_left_out_counted_and_need_no_label(tmp_path):
    table = write(tmp_path, {"t.csv": "label,text\na,yes\n,\nb,no\nb,  \n"}) / "t.csv"
    splits = read_texts(table)
    assert list(splits.train.inputs) == ["yes", "no"]
    assert splits.notes == (f"left out: 2 empty texts of {table}: rows 3, 5",)
    assert splits.train.places == ["t.csv, row 2", "t.csv, row 4"]
    write(tmp_path, {"f/a/1.txt": "yes", "f/b/2.txt": "no", "f/b/3.txt": "\n", "f/b/4.txt": b"\xef\xbb\xbf"})
    splits = read_texts(tmp_path / "f")
    assert len(splits.train) == 2
    assert splits.notes == (f"left out: 2 empty texts of train, the first {tmp_path / 'f/b/3.txt'}",)


def test_a_text_of_a_megabyte_is_read_whole(tmp_path):
    long = "all work and no play " * 50_000
    splits = read_texts(write_table(tmp_path / "t.csv", [(long, "a"), ("short", "b")], COLUMNS[:2]))
    assert splits.train.inputs[0] == long
    assert csv.field_size_limit() == 131_072  # and the limit of others is as it was


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "words,label\nx,a\n",
            "there is no column 'text'; found the columns words, label; .*name one of them text or sen",
        ),
        ("text,kind\nx,a\n", "there is no column 'label'; found the columns text, kind"),
        ("text,label\nx,a\ny,\nz, \n", "2 rows have no label: rows 3, 4; "),
        ("text,label,group\nx,a,1\ny,b,\n", "1 rows have no group: rows 3; "),
        ("text,label\nx,a\ny,a\n", r"only one class: a; .*t\.csv; add examples of a second class"),
        ("text,label\n,a\n ,b\n", "every text is empty; .*; add texts"),
        ("text,label\n", "the table has no rows; .*; add one row per text"),
        ("text,label\nx,a;b\ny,a\n", r"several labels .*\(multi-label\) are not supported: 'a;b'"),
        ("text,label,split\nx,a,test\n", "no row has the split 'train'"),
        ("text,label\nx,a\ncafé,b\n".encode("cp1252"), r"not UTF-8 text \(byte 18\); .*t\.csv, line 3; .*WINDOWS-1252"),
        ("text,label\nx,a\n".encode("utf-16"), r"not UTF-8 text .*line 1; save it as UTF-8; it seems to be UTF-16"),
        (b"text,label\n\xff\0", r"not UTF-8 text .*line 2; .*does not seem to be text"),
    ],
)
def test_tables_that_cannot_be_learned_from(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_texts(write(tmp_path, {"t.csv": content}) / "t.csv")
    assert "\n" not in str(caught.value)


def test_odd_line_ends_in_a_text_do_not_end_a_line_of_json(tmp_path):
    texts = ["one\u2028two", "three\x85four"]
    lines = [json.dumps({"text": text, "label": text[0]}, ensure_ascii=False) for text in texts]
    table = write(tmp_path, {"t.jsonl": "\r\n".join(lines)}) / "t.jsonl"
    assert list(read_texts(table).train.inputs) == texts


def test_a_text_that_is_a_list_is_refused(tmp_path):
    table = write_table(tmp_path / "t.jsonl", [("x", "a"), (["y"], "b")], COLUMNS[:2])
    with pytest.raises(DataError, match=r"the text is of type list; .*t\.jsonl, row 2; write each text as one string"):
        read_texts(table)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"the folder has no texts; .*train\.csv"),
        ({"a/1.png": "x"}, "the folder has no texts"),
        ({"1.txt": "x", "2.txt": "y"}, "2 .txt files without class folders; .*folder of its own"),
        ({"data.csv": "text,label\n"}, r"tables, but no train\.csv; .*name the table .*data\.csv instead"),
        ({"train/a/1.txt": "x", "train/b/2.txt": "y", "test/3.txt": "z", "val/a/1.txt": "x", "valid/a/1.txt": "x"},
         "two folders for val: val and valid"),
        ({"train/a/1.txt": "x", "train/b/2.txt": "y", "test/c/3.txt": "z"}, "not in the training data: c"),
        ({"a/1.txt": "x"}, "only one class: a"),
        ({"a/1.txt": "x", "b/2.txt": "café\n".encode("cp1252")}, r"not UTF-8 .* 3\); .*b/2\.txt, line 1; .*iconv"),
    ],
)  # fmt: skip
def test_folders_that_cannot_be_learned_from(tmp_path, files, message):
    with pytest.raises(DataError, match=message):
        read_texts(write(tmp_path, files))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    write(tmp_path, {"a/1.txt": "x", "b/2.txt": "y"})
    (tmp_path / "b/3.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"the file cannot be read: No such file .*; .*b/3\.txt; check the file"):
        read_texts(tmp_path)


def test_two_tables_for_one_part_are_refused(tmp_path):
    row = "text,label\nx,a\n"
    with pytest.raises(DataError, match=r"two tables for val: dev\.csv and val\.csv; .*; keep one"):
        read_texts(write(tmp_path, {"train.csv": row, "dev.csv": row, "val.csv": row}))


def test_what_is_not_there_and_what_is_no_table(tmp_path):
    for place, message in [("nowhere", "no such folder or file"), ("x.png", "not a folder, nor a table")]:
        write(tmp_path, {"x.png": "x"})
        with pytest.raises(DataError, match=message):
            read_texts(tmp_path / place)
        table = write_table(tmp_path / "t.csv", [("x", "a"), ("y", "b")], COLUMNS[:2])
        with pytest.raises(DataError, match=message):
            read_texts(table, unlabelled=tmp_path / place)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"the folder has no \.txt files"):
        read_texts(table, unlabelled=tmp_path / "empty")


def test_the_same_text_but_for_case_and_spaces():
    texts = ["It's  fine.", "no", "it's fine. ", "NO", "it's fine"]
    units = text_units(texts)
    assert units.tolist() == [0, 1, 0, 1, 2]
    assert contradictory_rows(units, np.array([0, 1, 1, 1, 0])).tolist() == [0, 2]
    assert leaked_rows(texts, ["yes", "It's fine", "no\n"]).tolist() == [1, 2]
    assert len(text_units([])) == len(leaked_rows([], texts)) == len(contradictory_rows(*np.zeros((2, 0), int))) == 0


def test_a_place_names_the_row_as_a_spreadsheet_counts_it_or_the_file(tmp_path):
    objects = '{"text": "yes", "label": "a"}\n{"text": "no", "label": "b"}\n'
    folder = write(tmp_path, {"t/train.jsonl": objects, "t/dev.csv": "text,label\nyes,a\nno,b\n"}) / "t"
    data = read_texts(folder).train
    assert data.places == ["train.jsonl, row 1", "train.jsonl, row 2", "dev.csv, row 2", "dev.csv, row 3"]
    assert (data.take([3]).place(0), data.take([3]).inputs) == ("dev.csv, row 3: ", ["no"])
    assert read_text_inputs([str(folder / "dev.csv")])[1][0] == f"{folder / 'dev.csv'}, row 2"
    files = read_texts(write(tmp_path, {"f/a/1.txt": "yes", "f/b/2.txt": "no"}) / "f").train
    assert [files.place(row) for row in range(2)] == ["a/1.txt: ", "b/2.txt: "]
