import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from handful.bundle.model import load
from handful.bundle.save import check_destination
from handful.core.errors import JobError, UsageError


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def failing(after, failure):
    """`Path.write_bytes` that works a few times and then leaves half a file and fails."""
    write, n_written = Path.write_bytes, [0]

    def write_bytes(path, content):
        n_written[0] += 1
        if n_written[0] <= after:
            return write(path, content)
        write(path, content[: len(content) // 2])
        raise failure

    return write_bytes


def test_a_model_is_six_files(saved):
    assert sorted(contents(saved)) == [
        "README.md", "handful.json", "metrics.json", "model.onnx", "report.html", "weights.safetensors",
    ]  # fmt: skip
    assert saved.stat().st_mode & 0o777 == 0o755


def test_the_same_inputs_give_the_same_bytes(fitted, tmp_path):
    """But for the account and its page, which tell how long it took and where it lies."""
    for name in ("one", "two"):
        fitted.save(tmp_path / name)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    for name in ("model.onnx", "weights.safetensors", "handful.json", "README.md"):
        assert one[name] == two[name]


def test_an_older_model_is_replaced_whole_when_the_new_one_is_complete(fitted, model_folder):
    (model_folder / "model.onnx").write_bytes(b"old")
    fitted.save(model_folder)
    load(model_folder)
    assert names(model_folder.parent) == ["model"]


def test_an_empty_folder_and_folders_that_are_not_there_yet_are_filled(fitted, tmp_path):
    (tmp_path / "empty").mkdir()
    fitted.save(tmp_path / "empty")
    fitted.save(tmp_path / "a" / "b" / "c")
    assert load(tmp_path / "empty").classes == load(tmp_path / "a" / "b" / "c").classes == fitted.manifest.classes


@pytest.mark.parametrize("after", [0, 2, 5], ids="after {} files".format)
@pytest.mark.parametrize(
    ("failure", "raised", "text"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            JobError,
            "the disk is full; .*free some space or write else",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied"),
            JobError,
            "cannot write: Permission denied; .*choose a place",
        ),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ],
    ids=["full", "forbidden", "Ctrl-C"],
)
def test_a_failure_in_the_middle_changes_nothing(after, failure, raised, text, fitted, model_folder, monkeypatch):
    (model_folder / "README.md").write_text("as it was")
    before = contents(model_folder)
    monkeypatch.setattr(Path, "write_bytes", failing(after, failure))
    with pytest.raises(raised, match=text):
        fitted.save(model_folder)
    assert contents(model_folder) == before
    assert names(model_folder.parent) == ["model"]


def test_a_failure_without_an_older_model_leaves_nothing(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", failing(1, OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(JobError, match=r"the disk is full; .*new; .*nothing was changed"):
        fitted.save(tmp_path / "new")
    assert names(tmp_path) == []


def test_a_failing_rename_puts_the_old_model_back(fitted, model_folder, monkeypatch):
    before, rename = contents(model_folder), Path.rename

    def refuse(path, target):
        if path.name.startswith(".writing-"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(JobError, match="cannot write: Invalid cross-device link"):
        fitted.save(model_folder)
    assert contents(model_folder) == before
    assert names(model_folder.parent) == ["model"]


def test_when_even_that_fails_the_old_model_is_still_on_the_disk(fitted, model_folder, monkeypatch):
    before, rename = contents(model_folder), Path.rename

    def only_aside(path, target):
        if Path(target).name != "old":
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", only_aside)
    with pytest.raises(JobError, match="Input/output error"):
        fitted.save(model_folder)
    (kept,) = model_folder.parent.glob(".replaced-*/old")
    assert contents(kept) == before


@pytest.mark.parametrize("what", ["file", "folder", "link", "dead link", "link to a model"])
def test_what_is_no_model_is_never_replaced(what, fitted, model_folder, tmp_path):
    out, thesis = tmp_path / "out", tmp_path / "photos" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    if what == "file":
        out.write_text("mine")
    elif what == "folder":
        out = thesis.parent
    else:
        out.symlink_to({"link": thesis.parent, "dead link": tmp_path / "gone", "link to a model": model_folder}[what])
    before = contents(tmp_path)
    with pytest.raises(
        UsageError, match=r"something that is no model stands at the destination; .*; choose another --out"
    ):
        fitted.save(out)
    assert contents(tmp_path) == before


def test_a_model_folder_with_other_things_in_it_is_not_replaced(fitted, model_folder):
    (model_folder / "photos").mkdir()
    (model_folder / "photos" / "only copy.jpg").write_text("precious")
    with pytest.raises(
        UsageError, match=r"the model folder holds other files: photos; .*; move them, or choose another"
    ):
        fitted.save(model_folder)
    assert (model_folder / "photos" / "only copy.jpg").exists()


def test_a_destination_where_no_folder_can_be_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"no folder can be made at the destination; .*; choose another --out"):
        check_destination(tmp_path / "file" / "model")


def test_photos_whose_names_are_no_text_are_named_all_the_same(fitted, tmp_path):
    fitted = replace(fitted, metrics={**fitted.metrics, "note": "caf\udce9.jpg"})
    fitted.save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "metrics.json").read_bytes())["note"] == "caf\udce9.jpg"
