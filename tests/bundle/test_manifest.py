import json
from dataclasses import fields, replace

import pytest

from handful.bundle.manifest import FORMAT, Manifest, read_manifest
from handful.core.errors import ModelError

MANIFEST = Manifest(
    task="image classification",
    classes=("Äpfel", "pears"),
    size=32,
    conformal_scores=(0.0, 0.1, 1.0),
    familiar_distances=(0.1, 0.5),
    recipe={"backbone": "tiny"},
    calibration={"scale": 1.0},
    data={"n": 3},
    licences=({"what": "weights", "licence": "none"},),
    versions={"handful": "0"},
    files={"model.onnx": "00"},
)


OF_TEXTS = replace(MANIFEST, size=None, window=256, seen_texts=("00ff", "ff00"))
WITH_COSTS = replace(MANIFEST, costs=((0.0, 1.0), (20.5, 0.0)))


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def altered(tmp_path):
    """Reads the manifest after some fields were set, and some removed."""

    def read(removed=(), **changes):
        saved = json.loads(MANIFEST.to_bytes()) | changes
        for name in removed:
            del saved[name]
        (tmp_path / "handful.json").write_text(json.dumps(saved))
        return read_manifest(tmp_path)

    return read


@pytest.mark.parametrize("manifest", [MANIFEST, OF_TEXTS, WITH_COSTS], ids=["images", "texts", "costs"])
def test_what_was_written_comes_back_equal(manifest, tmp_path):
    (tmp_path / "handful.json").write_bytes(manifest.to_bytes())
    assert read_manifest(tmp_path) == manifest
    assert "Äpfel" in (tmp_path / "handful.json").read_text(encoding="utf-8")


def test_a_class_whose_folder_name_is_no_text_comes_back_too(tmp_path):
    strange = Manifest(**{**{f.name: getattr(MANIFEST, f.name) for f in fields(MANIFEST)}, "classes": ("a", "b\udcff")})
    (tmp_path / "handful.json").write_bytes(strange.to_bytes())
    assert read_manifest(tmp_path) == strange


@pytest.mark.parametrize("name", [field.name for field in fields(Manifest) if field.name != "format"])
def test_each_missing_field_is_named(name, altered):
    with pytest.raises(
        ModelError, match=rf"handful.json has no usable '{name}'; .*handful.json; copy the folder"
    ) as no:
        altered(removed=[name])
    one_line(no)


WRONG = {
    "task": [3, None],
    "classes": ["ab", ["one"], ["a", 2], ["same", "same"], {"a": 1}],
    "size": ["32", 0, -1, 5000, 32.5, None, True],
    "window": [256, 0, "16", True],  # beside a size
    "seen_texts": [None, "00ff", [1]],
    "costs": [[], [[0, 1]], [[0, -1], [1, 0]], [[0, "x"], [1, 0]], [[2, 1], [1, 0]], "none", 3],
    "conformal_scores": [[0.5, 0.1], ["a"], [float("nan")], [float("inf")], [10**400], [True], 0.5],
    "familiar_distances": [[0.5, 0.1], [None], [float("-inf")], [10**400]],
    "recipe": [[]],
    "calibration": [None],
    "data": ["n"],
    "licences": [{}],
    "versions": [[]],
    "files": [["model.onnx"]],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_each_damaged_field_is_named(name, value, altered):
    with pytest.raises(ModelError, match=rf"handful.json has no usable '{name}'") as damaged:
        altered(**{name: value})
    one_line(damaged)


@pytest.mark.parametrize("window", [0, 2, -1, 2**21, 16.0, "16", True])
def test_a_window_of_no_use_is_named(window, altered):
    with pytest.raises(ModelError, match=r"handful.json has no usable 'window'"):
        altered(size=None, window=window)


def test_a_newer_version_says_to_upgrade(altered):
    with pytest.raises(
        ModelError, match=rf"the model has format {FORMAT + 1}, this handful reads up to {FORMAT}.*upgrade"
    ):
        altered(format=FORMAT + 1, something_new=1)


@pytest.mark.parametrize("version", [None, "1", 1.0, True, 0, -1])
def test_no_version_is_no_manifest(version, altered):
    with pytest.raises(ModelError, match=r"handful.json names no format version"):
        altered(format=version)


def test_unknown_fields_are_named(altered):
    with pytest.raises(ModelError, match=r"handful.json has unknown fields: colour, ä"):
        altered(ä=1, colour=2)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe{}", b"[" * 100_000, b'{"format": ' + b"9" * 5000 + b"}", b"\x00" * 100],
    ids=["empty", "cut off", "no text", "nested", "a huge number", "zeros"],
)
def test_a_damaged_file_is_one_clear_line(content, tmp_path):
    (tmp_path / "handful.json").write_bytes(content)
    with pytest.raises(
        ModelError, match=r"handful.json is damaged \(.*\); .*handful.json; copy the folder again"
    ) as no:
        read_manifest(tmp_path)
    one_line(no)


@pytest.mark.parametrize("content", [b"[]", b"3", b"null", b'"format"'])
def test_json_that_is_no_object_names_no_version(content, tmp_path):
    (tmp_path / "handful.json").write_bytes(content)
    with pytest.raises(ModelError, match="names no format version"):
        read_manifest(tmp_path)


def test_a_folder_without_it_is_no_model(tmp_path):
    with pytest.raises(
        ModelError, match=r"this is not a model folder: it has no handful.json; .*; give a folder made by"
    ):
        read_manifest(tmp_path)


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "handful.json").open("wb") as file:
        file.truncate(2**40)  # sparse: a terabyte that takes no room
    with pytest.raises(ModelError, match=r"handful.json is too large to be ours"):
        read_manifest(tmp_path)


def test_a_changed_word_breaks_the_seal(altered, tmp_path):
    for change in ({"classes": ["pears", "Äpfel"]}, {"conformal_scores": [0.0, 0.1, 0.2]}, {"sha256": "0"}):
        with pytest.raises(ModelError, match=r"handful.json is not the file that was saved; .*; copy the folder again"):
            altered(**change)
    with pytest.raises(ModelError, match=r"handful.json is not the file that was saved"):
        altered(removed=["sha256"])


def test_the_same_manifest_with_other_spaces_is_the_same(tmp_path):
    (tmp_path / "handful.json").write_text(json.dumps(json.loads(MANIFEST.to_bytes())))
    assert read_manifest(tmp_path) == MANIFEST
