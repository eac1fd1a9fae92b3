import numpy as np
import pytest
import torch
from torch import nn

from handful.augment.policy import Policy
from handful.core.errors import ModelError, UsageError
from handful.nn.onnx_runtime import open_session
from handful.nn.sentence_encoder import SentenceEncoder
from handful.nn.tuned_encoder import TunedSentenceEncoder
from handful.training.devices import has_bfloat16
from handful.transfer.contrastive import Contrastive
from handful.transfer.contrastive_torch import Pairs, pair_loss, tune, with_company
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples, Problem
from handful.transfer.text_material_torch import sentence_network, text_material

TEXTS = [
    "a cold sea",
    "an icy ocean",
    "red wine",
    "a glass of port",
    "the frozen lake",
    "white wine , please",
    "cheers",
]
TARGETS = np.array([0, 0, 1, 1, 0, 1, 1])
NONE = Policy.parse("none")
QUICK = Contrastive(Probe(("layer6.mean",), power=1.0), n_layers=1, least_steps=3)


@pytest.fixture(scope="module")
def encoder():
    return SentenceEncoder()


@pytest.fixture(scope="module")
def examples():
    return Examples(TEXTS, lambda backbone, texts, _: backbone.embed(texts)[:, None])


@pytest.fixture(scope="module")
def problem(encoder, examples):
    return Problem(examples, TARGETS, 2, np.arange(len(TEXTS)), {encoder.name: encoder}, jobs=1)


@pytest.fixture(scope="module")
def fitted(problem, encoder):
    return QUICK.fit(problem, encoder, NONE)


def test_the_loss_is_that_of_every_pair_written_out():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(6, 4)), np.array([0, 1, 0, 2, 1, 1])
    near, far = [], []
    for i in range(6):
        for j in range(i):
            cosine = features[i] @ features[j] / np.linalg.norm(features[i]) / np.linalg.norm(features[j])
            near += [(1 - cosine) ** 2] if targets[i] == targets[j] else []
            far += [cosine**2] if targets[i] != targets[j] else []
    found = pair_loss(torch.tensor(features), torch.tensor(targets))
    assert float(found) == pytest.approx((np.mean(near) + np.mean(far)) / 2)


def test_the_loss_is_zero_when_classes_are_points_at_right_angles_and_does_not_know_lengths():
    features, targets = torch.eye(3)[[0, 1, 0, 2]], torch.tensor([2, 0, 2, 1])
    assert float(pair_loss(features, targets)) == 0
    bent = features + 0.3
    assert float(pair_loss(bent, targets)) == pytest.approx(float(pair_loss(7 * bent, targets)))
    assert float(pair_loss(features[:1], targets[:1])) == 0  # there are no pairs


def test_only_the_embedding_is_drawn():
    features = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    batch = ((features,), torch.tensor([0, 0, 1, 1]))
    Pairs((2, 5)).loss(nn.Identity(), batch, np.random.default_rng(0)).total.backward()
    reached = features.grad.abs().sum(0) > 0
    assert reached.tolist() == [False, False, True, True, True, False]


def test_everyone_has_company_and_no_one_comes_twice():
    targets, rng = np.array([0, 0, 0, 1, 1, 2]), np.random.default_rng(0)
    for _ in range(20):
        found = with_company(np.array([1, 5]), targets, rng)
        assert found[-2:].tolist() == [1, 5] or sorted(found.tolist()) == [1, 2, 5]
        assert len(found) == 3  # 1 with 0 or 2; 5 is alone
    assert with_company(np.arange(6), targets, rng).tolist() == list(range(6))


def test_training_draws_classes_together_and_others_apart(encoder, examples, fitted):
    column, targets = encoder.columns(encoder.last)[0], torch.from_numpy(TARGETS)
    before, after = (torch.from_numpy(examples.features(each)[:, 0, column]) for each in (encoder, fitted.backbone))
    assert pair_loss(after.float(), targets) < 0.8 * pair_loss(before.float(), targets)


def test_what_is_frozen_stays_and_what_is_trained_does_not(encoder, fitted):
    published = encoder.module().as_published()
    moved = {name for name, value in fitted.backbone.weights.items() if (value != published[name]).any()}
    assert moved == {name for name in published if name.startswith("encoder.layer.5.")}


