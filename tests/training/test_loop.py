import copy
import math
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from handful.augment.batched import augmented_batch
from handful.augment.policy import Policy
from handful.core.errors import JobError, UsageError
from handful.core.progress import Progress
from handful.training import bar
from handful.training.loop import train
from handful.training.objective import LossTerms, Objective, Supervised
from handful.training.parameters import layerwise
from handful.training.settings import AdamW, Sgd, Training

RNG = np.random.default_rng(0)
LABELS = np.arange(30) % 3
POINTS = torch.tensor(RNG.normal(size=(30, 5)) + 3 * np.eye(5)[LABELS], dtype=torch.float32)
TARGETS = torch.tensor(LABELS)
PLAIN = Training(steps=4, batch_size=10, schedule="constant", warmup=0, weight_decay=0, clip_norm=None)


def net(dropout=0.0, norm=True):
    torch.manual_seed(0)
    middle = nn.BatchNorm1d(8) if norm else nn.Identity()
    return nn.Sequential(nn.Linear(5, 8), middle, nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3))


def fetch(rows, rng):
    return POINTS[rows], TARGETS[rows]


def noisy(rows, rng):
    return POINTS[rows] + torch.tensor(rng.normal(size=(len(rows), 5)), dtype=torch.float32), TARGETS[rows]


def weights(module):
    return torch.cat([each.detach().flatten() for each in module.state_dict().values()])


def trained(how, module=None, seed=0, objective=None, get=fetch, **others):
    module = net() if module is None else module
    history = train(module, objective or Supervised(0.0), get, 30, how, seed, **others)
    return module, history


class Told(Progress):
    """Remembers what it was told."""

    def __init__(self):
        self.notes, self.labels, self.steps = [], [], []

    @contextmanager
    def track(self, label, total):
        self.labels.append((label, total))
        yield self.steps.append

    def note(self, message):
        self.notes.append(message)


class Scaled(Objective):
    """Cross entropy times a number, and what else a test needs."""

    def __init__(self, factor=1.0, largest=10**9, bad_step=None, full_at=None):
        self.factor, self.largest, self.bad_step, self.full_at, self.calls = factor, largest, bad_step, full_at, 0

    @property
    def description(self):
        return f"scaled by {self.factor}"

    def loss(self, module, batch, rng):  # noqa: ARG002
        self.calls += 1
        inputs, targets = batch
        if len(inputs) > self.largest or self.calls == self.full_at:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        loss = functional.cross_entropy(module(inputs), targets) * self.factor
        return LossTerms(loss * math.nan if self.calls == self.bad_step else loss, {"entropy": loss / self.factor})


# What it learns


