import json
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from handful.augment.policy import Policy
from handful.bundle.model import load
from handful.core.errors import DataError, ImageError, JobError, UsageError
from handful.core.progress import Progress
from handful.data.readers import Splits, from_arrays, read
from handful.nn import embedded
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.recipe import candidates as offers
from handful.recipe.saved import recipe_of
from handful.recipe.selection import select
from handful.tasks import fitting
from handful.tasks import learn as learning
from handful.tasks.fit_images import fit_images
from handful.tasks.fitting import Settings
from handful.transfer.fine_tuning import FineTuning

QUICK = Settings(budget="2fits")
FEW = {"n": 4, "classes": ("blue", "red")}


def finding(metrics, kind):
    return next(found for found in metrics["audit"]["findings"] if found["kind"] == kind)


def test_the_account_keeps_the_contract(fitted):
    metrics = fitted.metrics
    assert {"task", "n", "classes", "score", "scores", "test_score", "recipe", "evidence", "seconds"} <= metrics.keys()
    assert (metrics["task"], metrics["n"], metrics["classes"]) == ("image classification", 24, ["blue", "green", "red"])
    for name in ("accuracy", "balanced_accuracy"):
        score = metrics["scores"][name]
        assert score["metric"] == name
        assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
        assert score["n"] == 24
    assert metrics["score"] == metrics["scores"]["accuracy"]
    assert metrics["test_score"] == metrics["test"]["scores"]["accuracy"]
    assert metrics["test_score"]["n"] == metrics["test"]["n"] == 12
    for row in metrics["evidence"]:
        assert row.keys() == {"technique", "on", "gain", "low", "high", "verdict"}
        assert row["verdict"] in ("helps", "hurts", "cannot tell")
        assert row["low"] <= row["gain"] <= row["high"]
    assert [len(row["recall"]) for row in metrics["per_class"]] == [4] * 3
    assert np.array(metrics["confusion"]).sum() == 24
    assert json.loads(json.dumps(metrics, allow_nan=False)) == json.loads(json.dumps(metrics))


def test_the_score_beats_guessing_on_pictures_that_can_be_told_apart(fitted):
    assert fitted.metrics["score"]["low"] > fitted.metrics["majority"]["value"] == pytest.approx(1 / 3)
    assert fitted.metrics["test_score"]["low"] > 1 / 3


def test_the_model_folder_holds_the_account_and_predicts_as_was_measured(saved, fitted, photos):
    written = json.loads((saved / "metrics.json").read_text(encoding="utf-8"))
    assert written["model"] == str(saved)
    assert written["model_bytes"] == (saved / "model.onnx").stat().st_size
    assert written["score"] == json.loads(json.dumps(fitted.metrics["score"]))
    test = read(photos).test
    found = load(saved).predict(test.inputs)
    assert np.mean(found.indices == test.targets) == pytest.approx(fitted.metrics["test_score"]["value"])
    assert "image classification" in (saved / "README.md").read_text()
    assert "<html" in (saved / "report.html").read_text(encoding="utf-8")


def test_one_label_a_class_makes_a_model_without_a_score_and_says_why(tiny, write_photos, photos, tmp_path):
    write_photos(tmp_path / "one", n=1)
    fit = fit_images(read(tmp_path / "one", test=photos / "test"), QUICK)
    assert fit.metrics["score"] is None
    assert "a class has 1 independent example; a score needs two of every class" in fit.metrics["score_missing"]
    assert fit.metrics["test_score"]["n"] == 12
    metrics = fit.save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "metrics.json").read_text())["score"] is None
    assert metrics["evidence"] == []
    found = load(tmp_path / "model").predict(sorted((photos / "test").glob("*/*.png")))
    assert found.sets is None
    assert np.mean(found.indices == np.repeat([0, 1, 2], 4)) > 1 / 3


