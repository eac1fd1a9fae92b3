import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save

from handful.bundle.inputs import BATCH_SIZE, name_of
from handful.bundle.manifest import Manifest, read_manifest
from handful.bundle.model import UNFAMILIAR, load
from handful.core.errors import ImageError, ModelError, UsageError
from handful.evaluate.unfamiliar import nearest_distance


def reseal(folder, **changes):
    """Change the manifest and seal it and the files again, as a forger would."""
    sealed = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("model.onnx", "weights.safetensors")
    }
    manifest: Manifest = replace(read_manifest(folder), files=sealed)
    (folder / "handful.json").write_bytes(replace(manifest, **changes).to_bytes())


@pytest.fixture(scope="module")
def model(saved):
    return load(saved)


@pytest.fixture(scope="module")
def tests(photos):
    return sorted((photos / "test").glob("*/*.png"))


@pytest.fixture
def noise():
    return [np.random.default_rng(seed).integers(0, 256, (32, 32, 3)).astype(np.uint8) for seed in range(4)]


def test_probabilities_are_those_of_the_graph_and_sets_hold_the_likeliest(model, tests):
    found = model.predict(tests)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
    assert found.names == tuple(map(str, tests))
    assert found.sets[np.arange(len(tests)), found.indices].all()
    alone = np.concatenate([model.predict([path]).probabilities for path in tests])
    np.testing.assert_allclose(found.probabilities, alone, atol=1e-6)


def test_records_say_the_same_in_plain_values(model, tests):
    found = model.predict(tests)
    for record, row in zip(json.loads(json.dumps(found.records())), range(len(tests)), strict=True):
        best = int(found.probabilities[row].argmax())
        assert record["label"] == model.classes[best]
        assert record["probability"] == pytest.approx(found.probabilities[row, best], abs=1e-6)
        assert record["set"] == [name for name, inside in zip(model.classes, found.sets[row], strict=True) if inside]
        assert record["abstain"] == (len(record["set"]) != 1 or record["unfamiliar"])
        assert record["input"] == str(tests[row])


def test_sets_grow_with_coverage_until_it_cannot_be_promised(model, tests):
    sizes = [model.predict(tests, coverage).sets.sum() for coverage in (0.5, 0.7, 0.8, 0.9, 0.95)]
    assert sizes == sorted(sizes)
    n = len(model.manifest.conformal_scores)
    assert n == 24
    assert model.limit(n / (n + 1)) is not None
    assert model.limit(0.97) is None
    assert model.predict(tests, 0.97).sets is None
    assert [record["set"] for record in model.predict(tests, 0.97).records()] == [None] * len(tests)


def test_few_scores_promise_little(model_folder, tests):
    scores = tuple(np.linspace(0, 0.5, 9))
    reseal(model_folder, conformal_scores=scores)
    assert load(model_folder).limit(0.9) == scores[-1]
    reseal(model_folder, conformal_scores=scores[:8])
    model = load(model_folder)
    assert model.limit(0.9) is None
    found = model.predict(tests)
    np.testing.assert_array_equal(found.abstain, found.unfamiliar)


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 1.5, float("nan")])
def test_a_coverage_lies_between_0_and_1(coverage, model, tests):
    with pytest.raises(UsageError, match=r"a coverage lies between 0 and 1, got .*; coverage; write 0.9, say"):
        model.predict(tests[:1], coverage)


def test_what_is_like_nothing_seen_is_flagged_and_what_was_learnt_from_is_not(model, photos, noise):
    strange = [np.full((32, 32, 3), 0, np.uint8), np.eye(32, dtype=np.uint8)[..., None].repeat(3, axis=2) * 255]
    assert model.predict(strange).unfamiliar.all()
    assert model.predict(strange).abstain.all()
    learnt = sorted((photos / "train").glob("*/*.png"))
    assert not model.predict(learnt).unfamiliar.any()