@pytest.mark.parametrize("optimizer", [AdamW(), Sgd()])
def test_a_small_net_fits_what_can_be_told_apart(optimizer):
    how = Training(epochs=40, batch_size=8, learning_rate=0.03, optimizer=optimizer, frozen_statistics=False, ema=0.9)
    module, history = trained(how)
    assert history[-1]["loss"] < 0.2 * history[0]["loss"]
    assert not module.training
    assert (module(POINTS).argmax(1) == TARGETS).float().mean() >= 0.95


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_the_loop_is_this_loop(momentum):
    """SGD with Nesterov's momentum, by hand, on the same batches."""
    seen = []

    def spied(rows, rng):
        seen.append(rows)
        return fetch(rows, rng)

    module, history = trained(replace(PLAIN, optimizer=Sgd(momentum), learning_rate=0.1), net(norm=False), get=spied)
    mine = net(norm=False)
    speeds = [torch.zeros_like(each) for each in mine.parameters()]
    for at, rows in enumerate(seen):
        loss = functional.cross_entropy(mine(POINTS[rows]), TARGETS[rows])
        assert history[at]["loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
        mine.zero_grad()
        loss.backward()
        with torch.no_grad():
            for each, speed in zip(mine.parameters(), speeds, strict=True):
                speed.mul_(momentum).add_(each.grad)
                each -= 0.1 * (each.grad + momentum * speed)
    torch.testing.assert_close(weights(module), weights(mine))


def test_a_conv_net_learns_from_augmented_pictures():
    """Upright and level stripes, under a policy that keeps them apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    pictures = rng.integers(0, 60, (40, 3, 16, 16), dtype=np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        lines = picture if label else picture.transpose(0, 2, 1)
        lines[:, :, int(rng.integers(4)) :: 4] += 150
    policy = Policy.parse("flip_h=0.5,rotate=10,brightness=0.2")

    def get(rows, rng):
        draws = [policy.draw(rng, 16, 16, out=(16, 16)) for _ in rows]
        return augmented_batch(torch.tensor(pictures[rows]), draws, (80,) * 3, (60,) * 3), torch.tensor(labels[rows])

    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 2)]
    module = nn.Sequential(*layers)
    how = Training(epochs=12, batch_size=8, learning_rate=0.02, frozen_statistics=False)
    history = train(module, Supervised(0.0), get, 40, how, 0)
    inputs, targets = get(np.arange(40), np.random.default_rng(99))
    assert len(history) == 60
    assert (module(inputs).argmax(1) == targets).float().mean() >= 0.95


# Seeds


def test_same_seed_same_bytes_and_the_caller_s_generator_is_left_alone():
    how = replace(PLAIN, frozen_statistics=False, learning_rate=0.01)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, rows = trained(how, net(0.5), 3, get=noisy)
    second, others = trained(how, net(0.5), 3, get=noisy)
    third, _ = trained(how, net(0.5), 4, get=noisy)
    assert torch.equal(weights(first), weights(second))
    assert [row["loss"] for row in rows] == [row["loss"] for row in others]
    assert not torch.equal(weights(first), weights(third))
    net(0.5)
    torch.manual_seed(5)
    trained(how, first, 3)
    assert torch.equal(torch.random.get_rng_state(), before)


# Rates, gradients, averages


def test_layers_move_at_their_own_rates():
    """One step of Adam moves every weight by the learning rate, to within eps."""
    share = layerwise(["0", "1", "4"], 0.1)
    module = net()
    start = copy.deepcopy(module)
    trained(replace(PLAIN, steps=1, learning_rate=0.01), module, rate_share=share)
    for name, moves in (("0", 0.0001), ("1", 0.001), ("4", 0.01)):
        moved = (module.get_submodule(name).weight - start.get_submodule(name).weight).abs()
        assert float(moved.detach().max()) == pytest.approx(moves, rel=0.01)


def test_the_rate_in_the_history_is_the_one_that_is_used():
    """With a loss of slope one in a single weight, SGD moves by exactly the rate."""

    class Slope(Objective):
        description = "slope"

        def loss(self, module, batch, rng):  # noqa: ARG002
            return LossTerms(module.weight.sum())

    module = nn.Linear(1, 1, bias=False)
    start = float(module.weight.detach())
    how = Training(epochs=5, batch_size=10, learning_rate=0.1, optimizer=Sgd(0.0), weight_decay=0)
    history = train(module, Slope(), fetch, 30, how, 0)
    assert [row["learning_rate"] for row in history] == [how.rate(step, 15) for step in range(15)]
    assert start - float(module.weight.detach()) == pytest.approx(
        sum(row["learning_rate"] for row in history), rel=1e-5
    )
    assert [(row["step"], row["epoch"]) for row in history] == [(at + 1, at // 3 + 1) for at in range(15)]


def test_clipping_is_torch_s():
    how = replace(PLAIN, steps=1, batch_size=30, optimizer=Sgd(0.0), learning_rate=1.0, clip_norm=0.05)
    module, _ = trained(how, net(norm=False), objective=Scaled(100.0))
    mine = net(norm=False)
    (100 * functional.cross_entropy(mine(POINTS), TARGETS)).backward()
    nn.utils.clip_grad_norm_(mine.parameters(), 0.05)
    for ours, theirs in zip(module.parameters(), mine.parameters(), strict=True):
        torch.testing.assert_close(ours.detach(), (theirs - theirs.grad).detach())
    moved = weights(module) - weights(net(norm=False))
    assert float(moved.norm()) == pytest.approx(0.05, rel=1e-3)


def test_weight_decay_shrinks_kernels_only():
    module = net()
    start = copy.deepcopy(module)
    how = replace(PLAIN, steps=1, learning_rate=0.01, weight_decay=0.5)
    without, _ = trained(replace(how, weight_decay=0))
    trained(how, module)
    torch.testing.assert_close(without[0].weight - module[0].weight, 0.01 * 0.5 * start[0].weight)
    assert torch.equal(module[0].bias, without[0].bias)
    assert torch.equal(module[1].weight, without[1].weight)


def test_averaged_weights_are_those_of_the_steps():
    """Train 1, 2, 3 and 4 steps without; average by hand."""
    expected = {name: each.clone() for name, each in net().state_dict().items()}
    for step in range(1, 5):
        after, _ = trained(replace(PLAIN, steps=step, learning_rate=0.1))
        d = min(0.25, (1 + step) / (10 + step))
        expected = {name: d * expected[name] + (1 - d) * each for name, each in after.state_dict().items()}
    module, _ = trained(replace(PLAIN, ema=0.25, learning_rate=0.1))
    for name, each in module.named_parameters():
        torch.testing.assert_close(each.detach(), expected[name])


@pytest.mark.parametrize("frozen", [True, False])
def test_statistics_of_batch_norm(frozen):
    module, _ = trained(replace(PLAIN, frozen_statistics=frozen))
    same = torch.equal(module[1].running_mean, torch.zeros(8)) and torch.equal(module[1].running_var, torch.ones(8))
    assert same == frozen
    assert not torch.equal(module[1].weight, torch.ones(8))


def test_gradients_from_before_do_not_count():
    module = net().eval()
    module(POINTS).square().sum().backward()
    assert torch.equal(weights(trained(PLAIN, module)[0]), weights(trained(PLAIN)[0]))


def test_frozen_parameters_stay():
    module = net()
    module[0].requires_grad_(False)
    trained(PLAIN, module)
    assert torch.equal(module[0].weight, net()[0].weight)
    assert not torch.equal(module[4].weight, net()[4].weight)


def test_a_last_batch_of_one_joins_the_others_where_batch_norm_learns():
    seen = []

    def spied(rows, rng):
        seen.append(len(rows))
        return fetch(rows, rng)

    trained(replace(PLAIN, steps=None, epochs=1, batch_size=29, frozen_statistics=False), get=spied)
    trained(replace(PLAIN, steps=None, epochs=1, batch_size=29), get=spied)
    assert seen == [30, 29, 1]


def test_balanced_batches_come_from_the_labels():
    labels = np.repeat([0, 1], [27, 3])
    seen = []

    def spied(rows, rng):
        seen.extend(labels[rows])
        return fetch(rows, rng)

    trained(replace(PLAIN, steps=None, epochs=2, balanced=True), get=spied, labels=labels)
    assert np.bincount(seen).tolist() == [30, 30]
    with pytest.raises(UsageError, match="need the labels"):
        trained(replace(PLAIN, balanced=True))


# Memory and precision


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_in_parts_the_batch_counts_as_one(parts):
    """Without BatchNorm's own statistics the gradient of a batch is the mean of its parts, of whatever sizes."""
    how = replace(PLAIN, optimizer=Sgd(), learning_rate=0.1)
    whole, rows = trained(how)
    cut, others = trained(replace(how, parts=parts))
    torch.testing.assert_close(weights(whole), weights(cut))
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in others], rel=1e-5)