@pytest.mark.parametrize(
    "metric", ["accuracy", "macro_f1", "cost:[[0, 1, 1, 1], [2, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]]"]
)
def test_a_class_of_one_is_learned_and_the_recipe_is_chosen_on_the_others(
    metric, tiny, write_photos, monkeypatch, tmp_path
):
    raced = []

    def spy(problem, *more):
        raced.append((problem.n_classes, np.bincount(problem.targets).tolist()))
        return select(problem, *more)

    monkeypatch.setattr(learning, "select", spy)
    write_photos(tmp_path / "data", n=6)
    write_photos(tmp_path / "data", n=1, classes=("cyan",))
    fit = fit_images(read(tmp_path / "data"), Settings(budget="9fits", metric=metric))
    assert raced == [(3, [6, 6, 6])]
    assert fit.metrics["score"] is None
    assert fit.metrics["score_missing"].endswith("; the recipe was chosen on the 3 classes that have two")
    assert fit.metrics["n_candidates_skipped"] > 0
    assert fit.model().classes == ("blue", "cyan", "green", "red")
    files = sorted((tmp_path / "data").glob("*/*.png"))
    likeliest = files[fit.model().predict(files).probabilities[:, 1].argmax()]
    assert likeliest == tmp_path / "data" / "cyan" / "0.png"


def test_one_class_of_two_leaves_nothing_to_choose_by(tiny, write_photos, tmp_path):
    write_photos(tmp_path / "data", n=6, classes=("blue",))
    write_photos(tmp_path / "data", n=1, classes=("red",))
    fit = fit_images(read(tmp_path / "data"), QUICK)
    assert fit.metrics["score_missing"].endswith("one to learn from and one to test on")


def test_one_group_alone_has_no_score_and_a_model_that_does_not_find_everything_strange(tiny, photos):
    pictures = sorted((photos / "train").glob("*/*.png"))
    data = from_arrays(pictures, [path.parent.name for path in pictures], ["one camera"] * 24)
    fit = fit_images(Splits(data, None, None, ()), QUICK)
    assert fit.metrics["score"] is None
    assert not fit.model().predict(pictures[:3]).unfamiliar.any()


