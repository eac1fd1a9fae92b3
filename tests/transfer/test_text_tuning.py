import numpy as np
import pytest
import torch

from handful.augment.policy import Policy
from handful.core.errors import ModelError, UsageError
from handful.evaluate.arrays import softmax
from handful.evaluate.metrics import log_losses
from handful.nn.onnx_runtime import open_session
from handful.nn.sentence_encoder import SentenceEncoder
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples, Problem
from handful.transfer.text_material_torch import text_material
from handful.transfer.text_tuning import TextTuning
from handful.transfer.text_tuning_torch import tune

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
QUICK = TextTuning(Probe(("layer5.mean", "layer6.mean"), power=1.0), n_layers=1, least_steps=3)
LORA = TextTuning(QUICK.start, n_layers=2, rank=2, least_steps=3, learning_rate=1e-2)


@pytest.fixture(scope="module")
def encoder():
    return SentenceEncoder()


@pytest.fixture(scope="module")
def problem(encoder):
    examples = Examples(TEXTS, lambda backbone, texts, _: backbone.embed(texts)[:, None])
    return Problem(examples, TARGETS, 2, np.arange(len(TEXTS)), {encoder.name: encoder}, jobs=1)


@pytest.fixture(scope="module", params=[QUICK, LORA], ids=["layers", "adapters"])
def tuned(request, problem, encoder):
    """Settings, network and head of a training on all texts."""
    if request.param.rank is not None:
        pytest.importorskip("peft")
    material = text_material(problem, encoder)
    return request.param, *tune(request.param, encoder, material, np.arange(7), 0)


def window(encoder):
    return next((ids, mask) for _, ids, mask in encoder.windows.batches(encoder.windows.tokens(TEXTS)))


def test_a_learning_rate_of_almost_nothing_leaves_the_exact_probe(problem, encoder):
    still = TextTuning(QUICK.start, n_layers=1, least_steps=1, learning_rate=1e-12)
    fitted = still.fit(problem, encoder, NONE)
    rows = QUICK.start.rows(problem, encoder, NONE)
    exact = rows.fit(rows.best_penalty())(rows.rows)
    found = fitted.scores(problem.examples)
    scale = (found * exact).sum() / (exact * exact).sum()
    assert scale > 1  # a ridge's scores are near 0 and 1, which no softmax takes for sure
    np.testing.assert_allclose(found, scale * exact, atol=1e-2 * scale)


def test_the_loss_on_what_is_learnt_falls(problem, encoder, tuned):
    settings, network, head = tuned
    rows = QUICK.start.rows(problem, encoder, NONE)
    exact = rows.fit(rows.best_penalty())(rows.rows)
    before = min(log_losses(TARGETS, softmax(scale * exact)).mean() for scale in (1.0, 2.0, 4.0))
    with torch.inference_mode():
        after = head(network(*map(torch.from_numpy, window(encoder)))).double().numpy()
    assert settings.n_layers in (1, 2)
    assert log_losses(TARGETS, softmax(after)).mean() < before


def test_only_what_was_asked_for_is_trained(encoder, tuned):
    settings, network, _ = tuned
    published, found = encoder.module().as_published(), network.as_published()
    moved = {name for name in published if (found[name] != published[name]).any()}
    layers = [f"encoder.layer.{at}." for at in range(settings.n_frozen, 6)]
    if settings.rank is None:
        assert moved == {name for name in published if name.startswith(tuple(layers))}
    else:
        parts = ("query", "value")
        assert moved == {f"{layer}attention.self.{part}.weight" for layer in layers for part in parts}
        for name in moved:
            assert np.linalg.matrix_rank(found[name] - published[name], tol=1e-5) <= settings.rank


def test_what_ships_is_what_was_trained(problem, encoder, tuned):
    settings, network, head = tuned
    if settings.rank is not None:
        pytest.importorskip("peft")
    fitted = settings.fit(problem, encoder, NONE)
    ids, mask = window(encoder)
    with torch.inference_mode():
        features = network(torch.from_numpy(ids), torch.from_numpy(mask))
        logits = head(features).numpy()
    found = open_session(fitted.backbone.graph_bytes).run(["features"], {"ids": ids, "mask": mask})[0]
    np.testing.assert_allclose(found, features.numpy(), atol=1e-4)  # so the seed alone decides, too
    np.testing.assert_allclose(fitted.scores(problem.examples), logits, atol=1e-2)  # features are float16 there
    assert not any("lora" in name for name in network.state_dict())


def test_left_out_scores_do_not_depend_on_their_own_labels(problem, encoder):
    folds = np.array([[0, 1, 1, 1, 0, 1, 0]])
    flipped = np.where(folds[0] == 0, 1 - TARGETS, TARGETS)
    other = Problem(problem.examples, flipped, 2, problem.units, problem.backbones, jobs=1)
    (_, scores), (_, changed) = (QUICK.out_of_fold(each, encoder, NONE, folds) for each in (problem, other))
    assert scores.shape == (1, 7, 2)
    np.testing.assert_array_equal(scores[0, folds[0] == 0], changed[0, folds[0] == 0])
    assert (scores[0, folds[0] == 1] != changed[0, folds[0] == 1]).all()


def test_settings_come_back_from_json_and_say_what_they_are():
    assert TextTuning.from_json(LORA.to_json()) == LORA
    with pytest.raises(ModelError, match="a recipe is incomplete or has unknown settings"):
        TextTuning.from_json({"technique": "text fine-tuning", "start": QUICK.start.to_json()})
    assert QUICK.describe("all-minilm-l6-v2", NONE).startswith("fine-tuning of the last 1 layers of all-minilm")
    assert LORA.describe("all-minilm-l6-v2", NONE).startswith("LoRA adapters of rank 2 in the last 2 layers of all-")


@pytest.mark.parametrize(
    ("wrong", "message"), [({"n_layers": 0}, "n_layers=0 is not 1 to 6"), ({"rank": 0}, "rank=0 is not 1 or more")]
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        TextTuning(QUICK.start, **wrong)
