"""What scripts rely on: one JSON object, one line of error, three exit codes, and nothing lost."""

import csv
import errno
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from handful.bundle.manifest import FORMAT
from handful.bundle.model import load
from handful.cli.main import run
from handful.tasks import fit_images as fitting
from handful.tasks import pixel_examples

QUICK = ("--budget", "2fits")
HEAVY = {"torch", "transformers", "sklearn", "scipy", "pandas"}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def few(write_photos, tmp_path):
    """Two classes of four."""
    return write_photos(tmp_path / "few", n=4, classes=("blue", "red"))


# --json: one object on one line


def test_fit_prints_its_metrics(handful, few, tmp_path):
    said = handful("fit", few, "--out", tmp_path / "model", *QUICK, "--json")
    metrics = said.json()
    assert metrics == json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert metrics["model"] == str(tmp_path / "model")
    assert (metrics["n"], metrics["classes"]) == (8, ["blue", "red"])
    load(tmp_path / "model")


def test_evaluate_prints_its_metrics(handful, saved, photos, fitted):
    metrics = handful("evaluate", saved, photos, "--json").json()
    assert metrics["score"]["value"] == pytest.approx(fitted.metrics["test_score"]["value"])
    assert metrics["model"] == str(saved)


def test_predict_prints_a_record_for_each_photo(handful, saved, photos):
    result = handful("predict", saved, photos / "test", "--json").json()
    assert result["problems"] == []
    assert len(result["predictions"]) == 12
    for record in result["predictions"]:
        assert list(record) == ["input", "label", "probability", "set", "abstain", "unfamiliar"]
        assert record["label"] in record["set"]


def test_compare_check_and_cache_print_an_object(handful, saved, photos, tmp_path):
    assert handful("compare", saved, saved, photos, "--json").json()["difference"]["value"] == 0
    assert handful("check", photos, "--json", "--csv", tmp_path / "found.csv").json()["n"] == 24
    assert handful("cache", "--json").json().keys() == {"folder", "entries", "bytes", "limit", "cleared"}


def test_standard_output_holds_the_object_alone_in_a_real_process_too(saved, photos, really):
    said = really("predict", saved, *sorted((photos / "test" / "red").glob("*.png")), "--json")
    assert len(said.json()["predictions"]) == 4
    assert said.err == ""


# Words for people


def test_fit_says_the_score_the_recipe_and_what_to_do_next(handful, photos, tmp_path):
    said = handful("fit", photos, "--out", tmp_path / "model", *QUICK)
    assert said.code == 0
    for word in ("accuracy", "cross-validated", "on the test set", "always guessing", "recipe", "report.html", "next"):
        assert word in said.out


def test_fit_warns_where_the_test_set_is_of_another_kind(handful, photos, write_photos, tmp_path):
    write_photos(tmp_path / "test", n=6, seed=3)
    for name, other in (("red", "was red"), ("green", "red"), ("blue", "green"), ("was red", "blue")):
        (tmp_path / "test" / name).rename(tmp_path / "test" / other)
    said = handful("fit", photos / "train", "--test", tmp_path / "test", "--out", tmp_path / "model", *QUICK)
    assert "warning: The two scores do not fit together" in said.out
    assert "Believe the score on the test set" in (tmp_path / "model/report.html").read_text(encoding="utf-8")


def test_fit_says_what_guessing_scores_on_a_test_set_of_other_shares(handful, photos, write_photos, tmp_path):
    write_photos(tmp_path / "test", n=2, seed=3)
    write_photos(tmp_path / "test", n=6, seed=4, classes=("blue",))
    said = handful("fit", photos / "train", "--test", tmp_path / "test", "--out", tmp_path / "model", *QUICK)
    assert "always guessing    33.3 %  (blue); on the test set 60.0 %  (blue)" in said.out


