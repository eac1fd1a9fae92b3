import numpy as np
import pytest

from handful.core.errors import DataError
from handful.data.dataset import Dataset
from handful.data.readers import Splits, from_arrays
from handful.nn.text_windows import TextSpec, TextWindows
from handful.tasks.suspects import suspect_labels
from handful.tasks.texts import prepare_texts

TEXTS = ["good film", "bad film", "fine", "Good  FILM", "", "awful", "so so", "SO so", "nice", "poor\0"]
LABELS = ["praise", "rant", "praise", "praise", "rant", "rant", "praise", "rant", "praise", "rant"]


def prepared(texts=TEXTS, labels=LABELS, groups=None, test=None, notes=(), **how):
    train = from_arrays(texts, labels, groups)
    held_out = None if test is None else from_arrays(*test, classes=train.classes)
    return prepare_texts(Splits(train, held_out, None, notes), **how)


def by_kind(data):
    return {finding.kind: finding for finding in data.audit.findings}


def test_what_can_be_read_is_kept_with_its_row_and_the_rest_is_named():
    data = prepared(notes=("read",))
    assert data.train.texts == ["good film", "bad film", "fine", "Good  FILM", "awful", "so so", "SO so", "nice"]
    assert data.train.rows.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert data.train.targets.tolist() == [0, 1, 0, 0, 1, 0, 1, 0]
    assert data.train.counts == [5, 3]
    assert (data.test, data.n_leaked, data.n_unreadable, data.notes) == (None, 0, 2, ("read",))
    found = by_kind(data)["unreadable"]
    assert (found.rows, found.names, found.severity) == ((4, 9), ("text 5", "text 10"), "warning")
    assert found.message == "left out: 2 training texts that cannot be read; first text 5: the text is empty"


def test_repeats_share_a_unit_and_those_with_two_labels_are_contradictions():
    data = prepared()
    units, found = data.audit.units, by_kind(data)
    alike = units[:, None] == units
    expected = np.eye(8, dtype=bool)
    for first, second in ((0, 3), (5, 6)):
        expected[[first, second], [second, first]] = True
    np.testing.assert_array_equal(alike, expected)
    assert found["duplicate"].rows == (0, 3)
    assert found["duplicate"].message.endswith("2 training texts; they stay in one fold")
    assert found["contradiction"].rows == (6, 7)
    assert found["contradiction"].message == "the same text under different labels: so so, SO so; correct the labels"
    assert data.audit.findings[0].kind == "contradiction"  # the worst first


def test_groups_join_what_repeats_joined():
    data = prepared(["a", "b", "A", "c"], ["x", "y", "x", "y"], groups=[1, 2, 3, 2])
    first, second, third, fourth = data.audit.units
    assert first == third != second == fourth


def test_clean_texts_have_no_findings():
    texts = [f"text number {at}" for at in range(10)]
    assert prepared(texts, list("ab") * 5, test=(["new", "another"], ["a", "b"])).audit.findings == ()


def test_leaks_are_said_and_left_out_of_the_test_part():
    test = (["new", "GOOD film", "", "bad film ", "other"], ["praise", "praise", "rant", "rant", "rant"])
    data = prepared(test=test)
    assert data.test.texts == ["new", "other"]
    assert data.test.rows.tolist() == [0, 4]
    assert data.test.targets.tolist() == [0, 1]
    assert (data.n_leaked, data.n_unreadable) == (2, 3)
    found = by_kind(data)["leak"]
    assert (found.rows, found.severity) == ((1, 3), "problem")
    assert found.message == "also in the training data: 2 test texts; left out of the score"
    assert data.audit.leaked_test_rows == (1, 3)
    assert prepared(test=(["Good film", "fine"], ["praise", "praise"])).test is None


def test_small_and_unbalanced_classes_and_shared_groups_are_found_as_for_images():
    texts = [f"text {at}" for at in range(40)]
    train = Dataset(texts, np.r_[np.zeros(36, int), [1] * 4], ("many", "few"), np.arange(40))
    test = Dataset(["new"], np.array([0]), train.classes, np.array([3]))
    data = prepare_texts(Splits(train, test, None, ()))
    kinds = by_kind(data)
    assert set(kinds) == {"small-class", "imbalance", "shared-group"}
    assert kinds["small-class"].names == ("few",)
    assert "fewer than 5 readable examples" in kinds["small-class"].message


def test_very_long_texts_are_noted_when_windows_are_known(text_model_saved):
    windows = TextWindows((text_model_saved / "tokenizer.json").read_bytes(), TextSpec(16))
    longest = 32 * 14
    texts = ["good " * longest, "good " * (longest + 1), "x" * 10_000, "bad"]
    data = prepared(texts, ["a", "b", "a", "b"], windows=windows)
    found = by_kind(data)["long-text"]
    assert (found.rows, found.severity) == ((1,), "note")
    assert found.message.startswith("longer than 448 word pieces: 1 training text; of each, 32 passages")
    assert len(found.names[0]) <= 60
    assert "long-text" not in by_kind(prepared(texts, ["a", "b", "a", "b"]))


def test_strict_and_a_class_without_texts_are_errors():
    with pytest.raises(DataError, match="the text is empty; text 5; replace or remove it"):
        prepared(strict=True)
    with pytest.raises(DataError, match="no text of this class can be read; b; repair its files or remove the class"):
        prepared(["fine", " "], ["a", "b"])


def test_files_are_read(tmp_path):
    for name, content in (("a", b"good"), ("b", b"na\xefve"), ("c", b"bad")):
        (tmp_path / f"{name}.txt").write_bytes(content)
    data = prepared([tmp_path / f"{name}.txt" for name in "abc"], ["x", "x", "y"])
    assert data.train.texts == ["good", "bad"]
    assert "the file is not UTF-8 text" in by_kind(data)["unreadable"].message


def test_a_label_that_looks_wrong_is_named_by_its_row():
    texts = ["good film", "fine film", "bad film", "awful film"]
    data = Dataset(texts, np.array([0, 0, 1, 1]), ("praise", "rant"), places=[f"a.csv, row {at}" for at in range(2, 6)])
    part = prepare_texts(Splits(data, None, None, ())).train
    (found,) = suspect_labels(np.array([[0.9, 0.1], [0.05, 0.95], [0.2, 0.8], [0.1, 0.9]]), part)
    assert found.names == ("a.csv, row 3: fine film (labelled praise, looks like rant)",)