def test_out_of_memory_halves_what_goes_through_at_a_time_and_says_so():
    how, told = replace(PLAIN, optimizer=Sgd(), learning_rate=0.1), Told()
    whole, _ = trained(how)
    cut, _ = trained(how, objective=Scaled(largest=3), progress=told)
    torch.testing.assert_close(weights(whole), weights(cut))
    assert told.notes == [
        "out of memory: 10 examples at a time become 5; the batch stays the same",
        "out of memory: 5 examples at a time become 3; the batch stays the same",
    ]


def test_what_was_computed_before_memory_ran_out_does_not_count():
    how, told = replace(PLAIN, optimizer=Sgd(), learning_rate=0.1, parts=2), Told()
    whole, _ = trained(how)
    cut, _ = trained(how, objective=Scaled(full_at=4), progress=told)  # the second part of the second step
    torch.testing.assert_close(weights(whole), weights(cut))
    assert told.notes == ["out of memory: 5 examples at a time become 3; the batch stays the same"]


def test_too_little_memory_for_the_smallest_parts():
    with pytest.raises(JobError, match="the memory of the GPU is too small for 1 examples at a time; training; train"):
        trained(PLAIN, objective=Scaled(largest=0))
    with pytest.raises(JobError, match="too small for 2 examples at a time"):  # BatchNorm needs two
        trained(replace(PLAIN, frozen_statistics=False), objective=Scaled(largest=1))


def test_mixed_precision_computes_in_bfloat16_and_keeps_float_weights():
    seen = []
    module = net()
    module[4].register_forward_hook(lambda *seen_by: seen.append(seen_by[-1].dtype))
    trained(replace(PLAIN, steps=1, mixed_precision=True), module)
    trained(replace(PLAIN, steps=1), module)
    assert seen == [torch.bfloat16, torch.float32]
    assert {each.dtype for each in module.parameters()} == {torch.float32}


# What goes wrong, and what is told


def test_a_loss_that_is_no_number_stops_before_it_does_harm():
    good, _ = trained(replace(PLAIN, steps=2, learning_rate=0.25), objective=Scaled())
    module = net()
    with pytest.raises(JobError, match=r"became nan at step 3 of 4, at a learning rate of 0\.25; training; lower"):
        trained(replace(PLAIN, learning_rate=0.25), module, objective=Scaled(bad_step=3))
    assert torch.equal(weights(module), weights(good))


def test_a_gradient_without_bounds_stops_too():
    class Root(Objective):
        description = "the square root of zero"

        def loss(self, module, batch, rng):  # noqa: ARG002
            return LossTerms((module[0].weight.sum() * 0).sqrt())

    with pytest.raises(JobError, match="the gradient became nan at step 1 of 4"):
        trained(PLAIN, objective=Root())


def test_the_history_has_the_terms_of_the_loss():
    _, history = trained(PLAIN, objective=Scaled(4.0))
    assert set(history[0]) == {"step", "epoch", "loss", "entropy", "learning_rate", "seconds"}
    assert [row["loss"] for row in history] == pytest.approx([4 * row["entropy"] for row in history])


def test_one_bar_for_all_steps(monkeypatch):
    told = Told()
    trained(PLAIN, progress=told)
    assert (told.labels, told.steps) == ([("training", 4)], [1, 1, 1, 1])
    told = Told()
    monkeypatch.setattr(bar, "SECONDS", 0.0)
    _, history = trained(PLAIN, progress=told)
    losses = [f"training (loss {row['loss']:.3g})" for row in history]
    assert told.labels == [("training", 4), (losses[0], 3), (losses[1], 2), (losses[2], 1)]