def test_fit_says_whether_the_pool_is_learned_from(handful, photos, write_photos, tmp_path):
    write_photos(tmp_path / "pool", n=12, seed=5)
    arguments = ("fit", photos / "train", "--unlabelled", tmp_path / "pool", "--out", tmp_path / "model", *QUICK)
    said = handful(*arguments).out
    pool = json.loads((tmp_path / "model/metrics.json").read_text())["unlabelled"]
    assert pool["used"] == 36
    expected = "learned from by this recipe" if pool["in_recipe"] else "not learned from by this recipe"
    assert f"unlabelled data    {expected}" in said


def test_photos_that_all_stand_under_several_labels_are_refused(handful, write_photos, tmp_path):
    write_photos(tmp_path / "data", n=4, classes=("red",))
    shutil.copytree(tmp_path / "data/red", tmp_path / "data/green")
    said = handful("fit", tmp_path / "data", "--out", tmp_path / "model", *QUICK)
    said.error("every example stands under other labels too", "correct the labels")
    assert not (tmp_path / "model").exists()


def test_fit_says_why_there_is_no_score_and_what_the_test_set_says(handful, write_photos, photos, tmp_path):
    one = write_photos(tmp_path / "one", n=1)
    said = handful("fit", one, "--test", photos / "test", "--out", tmp_path / "model", *QUICK)
    assert said.code == 0
    assert "no score: a class has 1 independent example; a score needs two of every class" in " ".join(said.out.split())
    assert "on the test set" in said.out
    assert "technique" not in said.out


def test_the_other_verbs_speak_too(handful, saved, photos):
    assert "accuracy" in handful("evaluate", saved, photos).out
    assert "verdict                        cannot tell" in handful("compare", saved, saved, photos).out
    assert "24 labelled photos of 3 classes" in handful("check", photos).out
    lines = handful("predict", saved, photos / "test").out.splitlines()
    assert len(lines) == 12
    assert all(re.search(r"\.png  (blue|green|red)  \d+ %", line) for line in lines)
    assert "entries" in handful("cache").out


@pytest.mark.parametrize("verb", [(), ("--help",), ("fit", "--help"), ("predict", "--help")])
def test_help_is_help(verb, handful):
    said = handful(*verb)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Usage: handful")


# Bad usage


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["fly"], ["No such command 'fly'", "see handful fly --help"]),
        (["fit"], ["Missing argument", "see handful fit --help"]),
        (["fit", "DATA"], ["Missing option '--out'", "see handful fit --help"]),
        (["fit", "DATA", "--out", "OUT", "--seed", "-1"], ["--seed", "see handful"]),
        (["fit", "DATA", "--out", "OUT", "--seed", "NaN"], ["--seed", "see handful"]),
        (["fit", "DATA", "--out", "OUT", "--jobs", "0"], ["--jobs", "see handful"]),
        (["fit", "DATA", "--out", "OUT", "--budget", "soon"], ["cannot read the budget 'soon'; --budget; write 90s"]),
        (["fit", "DATA", "--out", "OUT", "--metric", "f1"], ["no metric is called 'f1'; --metric; use accuracy, "]),
        (["fit", "DATA", "--out", "OUT", "--recipe", "magic"], ["no recipe is called 'magic'; --recipe; use one of"]),
        (
            ["fit", "DATA", "--out", "OUT", "--task", "detection"],
            ["'detection' is not supported", "--task; supported are"],
        ),
        (["fit", "DATA", "--out", "OUT", "--backbone", "gpt"], ["there is no backbone 'gpt'", "--backbone; write"]),
        (
            ["fit", "DATA", "--out", "DATA"],
            ["something that is no model stands at the destination", "choose another --out"],
        ),
        (
            ["fit", "DATA", "--out", "INSIDE"],
            ["the model would lie among the examples; ", "choose an --out elsewhere"],
        ),
        (
            ["predict", "MODEL", "DATA", "--coverage", "2"],
            ["a coverage lies between 0 and 1, got 2; --coverage; write 0.9"],
        ),
        (["predict", "MODEL", "DATA", "--coverage", "nan"], ["a coverage lies between 0 and 1, got nan; --coverage"]),
        (["predict", "MODEL", "DATA", "--coverage", "much"], ["--coverage", "see handful"]),
        (["predict", "MODEL", "gone*.png"], ["no such file, folder or pattern, or nothing in it; gone*.png; check"]),
        (["predict", "MODEL", "a**b"], ["no pattern either", "a**b; check the path"]),
        (
            ["evaluate", "DATA", "DATA"],
            ["this is not a model folder: it has no handful.json", "give a folder made by handful"],
        ),
        (["evaluate", "GONE", "DATA"], ["no such model folder; ", "gone; give a folder made by handful fit"]),
        (["compare", "MODEL", "GONE", "DATA"], ["no such model folder; ", "gone; give a folder made by handful fit"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0].islower() else "",
)
def test_bad_usage_is_one_clear_line(arguments, parts, handful, photos, saved, tmp_path):
    places = {
        "INSIDE": photos / "model",
        "DATA": photos,
        "OUT": tmp_path / "out",
        "MODEL": saved,
        "GONE": tmp_path / "gone",
    }
    handful(*(places.get(word, word) for word in arguments)).error(*parts)
    assert not (tmp_path / "out").exists()