def test_unfamiliarity_is_the_share_of_training_examples_as_far_from_their_neighbours(model, tests):
    embedding = np.concatenate([model.run(batch)[1] for batch in model.inputs.batches(tests)])
    distances = model.nearest(embedding)
    familiar = np.array(model.manifest.familiar_distances)
    by_loop = [(1 + sum(familiar >= distance)) / (len(familiar) + 1) for distance in distances]
    np.testing.assert_allclose(model.unfamiliarity(embedding), by_loop)
    assert model.unfamiliar_level == max(UNFAMILIAR, 1 / 25)


def test_few_examples_flag_what_is_farther_than_all_of_them_and_none_flag_nothing(model_folder, tests):
    reseal(model_folder, familiar_distances=(0.01, 1.9))
    assert not load(model_folder).predict(tests).unfamiliar.any()
    reseal(model_folder, familiar_distances=(1e-6, 2e-6))
    assert load(model_folder).predict(tests).unfamiliar.all()
    reseal(model_folder, familiar_distances=())
    assert not load(model_folder).predict(tests).unfamiliar.any()


def test_a_reference_is_at_no_distance_from_itself(model, photos, saved):
    """Kept as float16, and still of unit length, or leaks would be missed."""
    kept = load_file(saved / "weights.safetensors")["reference.embedding"].astype(np.float64)
    unit = kept / np.linalg.norm(kept, axis=1, keepdims=True)
    assert nearest_distance(unit, unit).max() < 1e-6
    assert model.nearest(unit).max() < 1e-6


def test_paths_arrays_and_pictures_are_one(model, tests):
    opened = [Image.open(path) for path in tests]
    expected = model.predict(tests).probabilities
    for inputs in (opened, [np.asarray(image) for image in opened], np.stack([np.asarray(i) for i in opened])):
        np.testing.assert_array_equal(model.predict(inputs).probabilities, expected)
    assert model.predict(opened).names[:2] == ("input 0", "input 1")
    assert name_of(Path("a.png"), 3) == "a.png"


def test_predicting_says_which_input_is_broken_or_that_there_is_none(model, tests, tmp_path):
    (tmp_path / "no.png").write_text("no image")
    with pytest.raises(ImageError, match=r"not a PNG.*; .*no\.png; replace or remove it"):
        model.predict([*tests, tmp_path / "no.png"])
    with pytest.raises(UsageError, match="there is nothing to predict; give at least one image"):
        model.predict([])
    with pytest.raises(UsageError, match=r"one path was given; a list of images was expected; .*; pass \[path\]"):
        model.predict(str(tests[0]))


def test_a_stream_names_the_broken_and_predicts_the_rest(model, tests, tmp_path):
    broken = tmp_path / "no.png"
    broken.write_bytes(b"")
    inputs = [tests[0]] * (BATCH_SIZE - 1) + [broken] + [broken] * BATCH_SIZE + [tests[1]]
    batches = list(model.stream(inputs))
    assert [0 if found is None else len(found) for found, _ in batches] == [BATCH_SIZE - 1, 0, 1]
    assert [len(problems) for _, problems in batches] == [1, BATCH_SIZE, 0]
    assert batches[0][1][0].row == BATCH_SIZE - 1
    assert batches[0][1][0].name == str(broken)


def test_a_moved_model_predicts_the_same(saved, model, tests, tmp_path):
    moved = shutil.copytree(saved, tmp_path / "ein Ordner, weit weg" / "模型")
    np.testing.assert_array_equal(load(str(moved)).predict(tests).probabilities, model.predict(tests).probabilities)


def test_no_folder_is_no_model(tmp_path):
    with pytest.raises(ModelError, match=r"no such model folder; .*gone; give a folder made by handful fit"):
        load(tmp_path / "gone")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="no such model folder"):
        load(tmp_path / "file")


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors"])
def test_a_missing_file_is_named(name, model_folder):
    (model_folder / name).unlink()
    with pytest.raises(
        ModelError, match=rf"the model folder is incomplete: {name} is missing; .*model; copy the folder"
    ):
        load(model_folder)


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors"])
@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:50] + bytes([b[50] ^ 1]) + b[51:], lambda b: b[:0]])
def test_a_changed_file_is_named(name, damage, model_folder):
    path = model_folder / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match=rf"{name} is not the file that was saved; .*{name}; copy the folder again"):
        load(model_folder)


