import numpy as np
import pytest
import torch

from handful.augment.policy import Policy
from handful.augment.views import MIRRORED, ORIGINAL
from handful.core.errors import UsageError
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.linear import Linear
from handful.training.loop import train
from handful.training.objective import Supervised
from handful.transfer import fine_tuning_torch
from handful.transfer.activations_torch import Activations, cached_activations
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.fine_tuning_torch import cached_scores, tune_cached, tune_whole
from handful.transfer.probe import Probe, ProbeRows, prepare
from handful.transfer.probe_head_torch import ProbeHead, Tuned, starting_scale

SIZE, N = 32, 8
LAYERS = tuple(layer.name for layer in EfficientNetLite0Backbone.layers)
TARGETS = np.arange(N) % 2
ROWS = np.arange(N)
START = Probe(LAYERS)


def tuning(n_blocks=1, steps=2, **settings):
    """So many steps in batches of four."""
    return FineTuning(START, n_blocks, **{"batch_size": 4, "least_steps": steps, "most_steps": steps} | settings)


@pytest.fixture(scope="module")
def backbone():
    """The embedded network, shown 32 pixels: a fiftieth of the work."""
    return EfficientNetLite0Backbone()


@pytest.fixture(scope="module")
def pixels():
    """Grey noise that is a little redder in one class and a little bluer in the other."""
    noise = np.random.default_rng(0).integers(60, 180, (N, SIZE, SIZE, 1)).repeat(3, axis=3)
    return (noise + np.array([[20, 0, -20], [-20, 0, 20]])[TARGETS][:, None, None]).astype(np.uint8)


def images(pixels):
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128


@pytest.fixture(scope="module")
def features(backbone, pixels):
    with torch.no_grad():
        return backbone.module()(images(pixels)).numpy()


@pytest.fixture
def solved(backbone, features):
    """The exact probe on the images, and the head that starts from it."""
    linear = ProbeRows(START, features[:, None], backbone, TARGETS, 2, ROWS).fit(0.1)
    return linear, ProbeHead(backbone.columns(LAYERS), START.power, linear)