# Bad data


def folder_of(tmp_path, **files):
    for name, content in files.items():
        path = tmp_path / "data" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "data").mkdir(exist_ok=True)
    return tmp_path / "data"


def table_of(few, *lines):
    (few / "table.csv").write_text("\n".join(lines))
    return few / "table.csv"


def all_broken(few):
    for path in few.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:60])
    return few


ROWS = [f"{name}/{at}.png" for name in ("blue", "red") for at in range(4)]
BAD_DATA = {
    "no such folder": (lambda few: few / "gone", ["no such folder or file; ", "gone; check the path"]),
    "an empty folder": (lambda few: folder_of(few.parent), ["the folder has no images; ", "data; put them into"]),
    "a single class": (
        lambda few: (shutil.rmtree(few / "red"), few)[1],
        ["only one class: blue; ", "few; add examples of"],
    ),
    "an empty class": (
        lambda few: ((few / "void").mkdir(), few)[1],
        ["a class folder without files: void; ", "add images or remove"],
    ),
    "all unreadable": (all_broken, ["none of the 8 images can be read; ", "check that these are image files"]),
    "not a table": (lambda few: few / "blue" / "0.png", ["not a folder, nor a table that can be read; ", "use a .csv"]),
    "no columns": (
        lambda few: table_of(few, "a,b", "1,2"),
        ["found the columns a, b; ", "name "],
    ),
    "no label column": (
        lambda few: table_of(few, "image", ROWS[0]),
        ["there is no column 'label'", "name one of them label"],
    ),
    "a missing file": (
        lambda few: table_of(few, "image,label", f"{ROWS[0]},a", "gone.png,b"),
        ["1 of 2 image files are missing, the first in row 3", "gone.png; ", "paths are relative to"],
    ),
    "empty labels": (
        lambda few: table_of(few, "image,label", f"{ROWS[0]},a", f"{ROWS[4]},"),
        ["1 rows have no label: rows 3; ", "fill or"],
    ),
    "a numeric target": (
        lambda few: table_of(few, "image,label", *(f"{row},{at / 7}" for at, row in enumerate(ROWS))),
        ["a number to predict (regression) is not supported", "supported is one class label per image"],
    ),
    "several labels": (
        lambda few: table_of(few, "image,label", f"{ROWS[0]},a|b", f"{ROWS[4]},b"),
        ["several labels per image (multi-label) are not supported: 'a|b'", "supported is one class label per image"],
    ),
}


@pytest.mark.parametrize("verb", ["fit", "check"])
@pytest.mark.parametrize(("make", "parts"), BAD_DATA.values(), ids=BAD_DATA)
def test_bad_data_are_one_clear_line_and_an_older_model_is_left_alone(verb, make, parts, handful, few, model_folder):
    before = contents(model_folder)
    out = ["--out", model_folder, *QUICK] if verb == "fit" else []
    handful(verb, make(few), *out).error(*parts)
    assert contents(model_folder) == before
    assert not list(model_folder.parent.glob(".*"))