def test_the_graph_is_the_trained_network(encoder, problem, fitted):
    material = text_material(problem, encoder)
    network = tune(QUICK, encoder, material, np.arange(len(TEXTS)), problem.seed)
    ids, mask = next((ids, mask) for _, ids, mask in encoder.windows.batches(encoder.windows.tokens(TEXTS)))
    with torch.inference_mode():
        expected = network(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    found = open_session(fitted.backbone.graph_bytes).run(["features"], {"ids": ids, "mask": mask})[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    tuned = material.tuned_features(network, np.array([3, 0]))[:, 0]
    np.testing.assert_allclose(tuned, fitted.backbone.embed([TEXTS[3], TEXTS[0]]), atol=5e-3)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(problem, encoder, fitted):
    again = QUICK.fit(problem, encoder, NONE)
    assert again.backbone.fingerprint == fitted.backbone.fingerprint
    assert again.backbone.graph_bytes == fitted.backbone.graph_bytes
    few = Contrastive(QUICK.start, n_layers=1, least_steps=3, batch_size=2)
    material = text_material(problem, encoder)
    one, other = (tune(few, encoder, material, np.arange(7), seed).as_published() for seed in (0, 1))
    assert any((one[name] != other[name]).any() for name in one)


def test_left_out_scores_are_of_a_training_that_never_saw_the_fold(problem, encoder):
    folds = np.array([[0, 1, 1, 1, 0, -1, 0]])  # one is in no fold: it is always learnt from
    settled, scores = QUICK.out_of_fold(problem, encoder, NONE, folds)
    assert (settled, scores.shape) == (QUICK, (1, 7, 2))
    assert np.isfinite(scores[0]).all(axis=1).tolist() == (folds[0] >= 0).tolist()
    kept = np.flatnonzero(folds[0] != 0)
    reference = QUICK.fit(problem.take(kept), encoder, NONE).scores(problem.examples.take(np.array([0, 4, 6])))
    np.testing.assert_allclose(scores[0, folds[0] == 0], reference, atol=0.02)  # float16 here and there
    flipped = Problem(
        problem.examples, np.where(folds[0] == 0, 1 - TARGETS, TARGETS), 2, problem.units, problem.backbones, jobs=1
    )
    changed = QUICK.out_of_fold(flipped, encoder, NONE, folds)[1]
    np.testing.assert_array_equal(changed[0, folds[0] == 0], scores[0, folds[0] == 0])  # own labels are not used


LONG = " ".join(f"word{at}" for at in range(560)) + " cheers"  # many windows of 256 pieces


def problem_of(encoder, texts, targets):
    examples = Examples(texts, lambda backbone, texts, _: backbone.embed(texts)[:, None])
    return Problem(examples, np.array(targets), 2, np.arange(len(texts)), {encoder.name: encoder}, jobs=1)


def test_a_long_text_is_several_windows_of_which_one_is_drawn(encoder):
    found = text_material(problem_of(encoder, ["short", LONG, "brief"], [0, 1, 0]), encoder)
    n = int((found.owners == 1).sum())
    assert n > 8
    assert found.owners.tolist() == [0, *[1] * n, 2]
    drawn = {int(found.one_window_each(np.array([1]), np.random.default_rng(seed))[0]) for seed in range(200)}
    assert drawn == set(range(1, 1 + n))
    groups, order = found.groups(np.arange(n + 2)[::-1])
    assert sorted(order.tolist()) == list(range(n + 2))
    seen = [ids[mask.bool()].tolist() for group in groups for ids, mask in zip(*group, strict=True)]
    assert seen == [found.windows[window].tolist() for window in order]


def test_a_long_text_is_measured_on_all_that_the_shipped_model_reads_of_it(encoder):
    problem = problem_of(encoder, [*TEXTS, LONG], [*TARGETS, 1])
    network = tune(QUICK, encoder, text_material(problem, encoder), np.arange(7), problem.seed)
    measured = text_material(problem, encoder).tuned_features(network, np.array([7]))[:, 0]
    shipped = TunedSentenceEncoder(network.as_published()).embed([LONG])
    np.testing.assert_allclose(measured, shipped, atol=5e-3)


def test_settings_come_back_from_json():
    assert Contrastive.from_json(QUICK.to_json()) == QUICK
    with pytest.raises(ModelError, match="a recipe is incomplete or has unknown settings"):
        Contrastive.from_json({"technique": "contrastive", "start": QUICK.start.to_json()})


def test_what_cannot_be_tuned_is_refused(tiny_backbone):
    with pytest.raises(UsageError, match="n_layers=7 is not 1 to 6"):
        Contrastive(QUICK.start, n_layers=7)
    with pytest.raises(UsageError, match="only the embedded sentence encoder can be tuned here; tiny"):
        sentence_network(tiny_backbone)


def test_half_precision_is_asked_for_only_where_it_is_fast():
    assert Contrastive(QUICK.start).training(16, has_bfloat16()).mixed_precision is has_bfloat16()