@torch.no_grad()
def test_before_any_step_the_network_says_what_the_probe_says(backbone, pixels, features, solved):
    linear, head = solved
    expected = linear(prepare(features, backbone.columns(LAYERS), 0.5))
    assert np.ptp(expected) > 0.2
    np.testing.assert_allclose(Tuned(backbone.module(), head)(images(pixels)).numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_head_prepares_features_as_the_probe_does_and_zeros_have_a_gradient(power):
    rng = np.random.default_rng(0)
    found = np.abs(rng.normal(size=(5, 7))).astype(np.float32) * (rng.random((5, 7)) < 0.5)
    found[0] = 0  # a row without any response
    columns, linear = [slice(0, 3), slice(3, 7)], Linear(rng.normal(size=(7, 2)), rng.normal(size=2))
    inputs = torch.tensor(found, requires_grad=True)
    logits = ProbeHead(columns, power, linear)(inputs)
    np.testing.assert_allclose(logits.detach().numpy(), linear(prepare(found, columns, power)), atol=1e-5)
    logits.square().sum().backward()
    assert torch.isfinite(inputs.grad).all()
    assert inputs.grad[1:].abs().max() > 0


def test_from_cached_activations_it_is_the_same_training_as_through_the_whole_network(backbone, pixels, solved):
    """With activations that are not rounded every step is the same; what is frozen stays as it was to the last bit."""
    settings = tuning(2, steps=8, learning_rate=1e-4, head_factor=30)
    start = {name: value.clone() for name, value in solved[1].state_dict().items()}
    with torch.no_grad():
        kept = Activations(*(part.numpy()[:, None] for part in backbone.module().split(14)[0](images(pixels))))
    tuned, history = tune_cached(settings, backbone, solved[1], kept, TARGETS, seed=1)

    network, head = backbone.module(), solved[1]
    trained_head = {name: value.clone() for name, value in head.state_dict().items()}
    head.load_state_dict(start)
    lower, upper = network.split(14)
    tail = Tuned(upper, head)

    def fetch(rows, _):
        with torch.no_grad():
            return lower(images(pixels[rows])), torch.from_numpy(TARGETS[rows])

    shares = fine_tuning_torch._rate_share(["body.blocks.0", "body.blocks.1", "body.head"], settings)
    expected = train(tail, Supervised(0.1), fetch, N, settings.training(N), 1, rate_share=shares)
    np.testing.assert_allclose([row["loss"] for row in history], [row["loss"] for row in expected], rtol=1e-4)
    assert history[-1]["loss"] < 0.95 * history[0]["loss"]

    published, after = backbone.module().state_dict(), tuned.body.state_dict()
    changed = {name for name, value in published.items() if not torch.equal(value, after[name])}
    assert changed
    assert all(name.startswith(("blocks.14.", "blocks.15.", "head.")) for name in changed)
    assert not any("running" in name for name in changed)
    assert not torch.equal(trained_head["linear.weight"], start["linear.weight"])


def test_the_same_seed_gives_the_same_weights_and_another_one_others(backbone, pixels, features):
    kept = cached_activations(backbone, pixels, (ORIGINAL, MIRRORED), 15, device="cpu")
    linear = Linear(np.zeros((features.shape[1], 2)), np.zeros(2))
    found = []
    for seed in (3, 3, 4):
        head = ProbeHead(backbone.columns(LAYERS), 0.5, linear)
        tuned, _ = tune_cached(tuning(), backbone, head, kept, TARGETS, seed)
        found.append(torch.cat([value.flatten().double() for value in tuned.state_dict().values()]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_scores_from_kept_activations_are_those_of_the_whole_network(backbone, pixels, solved):
    kept = cached_activations(backbone, pixels, (ORIGINAL, MIRRORED), 15, device="cpu")
    tuned, _ = tune_cached(tuning(), backbone, solved[1], kept, TARGETS, seed=0)
    rows = np.array([5, 0, 2])
    with torch.no_grad():
        both = [tuned(images(part)).numpy() for part in (pixels[rows], pixels[rows][:, :, ::-1].copy())]
    assert np.abs(both[0] - both[1]).max() > 0.05
    found = cached_scores(tuned, kept, 15, rows, views=(0, 1), batch_size=2)
    np.testing.assert_allclose(found, np.mean(both, axis=0), atol=0.02)


def test_the_whole_network_learns_and_its_statistics_stay(backbone, pixels, solved):
    settings = tuning("all", steps=6, batch_size=8, learning_rate=1e-4, head_factor=30)
    tuned, history = tune_whole(settings, backbone, solved[1], pixels, Policy.parse("flips"), TARGETS, seed=0)
    assert history[-1]["loss"] < history[0]["loss"]
    published, after = backbone.module().state_dict(), tuned.body.state_dict()
    changed = {name for name, value in published.items() if not torch.equal(value, after[name])}
    trained = {name for name in published if name.endswith(("weight", "bias"))}
    assert changed == trained


@pytest.mark.parametrize("n_blocks", [2, "all"])
def test_normalisation_alone_can_be_trained_with_the_head(backbone, pixels, solved, n_blocks):
    settings = tuning(n_blocks, steps=4, trains="norms", n_views=1)
    before = solved[1].linear.weight.clone()
    if n_blocks == "all":
        tuned, _ = tune_whole(settings, backbone, solved[1], pixels, Policy.parse("none"), TARGETS, seed=0)
    else:
        kept = cached_activations(backbone, pixels, (ORIGINAL,), settings.n_frozen, device="cpu")
        tuned, _ = tune_cached(settings, backbone, solved[1], kept, TARGETS, seed=0)
    published, after = backbone.module().state_dict(), tuned.body.state_dict()
    changed = {name for name, value in published.items() if not torch.equal(value, after[name])}
    opened = ("blocks.14.", "blocks.15.", "head.") if n_blocks == 2 else ""
    norms = {name for name in published if name.endswith(("norm.weight", "norm.bias")) and name.startswith(opened)}
    assert changed == norms
    assert not torch.equal(before, tuned.head.linear.weight)


def test_gradual_unfreezing_goes_down_from_the_top(backbone, pixels, solved, monkeypatch):
    """Three phases of a third of the steps each, in which ever more of the network is trained."""
    phases = []

    def spy(module, objective, fetch, n, how, seed, **more):
        trained = {".".join(name.split(".")[:3]) for name, part in module.named_parameters() if part.requires_grad}
        phases.append((how.steps, {name for name in trained if "blocks" in name}))
        return train(module, objective, fetch, n, how, seed, **more)

    monkeypatch.setattr(fine_tuning_torch, "train", spy)
    settings = tuning(5, steps=4, unfreezing="gradual", n_views=1)
    kept = cached_activations(backbone, pixels, (ORIGINAL,), 11, device="cpu")
    _, history = tune_cached(settings, backbone, solved[1], kept, TARGETS, seed=0)
    block = "body.blocks.{}".format
    assert phases == [(1, {block(4)}), (1, {block(at) for at in (2, 3, 4)}), (2, {block(at) for at in range(5)})]
    assert [row["step"] for row in history] == [1, 2, 3, 4]


def test_what_is_wanted_of_each_view_may_differ(backbone, pixels, solved):
    """Soft answers of a view are what that view is trained on: as if each view were an example of its own."""
    kept = cached_activations(backbone, pixels, (ORIGINAL, MIRRORED), 15, device="cpu")
    wanted = np.random.default_rng(0).dirichlet([1, 1], (N, 2)).astype(np.float32)
    fetched = []

    class Asked(Supervised):
        def loss(self, module, batch, rng):
            fetched.append(batch)
            return super().loss(module, batch, rng)

    tune_cached(tuning(), backbone, solved[1], kept, wanted, seed=0, objective=Asked(0.0))
    for (flow, _), targets in fetched:
        for one, target in zip(flow, targets, strict=True):
            row, view = np.argwhere((kept.flow == one.numpy().astype(np.float16)).all((2, 3, 4)))[0]
            np.testing.assert_array_equal(target, wanted[row, view])


def test_the_rate_falls_from_block_to_block_and_the_head_has_its_own():
    share = fine_tuning_torch._rate_share(
        ["body.stem", "body.blocks.1", "body.blocks.10", "body.head"], tuning(decay=0.5, head_factor=7)
    )
    names = [
        "body.stem.norm.bias",
        "body.blocks.1.filter.x",
        "body.blocks.10.x",
        "body.head.norm.bias",
        "head.linear.bias",
    ]
    assert [share(name) for name in names] == [0.125, 0.25, 0.5, 1.0, 7]


def test_at_the_starting_scale_no_other_scale_has_a_smaller_loss():
    scores = np.random.default_rng(0).normal(size=(20, 3)) * 0.2 + np.eye(3)[np.arange(20) % 3]
    targets = np.arange(20) % 3
    scale = starting_scale(scores, targets, 0.1)

    def loss(at):
        return float(
            torch.nn.functional.cross_entropy(torch.tensor(at * scores), torch.tensor(targets), label_smoothing=0.1)
        )

    assert loss(scale) < min(loss(0.98 * scale), loss(1.02 * scale))
    assert 1 < scale < 10
    assert starting_scale(scores, targets, 0.0) > scale  # less smoothing, more certainty


def test_settings_that_contradict_each_other_are_refused(backbone, pixels, solved):
    kept = cached_activations(backbone, pixels[:1], (ORIGINAL,), 15, device="cpu")
    with pytest.raises(UsageError, match=r"n_blocks='all' leaves nothing frozen.*choose 0 to 16"):
        tune_cached(tuning("all"), backbone, solved[1], kept, TARGETS[:1], seed=0)
    with pytest.raises(UsageError, match=r"n_blocks=2, and the whole network was to be tuned"):
        tune_whole(tuning(2), backbone, solved[1], pixels, Policy.parse("none"), TARGETS, seed=0)


def test_another_network_is_refused(tiny_backbone, pixels, solved, monkeypatch):
    monkeypatch.setattr(type(tiny_backbone), "module", lambda _: torch.nn.Identity())
    with pytest.raises(UsageError, match=r"only an EfficientNet-Lite0 can be fine-tuned here; tiny; use efficientnet"):
        tune_whole(tuning("all"), tiny_backbone, solved[1], pixels, Policy.parse("none"), TARGETS, seed=0)