def huge_png():
    """60,000 x 60,000 pixels, by its header."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    end = b"IEND"
    pieces = [struct.pack(">I", 13), chunk, struct.pack(">I", zlib.crc32(chunk)), struct.pack(">I", 0), end]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces) + struct.pack(">I", zlib.crc32(end))


@pytest.fixture
def spoilt(few):
    """Good photos, and among them all that can be wrong with one."""
    Image.open(few / "red" / "0.png").resize((300, 300)).save(few / "whole.jpg")
    half = (few / "whole.jpg").read_bytes()
    (few / "whole.jpg").unlink()
    (few / "blue" / "half.jpg").write_bytes(half[: len(half) // 2])
    (few / "blue" / "huge.png").write_bytes(huge_png())
    (few / "red" / "letter.docx").write_text("dear Sir")
    (few / "red" / "nothing.png").touch()
    return few


BROKEN = {"half.jpg", "huge.png", "letter.docx", "nothing.png"}


def test_broken_photos_among_good_ones_are_named_counted_and_left_out(handful, spoilt, tmp_path):
    metrics = handful("fit", spoilt, "--out", tmp_path / "model", *QUICK, "--json").json()
    assert (metrics["n"], metrics["audit"]["n_unreadable"]) == (8, 4)
    (finding,) = (found for found in metrics["audit"]["findings"] if found["kind"] == "unreadable")
    assert {Path(name).name for name in finding["names"]} == BROKEN


def test_strict_refuses_them_by_name(handful, spoilt, saved, tmp_path):
    handful("fit", spoilt, "--out", tmp_path / "model", "--strict").error("half.jpg; replace or remove it")
    assert not (tmp_path / "model").exists()
    (spoilt / "green").mkdir()
    shutil.copy(spoilt / "red" / "0.png", spoilt / "green")
    handful("evaluate", saved, spoilt, "--strict").error("half.jpg; replace or remove it")


def test_predict_skips_the_broken_by_name(handful, spoilt, saved):
    said = handful("predict", saved, spoilt, "--json")
    result = said.json()
    assert len(result["predictions"]) == 8
    assert {Path(problem["input"]).name for problem in result["problems"]} == BROKEN
    warnings = said.err.splitlines()
    assert len(warnings) == 4
    assert all(line.startswith("warning: skipped ") for line in warnings)


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv", "OUT"]], ids=" ".join)
def test_predict_refuses_when_nothing_can_be_read(form, handful, saved, few, tmp_path):
    form = [tmp_path / "found.csv" if word == "OUT" else word for word in form]
    handful("predict", saved, all_broken(few), *form).error("none of the 8 inputs can be read", "check that these are")
    assert not (tmp_path / "found.csv").exists()


# Predicting


def test_folders_patterns_and_files_are_each_predicted_once(handful, saved, photos, monkeypatch):
    monkeypatch.chdir(photos)
    result = handful("predict", saved, "test/red", "test/*/[01].png", "test/red/0.png", "--json").json()
    names = [record["input"] for record in result["predictions"]]
    assert len(names) == len(set(names)) == 4 + 4


def test_a_table_holds_a_row_for_each_photo(handful, saved, photos, tmp_path):
    said = handful("predict", saved, photos / "test", "--csv", tmp_path / "found.csv")
    assert (said.code, said.out) == (0, "")
    rows = list(csv.DictReader((tmp_path / "found.csv").read_text(encoding="utf-8").splitlines()))
    records = handful("predict", saved, photos / "test", "--json").json()["predictions"]
    assert [(row["input"], row["label"], float(row["probability"]), row["set"].split("|")) for row in rows] == [
        (record["input"], record["label"], record["probability"], record["set"]) for record in records
    ]
    onto_output = handful("predict", saved, photos / "test", "--csv", "-").out
    assert onto_output.splitlines() == (tmp_path / "found.csv").read_text().splitlines()


def test_a_coverage_that_cannot_be_promised_is_noted_and_sets_are_null(handful, saved, photos):
    said = handful("predict", saved, photos / "test" / "red", "--coverage", "0.99", "--json")
    assert [record["set"] for record in said.json()["predictions"]] == [None] * 4
    assert "note: no prediction sets: 24 examples are too few for 0.99" in said.err


def test_a_table_that_cannot_be_written_is_an_error_and_the_old_one_stays(
    handful, saved, photos, tmp_path, monkeypatch
):
    said = handful("predict", saved, photos / "test", "--csv", tmp_path / "gone" / "found.csv")
    assert said.code == 1
    assert re.fullmatch(r"error: cannot write: No such file or directory; .*found.csv; choose a place .*\n", said.err)
    (tmp_path / "found.csv").write_text("as it was")
    monkeypatch.setattr(csv.DictWriter, "writerow", _raise(OSError(errno.ENOSPC, "No space left on device")))
    said = handful("predict", saved, photos / "test", "--csv", tmp_path / "found.csv")
    assert said.code == 1
    assert "error: the disk is full; " in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["found.csv"]
    assert (tmp_path / "found.csv").read_text() == "as it was"


def test_whoever_stops_listening_hears_no_more(saved, photos):
    """As in `handful predict ... | head -1`."""
    command = [sys.executable, "-m", "handful", "predict", str(saved), str(photos / "test")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.wait(30) == 1
        assert "Traceback" not in process.stderr.read()


# Bad models


def test_incomplete_newer_and_tampered_models_are_one_clear_line(handful, saved, photos, tmp_path):
    def altered(change):
        folder = shutil.copytree(saved, tmp_path / "altered", dirs_exist_ok=True)
        change(folder)
        for verb in ("predict", "evaluate"):
            yield handful(verb, folder, photos / "test")
        yield handful("compare", saved, folder, photos)
        shutil.rmtree(folder)

    def newer(folder):
        text = (folder / "handful.json").read_text()
        (folder / "handful.json").write_text(text.replace('"format": 1', f'"format": {FORMAT + 1}'))

    def renamed(folder):
        text = (folder / "handful.json").read_text()
        (folder / "handful.json").write_text(text.replace('"blue"', '"navy"'))

    for change, parts in (
        (
            lambda folder: (folder / "model.onnx").unlink(),
            ["incomplete: model.onnx is missing", "copy the folder again"],
        ),
        (
            lambda folder: (folder / "handful.json").unlink(),
            ["not a model folder", "give a folder made by handful fit"],
        ),
        (
            lambda folder: (folder / "handful.json").write_text("{"),
            ["handful.json is damaged", "copy the folder again"],
        ),
        (lambda folder: (folder / "model.onnx").write_bytes(b"x"), ["model.onnx is not the file that was saved"]),
        (newer, [f"the model has format {FORMAT + 1}, this handful reads up to {FORMAT}", "upgrade handful"]),
        (renamed, ["handful.json is not the file that was saved", "copy the folder again or fit the model again"]),
    ):
        for said in altered(change):
            said.error(*parts)


# Nothing is lost


def _raise(failure):
    def fail(*_, **__):
        raise failure

    return fail


FULL = OSError(errno.ENOSPC, "No space left on device")
INTERRUPTED = "error: interrupted; nothing was written"


@pytest.mark.parametrize(
    ("where", "failure", "line"),
    [
        ("writing", FULL, "error: the disk is full; .*model; free some space .*"),
        ("writing", KeyboardInterrupt(), INTERRUPTED),
        ("features", KeyboardInterrupt(), INTERRUPTED),
        ("features", MemoryError(), "error: out of memory; nothing was written; .*"),
    ],
    ids=["disk full", "Ctrl-C while writing", "Ctrl-C", "memory"],
)
def test_a_fit_that_fails_leaves_the_older_model(where, failure, line, handful, few, model_folder, monkeypatch):
    before = contents(model_folder)
    target = (pixel_examples, "frozen_features") if where == "features" else (Path, "write_bytes")
    monkeypatch.setattr(*target, _raise(failure))
    said = handful("fit", few, "--out", model_folder, *QUICK)
    assert (said.code, said.out) == (1, "")
    *notes, error = said.err.splitlines()
    assert re.fullmatch(line, error)
    assert all(note.startswith("note: ") for note in notes)
    assert contents(model_folder) == before
    assert [path.name for path in model_folder.parent.iterdir() if path.name.startswith(".")] == []


def test_ctrl_c_in_a_real_process_leaves_nothing_behind(write_photos, saved, tmp_path):
    data = write_photos(tmp_path / "data" / "train", n=40).parent
    shutil.copytree(data / "train" / "red", data / "unlabelled")  # a note about it tells that the fit has begun
    out = shutil.copytree(saved, tmp_path / "out" / "model")
    before = contents(out)
    command = [sys.executable, "-m", "handful", "fit", str(data), "--recipe", "probe", "--out", str(out), "--json"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what runs in the background is deaf to Ctrl-C
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard
    ) as process:
        assert process.stderr.readline().startswith("note: task: image-classification")
        assert "unlabelled" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        code, out_text, err_text = process.wait(60), process.stdout.read(), process.stderr.read()
    assert (code, out_text) == (1, "")
    assert err_text.strip() == "error: interrupted; nothing was written"
    assert contents(out) == before
    assert [path.name for path in out.parent.iterdir()] == ["model"]


def test_a_full_disk_in_a_real_process_is_one_line(saved, photos, really):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    said = really("predict", saved, photos / "test" / "red", "--csv", "/dev/full")
    assert (said.code, said.out) == (1, "")
    assert said.err == "error: the disk is full; /dev/full; free some space or write elsewhere; nothing was changed\n"
    assert not Path("/dev/full").is_file()


# Names


def test_names_of_any_script_and_length_work(handful, write_photos, tmp_path):
    deep = tmp_path.joinpath(*["größe 🦜 " + "х" * 100] * 4)  # 240 bytes a name, about a thousand in all
    data = write_photos(deep / "фото", n=3, classes=("blue", "red"))
    (data / "blue").rename(data / "синий, 'a;b'")
    (data / "red").rename(data / "赤")
    metrics = handful("fit", data, "--out", deep / "модель", *QUICK, "--json").json()
    assert metrics["classes"] == ["синий, 'a;b'", "赤"]
    result = handful("predict", deep / "модель", data / "赤", "--json").json()
    assert len(result["predictions"]) == 3
    assert result["predictions"][0]["input"].startswith(str(data))
    table = deep / ("б" * 120 + ".csv")
    assert handful("predict", deep / "модель", data / "赤", "--csv", table).code == 0
    assert len(table.read_text(encoding="utf-8").splitlines()) == 4


def test_names_that_are_no_text_work(handful, few, tmp_path):
    odd = os.fsdecode(b"caf\xe9")
    try:
        (few / "red").rename(few / odd)
    except OSError:
        pytest.skip("this file system has only names that are text")
    (few / odd / "0.png").rename(few / odd / f"{odd}.png")
    (few / odd / f"{odd}.jpg").write_text("no photo")
    model = tmp_path / "model"
    assert handful("fit", few, "--out", model, *QUICK, "--json").json()["classes"] == ["blue", odd]
    said = handful("predict", model, few / odd, "--json")
    assert len(said.json()["predictions"]) == 4
    assert handful("predict", model, few / odd, "--csv", tmp_path / "found.csv").code == 0
    assert handful("check", few).code == 0


def test_a_name_that_is_too_long_is_refused(handful, saved, photos, tmp_path):
    handful("predict", saved, "x" * 5000).error("no such file", "check the path")
    handful("fit", "x" * 5000, "--out", tmp_path / "model").error("no such file or folder", "check the path")
    assert not (tmp_path / "model").exists()


def test_linked_class_folders_are_read_and_left_alone(handful, few, tmp_path):
    elsewhere = shutil.move(few / "red", tmp_path / "elsewhere")
    (few / "red").symlink_to(elsewhere)
    before = contents(tmp_path / "elsewhere")
    metrics = handful("fit", few, "--out", tmp_path / "model", *QUICK, "--json").json()
    assert metrics["counts"] == {"blue": 4, "red": 4}
    assert contents(tmp_path / "elsewhere") == before
    assert (few / "red").is_symlink()


# What is imported


def imported(code, *arguments):
    code = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("code", ["import handful", "sys.argv = ['handful', '--help']\nimport handful.cli.main as m\n"
                                  "try: m.run()\nexcept SystemExit: pass"], ids=["import", "help"])  # fmt: skip
def test_importing_and_help_load_nothing_heavy(code):
    assert not imported(code) & (HEAVY | {"numpy", "cv2", "onnx", "onnxruntime", "PIL", "jinja2"})


def test_predicting_loads_nothing_that_is_not_needed(saved, photos):
    code = "import handful.cli.main as m\ntry: m.run()\nexcept SystemExit as end: assert not end.code"
    found = imported(code, "predict", saved, photos / "test" / "red")
    assert {"numpy", "onnxruntime"} <= found
    assert not found & (HEAVY | {"onnx", "jinja2", "matplotlib"})


def test_an_interrupt_in_the_middle_of_an_import_is_one_line_too(monkeypatch, capsys):
    def half_imported(**_):
        raise ImportError("initialization failed") from KeyboardInterrupt()

    monkeypatch.setattr("handful.cli.main.app", half_imported)
    with pytest.raises(SystemExit, match="1"):
        run()
    assert capsys.readouterr().err == "error: interrupted; nothing was written\n"


def test_the_version_is_that_of_the_package(handful):
    assert handful("--version").out.startswith("handful ")


# --metric


COSTS = "truth,red,blue\nblue,0.5,0\nred,0,4\n"


def test_a_cost_table_drives_fit_evaluate_and_compare(handful, few, photos, tmp_path, write_photos):
    table, out = tmp_path / "costs.csv", tmp_path / "model"
    table.write_text(COSTS)
    costs = f"cost:{table}"
    metrics = handful("fit", few, "--out", out, "--recipe", "probe", *QUICK, "--metric", costs, "--json").json()
    assert metrics["score"].keys() == {"metric", "value", "low", "high", "n"}
    assert (metrics["score"]["metric"], metrics["gain_unit"]) == ("cost", "units of cost")
    assert {"accuracy", "balanced_accuracy", "cost"} == metrics["scores"].keys()
    assert load(out).manifest.costs == ((0, 0.5), (4, 0))
    more = write_photos(tmp_path / "more", n=3, classes=("blue", "red"), seed=5)
    tested = handful("evaluate", out, more, "--metric", costs, "--json").json()
    assert tested["score"]["metric"] == "cost"
    said = handful("evaluate", out, more, "--metric", costs).out
    assert f"cost               {tested['score']['value']:.3f} [" in said
    assert "always guessing    0.250  (red)" in said
    compared = handful("compare", out, out, more, "--metric", "log-loss")
    assert re.search(r"gain of the second +\+0\.000 nats \[-\d\.\d{3}, \+\d\.\d{3}\]", compared.out)


def test_fit_shows_gains_in_the_unit_of_the_metric(handful, photos, tmp_path):
    out = handful(
        "fit", photos, "--out", tmp_path / "model", "--recipe", "probe", "--budget", "9fits", "--metric", "log_loss"
    ).out
    assert re.search(r"^log loss +\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\], n = 24  \(cross-validated\)$", out, re.M)
    assert re.search(r"^always guessing +1\.099$", out, re.M)  # log 3
    assert re.search(r"^technique +on +gain, nats +verdict$", out, re.M)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        (",red\nred,0\n", "the class 'blue' occurs 0 times"),
        (COSTS.replace("4", "x"), "'x' is not a number"),
    ],
)
def test_a_cost_table_that_makes_no_sense_is_refused_before_any_work(
    text, message, handful, few, tmp_path, monkeypatch
):
    monkeypatch.setattr(fitting, "fit_images", None)
    if text:
        (tmp_path / "costs.csv").write_text(text)
    arguments = ("fit", few, "--out", tmp_path / "model", "--metric", f"cost:{tmp_path / 'costs.csv'}")
    handful(*arguments).error(message, "costs.csv")
    assert not (tmp_path / "model").exists()