def test_a_forged_graph_is_refused(model_folder):
    (model_folder / "model.onnx").write_bytes(b"no graph")
    reseal(model_folder)
    with pytest.raises(
        ModelError, match=r"ONNX Runtime cannot load the graph .*; .*model; make the model again"
    ) as bad:
        load(model_folder)
    assert "\n" not in str(bad.value)


@pytest.mark.parametrize(
    "tensors",
    [
        {"other": np.zeros((2, 48), np.float16)},
        {"reference.embedding": np.zeros(48, np.float16)},
        {"reference.embedding": np.zeros((2, 7), np.float16)},
        {"reference.embedding": np.zeros((0, 48), np.float16)},
        {"reference.embedding": np.full((2, 48), np.nan, np.float16)},
    ],
    ids=["no name", "one dimension", "another width", "none", "not a number"],
)
def test_forged_references_are_refused(tensors, model_folder):
    (model_folder / "weights.safetensors").write_bytes(save(tensors))
    reseal(model_folder)
    with pytest.raises(ModelError, match=r"weights.safetensors|model.onnx and handful.json disagree"):
        load(model_folder)


def test_forged_weights_that_are_no_tensors_are_refused(model_folder):
    (model_folder / "weights.safetensors").write_bytes(b"\xff" * 64)
    reseal(model_folder)
    with pytest.raises(ModelError, match=r"weights.safetensors is damaged \(.*\); .*model; copy the folder again"):
        load(model_folder)


@pytest.mark.parametrize(
    "changes", [{"classes": ("blue", "green", "red", "grey")}, {"size": 64}], ids=["classes", "size"]
)
def test_a_manifest_of_another_model_is_refused(changes, model_folder):
    reseal(model_folder, **changes)
    with pytest.raises(ModelError, match=r"model.onnx and handful.json disagree: .*; .*model; copy the folder again"):
        load(model_folder)


def test_the_manifest_cannot_name_files_elsewhere(model_folder, tmp_path):
    """Only the two known files are read, whatever else is sealed."""
    shutil.copy(model_folder / "model.onnx", tmp_path / "outside.onnx")
    seal = hashlib.sha256((tmp_path / "outside.onnx").read_bytes()).hexdigest()
    (model_folder / "model.onnx").unlink()
    manifest = read_manifest(model_folder)
    elsewhere = replace(manifest, files={**manifest.files, "../outside.onnx": seal})
    (model_folder / "handful.json").write_bytes(elsewhere.to_bytes())
    with pytest.raises(ModelError, match=r"model.onnx is missing"):
        load(model_folder)


def test_costs_decide_the_answer_and_nothing_else(model, model_folder, tests):
    costs = 1.0 - np.eye(3)
    costs[2] *= 30  # to miss a red one
    reseal(model_folder, costs=tuple(map(tuple, costs.tolist())))
    careful, plain = load(model_folder).predict(tests), model.predict(tests)
    np.testing.assert_array_equal(careful.probabilities, plain.probabilities)
    np.testing.assert_array_equal(careful.sets, plain.sets)
    expected = [
        min(range(3), key=lambda k, p=p: sum(p[j] * costs[j, k] for j in range(3))) for p in plain.probabilities
    ]
    assert careful.indices.tolist() == expected
    assert (careful.indices == 2).sum() > (plain.indices == 2).sum()
    for record, row in zip(careful.records(), range(len(tests)), strict=True):
        assert record["label"] == model.classes[expected[row]]
        assert record["probability"] == pytest.approx(plain.probabilities[row, expected[row]], abs=1e-6)
