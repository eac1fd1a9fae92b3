"""The GAN: what it learns, what it refuses, and what is left when it diverges."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from handful.augment.policy import Policy
from handful.core.errors import DataError, JobError, UsageError
from handful.core.progress import Progress
from handful.unsupervised.gan import ALTERED, GAN
from handful.unsupervised.gan_torch import Adversarial, by_noise, by_policy, image_players, seeded

QUICK = {"n_steps": 3, "width": 4, "batch_size": 8}


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)


@pytest.fixture
def labels():
    return np.array(["bright", "dark"] * 20)


class Heard(Progress):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


@pytest.mark.parametrize("shape", [(16, 16), (8, 8, 1), (20, 33, 3), (50, 50), (64, 64, 3)])
def test_samples_have_the_form_of_what_it_learned_from(shape):
    seen = np.random.default_rng(0).integers(0, 256, (20, *shape), np.uint8)
    made = GAN(**QUICK).fit(seen).sample(5)
    assert made.shape == (5, *shape)
    assert made.dtype == np.uint8


def test_grey_images_of_three_channels_stay_grey():
    grey = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 1), np.uint8).repeat(3, axis=3)
    made = GAN(**QUICK).fit(grey).sample(4)
    assert (made == made[..., :1]).all()


def test_the_same_seed_gives_the_same_bytes(images, labels):
    first, second = (GAN(**QUICK).fit(images, labels) for _ in range(2))
    assert np.array_equal(first.sample(6, "dark"), second.sample(6, "dark"))
    assert not np.array_equal(first.sample(6, "dark"), first.sample(6, "dark", random_state=1))
    assert not np.array_equal(
        first.sample(6, "dark"), clone(first).set_params(random_state=1).fit(images, labels).sample(6)
    )


def test_it_learns_what_the_classes_look_like():
    rng = np.random.default_rng(0)
    targets = np.arange(100) % 2
    levels = np.where(targets, 200, 50)[:, None, None] + rng.integers(-30, 30, (100, 8, 8))
    gan = GAN(n_steps=120, width=8, batch_size=20, learning_rate=2e-3, augment="none", ema=0.9)
    gan.fit(levels.astype(np.uint8), targets)
    assert gan.sample(20, 1).mean() > gan.sample(20, 0).mean() + 60


def test_it_learns_a_table():
    rng = np.random.default_rng(0)
    first = rng.normal(size=400)
    rows = np.column_stack([first, first + 0.3 * rng.normal(size=400), rng.integers(0, 2, 400)])
    made = GAN(n_steps=200, width=8, batch_size=100, learning_rate=5e-3).fit(rows).sample(1000)
    assert np.corrcoef(made[:, 0], made[:, 1])[0, 1] > 0.6  # 0.96 in the rows
    assert set(made[:, 2]) == {0, 1}


def test_labels_are_asked_for_one_by_one_or_all_alike(images, labels):
    gan = GAN(**QUICK).fit(images, labels)
    assert gan.classes_.tolist() == ["bright", "dark"]
    assert gan.sample(2, ["dark", "bright"]).shape == (2, 16, 16, 3)
    with pytest.raises(UsageError, match=r"no class is called 'grey'.*bright, dark"):
        gan.sample(2, "grey")
    with pytest.raises(UsageError, match="2 samples and labels of shape \\(3,\\)"):
        gan.sample(2, ["dark"] * 3)
    with pytest.raises(UsageError, match="learned without labels"):
        GAN(**QUICK).fit(images).sample(2, "dark")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((30, 65, 20), "images of 20 x 65 pixels.*up to 64.*shrink.*handful augment"),
        ((30, 5, 20), "images of 20 x 5 pixels, expected 8 or more"),
        ((19, 16, 16), "19 different images: from fewer than 20.*handful augment"),
        ((30, 16, 16, 2), "uint8 of shape"),
        ((0, 16, 16), "uint8 of shape"),
        ((19, 4), "19 different rows.*add rows$"),
    ],
)
def test_what_it_cannot_learn_from_is_refused(shape, said):
    with pytest.raises(DataError, match=said):
        GAN().fit(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def test_copies_are_not_counted(images):
    with pytest.raises(DataError, match="5 different images; the other 35 repeat them"):
        GAN().fit(images[:5].repeat(8, axis=0))


def test_whoever_watches_sees_it_learn(images):
    seen = []
    GAN(**{**QUICK, "n_steps": 40}).fit(images, watch=lambda gan: seen.append((gan.n_steps_, gan.sample(2))))
    assert [step for step, _ in seen] == list(range(2, 41, 2))
    assert not np.array_equal(seen[0][1], seen[-1][1])


def test_where_it_diverges_the_last_good_state_is_kept_and_said(images, monkeypatch):
    sound = Adversarial.loss

    def breaking(self, module, batch, rng):
        breaking.calls += 1
        terms = sound(self, module, batch, rng)
        return terms if breaking.calls < 4 else type(terms)(terms.total * float("nan"))

    breaking.calls = 0
    monkeypatch.setattr(Adversarial, "loss", breaking)
    heard = Heard()
    gan = GAN(**{**QUICK, "n_steps": 10}).fit(images, progress=heard)
    assert gan.n_steps_ == 3
    assert "the loss became nan at step 4 of 10" in heard.notes[0]
    assert "the generator of step 3 is kept" in heard.notes[0]
    breaking.calls = 0
    with pytest.warns(UserWarning, match="the generator of step 3 is kept"):
        assert np.array_equal(GAN(**{**QUICK, "n_steps": 10}).fit(images).sample(3), gan.sample(3))
    breaking.calls = 3
    with pytest.raises(JobError, match="step 1 of 10"):
        GAN(**{**QUICK, "n_steps": 10}).fit(images)


def test_real_and_generated_are_altered_alike_and_gradients_flow():
    rows = torch.rand(6, 1, 16, 16).repeat(2, 1, 1, 1).requires_grad_()
    altered = by_policy(Policy.parse(ALTERED))(rows, np.random.default_rng(0))
    assert torch.allclose(altered[:6], altered[6:])
    assert not torch.allclose(altered[:6], 2 * rows[:6] - 1)
    altered.sum().backward()
    assert rows.grad.abs().sum() > 0
    noisy = by_noise(0.1)(torch.zeros(6, 3), np.random.default_rng(0))
    assert torch.equal(noisy[:3], noisy[3:])


def test_shifts_are_by_whole_pixels():
    dots = torch.zeros(8, 1, 16, 16)
    dots[:, :, 8, 8] = 0.6
    shifted = by_policy(Policy.parse("translate_x=0.2,translate_y=0.2,border=constant"))(dots, np.random.default_rng(0))
    assert [int((dot > -0.99).sum()) for dot in shifted] == [1] * 8  # between two pixels it would be on both
    assert len({int(dot.argmax()) for dot in shifted}) > 1


def test_what_is_drawn_has_a_say_at_every_level_of_the_picture():
    painting = image_players((16, 16, 1), 2, 4, 8).generator.body
    seeds = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    for norm in painting.norms:
        maps = torch.ones(1, norm.norm.num_channels, 4, 4).cumsum(2).expand(2, -1, -1, -1)
        first, second = norm(maps, seeds)
        assert (first - second).abs().max() > 0.1


def test_each_player_has_its_own_gradient_alone():
    players = seeded(lambda: image_players((16, 16, 1), 2, 4, 8), 0)
    batch = torch.rand(8, 1, 16, 16), torch.arange(8) % 2
    objective = Adversarial(by_policy(Policy()), "nothing", r1=0.0)
    terms = objective.loss(players, batch, np.random.default_rng(0))
    wanted = {}
    for name in ("critic", "generator"):
        player = dict(getattr(players, name).named_parameters())
        found = torch.autograd.grad(terms.named[name], player.values(), retain_graph=True, allow_unused=True)
        wanted |= {f"{name}.{key}": each for key, each in zip(player, found, strict=True)}
    terms.total.backward()
    for name, weights in players.named_parameters():
        assert torch.allclose(weights.grad, wanted[name]), name