def test_groups_and_repeats_are_never_split_across_folds(tiny, photos, tmp_path, monkeypatch):
    dealt = []
    deal = learning.folds_of
    monkeypatch.setattr(learning, "folds_of", lambda *given: dealt.append(deal(*given)) or dealt[-1])
    pictures = sorted((photos / "train").glob("*/*.png"))
    shutil.copy(pictures[0], tmp_path / "again.png")
    pictures.append(tmp_path / "again.png")
    labels = [path.parent.name for path in pictures[:-1]] + ["blue"]
    groups = np.r_[np.arange(24) // 2, 99]  # pairs, and a copy of the first that claims to be of another group
    data = from_arrays(pictures, labels, groups)
    metrics = fit_images(Splits(data, None, None, ()), QUICK).metrics
    (folds,) = dealt
    for row in (*folds.many, *folds.few):
        assert all(len(set(row[groups == group])) == 1 for group in np.unique(groups))
        assert row[24] == row[0] == row[1]
    assert finding(metrics, "duplicate")["names"] == (str(pictures[0]), str(pictures[24]))


def test_leaked_test_photos_are_counted_and_left_out(tiny, write_photos, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "leaky")
    for name in ("blue", "red"):
        shutil.copy(tmp_path / "leaky" / "train" / name / "0.png", tmp_path / "leaky" / "test" / name / "leak.png")
    metrics = fit_images(read(tmp_path / "leaky"), QUICK).metrics
    assert metrics["audit"]["n_leaked"] == metrics["test"]["leaked"] == 2
    assert metrics["test_score"]["n"] == metrics["test"]["n"] == 12
    assert [name.rpartition("/")[2] for name in finding(metrics, "leak")["names"]] == ["leak.png"] * 2


def test_a_test_set_that_leaked_whole_gives_no_test_score(tiny, photos):
    metrics = fit_images(read(photos / "train", test=photos / "train"), QUICK).metrics
    assert metrics["test_score"] is None
    assert metrics["audit"]["n_leaked"] == 24


@pytest.fixture
def spoilt(write_photos, tmp_path):
    """Eight photos, and among them a text, an empty file and half a PNG."""
    folder = write_photos(tmp_path / "spoilt", **FEW)
    (folder / "blue" / "notes.txt").write_text("not a photo")
    (folder / "red" / "empty.png").touch()
    (folder / "red" / "half.png").write_bytes((folder / "red" / "0.png").read_bytes()[:700])
    return folder


def test_unreadable_files_are_named_counted_and_left_out(tiny, spoilt):
    metrics = fit_images(read(spoilt), QUICK).metrics
    assert metrics["n"] == 8
    assert metrics["audit"]["n_unreadable"] == 3
    assert {name.rpartition("/")[2] for name in finding(metrics, "unreadable")["names"]} == {
        "notes.txt", "empty.png", "half.png",
    }  # fmt: skip


def test_strict_refuses_them(tiny, spoilt):
    with pytest.raises(ImageError, match=r"not a PNG, .* image; .*notes\.txt; replace or remove it"):
        fit_images(read(spoilt), Settings(strict=True))


def test_a_class_of_which_nothing_can_be_read_is_named(tiny, spoilt):
    for path in (spoilt / "red").iterdir():
        path.write_text("broken")
    with pytest.raises(
        DataError, match="no image of this class can be read; red; repair its files or remove the class"
    ):
        fit_images(read(spoilt), QUICK)


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_jobs(tiny, fitted, photos):
    again = [fit_images(read(photos), Settings(budget="40fits", jobs=jobs, cached=False)) for jobs in (1, 3)]
    for fit in again:
        assert fit.graph == fitted.graph
        assert fit.manifest == fitted.manifest
        np.testing.assert_array_equal(fit.tensors["reference.embedding"], fitted.tensors["reference.embedding"])
        for key in ("score", "evidence", "learning_curve", "confusion", "test"):
            assert json.dumps(fit.metrics[key]) == json.dumps(fitted.metrics[key])


def test_another_seed_deals_other_folds_but_tells_much_the_same(tiny, fitted, photos):
    metrics = fit_images(read(photos), Settings(budget="40fits", seed=1)).metrics
    assert metrics["score"] != fitted.metrics["score"]
    assert metrics["score"]["value"] == pytest.approx(fitted.metrics["score"]["value"], abs=0.15)


def test_class_names_that_tell_left_from_right_are_never_mirrored(tiny, write_photos, tmp_path):
    folder = write_photos(tmp_path / "signs", n=4, classes=("turn_left", "turn_right"))
    assert fit_images(read(folder), Settings(budget="9fits")).metrics["recipe"]["test_views"] == (0,)


def test_the_shipped_graph_must_be_what_was_measured(tiny, photos, monkeypatch):
    honest = fitting.assemble_graph
    monkeypatch.setattr(fitting, "assemble_graph", lambda learned, backbone: honest(_shifted(learned), backbone))
    with pytest.raises(
        JobError, match=r"the graph that would ship differs from what was measured by .*nothing was written"
    ):
        fit_images(read(photos), QUICK)


def _shifted(learned):
    return replace(learned, calibration=replace(learned.calibration, scale=0.1))


def test_an_unknown_recipe_is_refused(photos):
    with pytest.raises(UsageError, match="no recipe is called 'magic'; recipe; use one of auto, probe"):
        fit_images(read(photos), Settings(recipe="magic"))


def test_a_fit_imports_no_torch_once_the_graph_is_cached(write_photos, tmp_path):
    assert EfficientNetLite0Backbone().graph_bytes
    folder = write_photos(tmp_path / "few", n=2, classes=("blue", "red"))
    code = """
import sys
from handful.cli.main import run
sys.argv = ["handful", "fit", sys.argv[1], "--out", sys.argv[2], "--budget", "1fits", "--json"]
try:
    run()
finally:
    heavy = {"torch", "sklearn", "transformers", "pandas", "torchvision"} & sys.modules.keys()
    print(sorted(heavy), file=sys.stderr)
"""
    command = [sys.executable, "-c", code, str(folder), str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"
    assert json.loads(done.stdout)["n"] == 4


def test_a_budget_too_short_for_all_policies_says_which_are_left_out(tiny, photos):
    class Heard(Progress):
        notes: ClassVar = []

        def note(self, message):
            self.notes.append(message)

    metrics = fit_images(read(photos), Settings(budget="2s"), progress=Heard()).metrics
    assert Heard.notes == ["the budget leaves no time to try the augmentation light, scan, standard"]
    assert metrics["recipe"]["n_views"] <= 2


def test_the_policy_that_was_asked_for_is_the_one_that_is_used_and_saved(tiny, photos, tmp_path):
    fit = fit_images(read(photos), Settings(budget="40fits", augment="rotate=5,flip_h=0.5"))
    assert fit.metrics["recipe"]["augment"] == "rotate=5,flip_h=0.5"
    fit.save(tmp_path / "model")
    saved = json.loads((tmp_path / "model" / "handful.json").read_text(encoding="utf-8"))
    assert recipe_of(saved["recipe"]).augment == Policy.parse("rotate=5,flip_h=0.5")
    assert all(not row["technique"].startswith("augmentation") for row in fit.metrics["evidence"])


# With everything that may help: smaller pictures, what is trained, and votes


WINNERS = {  # what usually gains a hundred points wins
    "sizes": [("probe", "@64"), ("probe", "@32")],
    "with_probe": [("probe", "@64"), ("fine-tuning", "@64")],
    "with_sizes": [("probe", "@64"), ("probe", "@32"), ("fine-tuning", "@64")],
    "alone": [("fine-tuning", "@64")],
    "distilled": [("distillation", "@64")],
}
STEPS = {"n_blocks": 1, "n_views": 2, "least_steps": 2, "most_steps": 2, "batch_size": 8}
EVERYTHING = Settings(backbone="efficientnet-lite0@64", augment="flips", budget="40fits", jobs=1)


@pytest.fixture
def small_network(monkeypatch):
    """`small_network(winner, ...)`: the embedded network at 64 and 32 pixels, and a fine-tuning of two steps."""
    monkeypatch.setattr(embedded, "SIZES", (32, 64, 224))

    def two_steps(best, backbones, policies):
        recipes = offers._fine_tuning(best, backbones, policies)
        return [replace(recipe, adapt=replace(recipe.adapt, **STEPS)) for recipe in recipes]

    def prepare(*winners):
        gains = dict.fromkeys(("alone", "with_probe", "with_sizes", "sizes", "distilled"), -1.0) | dict.fromkeys(
            winners, 1.0
        )
        monkeypatch.setattr(offers, "PRIOR_DISTILLED", gains.pop("distilled"))
        monkeypatch.setattr(offers, "PRIOR_SIZES", gains.pop("sizes"))
        monkeypatch.setattr(offers, "PARTNERS", (offers.Partner(two_steps, **gains),))

    return prepare


@pytest.mark.parametrize("winner", WINNERS)
def test_whatever_wins_is_accounted_for_saved_and_predicts_as_was_measured(winner, small_network, photos, tmp_path):
    small_network(winner, "with_sizes" if winner == "distilled" else winner)  # what wins is taught
    fit = fit_images(read(photos), EVERYTHING)
    members = fit.metrics["recipe"]["members"]
    assert [(each["adapt"]["technique"], each["backbone"][-3:]) for each in members] == WINNERS[winner]
    rows = {row["technique"]: row["on"] for row in fit.metrics["evidence"]}
    assert rows["several picture sizes"] == (winner in ("sizes", "with_sizes", "distilled"))
    assert rows["fine-tuning"] == (winner != "sizes")
    assert rows.get("distillation") == {"alone": None, "distilled": True}.get(winner, False)
    assert {"several depths", "square root of features"} <= rows.keys()
    assert fit.metrics["folds"]["n_folds"] == (8 if winner == "sizes" else 5)
    assert fit.metrics["score"]["low"] <= fit.metrics["score"]["value"] <= fit.metrics["score"]["high"]
    json.dumps(fit.metrics, allow_nan=False)

    fit.save(tmp_path / "model")
    saved = json.loads((tmp_path / "model" / "handful.json").read_text(encoding="utf-8"))
    again = recipe_of(saved["recipe"]).members
    assert [{**member.to_json(), "description": member.describe()} for member in again] == members
    test = read(photos).test
    found = load(tmp_path / "model").predict(test.inputs)
    assert np.mean(found.indices == test.targets) == pytest.approx(fit.metrics["test_score"]["value"])


def test_a_winner_whose_last_training_fails_gives_way_to_the_probe(small_network, photos, monkeypatch):
    def diverge(*_):
        raise JobError("the loss became nan at step 2 of 2, at a learning rate of 0.1", "training")

    small_network("alone")
    monkeypatch.setattr(FineTuning, "fit", diverge)
    metrics = fit_images(read(photos), EVERYTHING).metrics
    assert [member["adapt"]["technique"] for member in metrics["recipe"]["members"]] == ["probe"]
    assert "became nan at step 2 of 2" in metrics["given_up"][-1]
    assert metrics["given_up"][-1].endswith("in the fit on all examples; the best probe was taken")


def test_the_probe_alone_is_a_recipe_that_trains_nothing(small_network, photos):
    small_network("alone")
    metrics = fit_images(read(photos), replace(EVERYTHING, recipe="probe", budget="3fits")).metrics
    assert all("fine-tuned" not in row["name"] and "+" not in row["name"] for row in metrics["candidates"])
    assert [member["adapt"]["technique"] for member in metrics["recipe"]["members"]] == ["probe"]
