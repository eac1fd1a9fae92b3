import math

import pytest
import torch

from handful.core.errors import UsageError
from handful.training.schedule import warmed_up, warmup_cosine
from handful.training.settings import Training


@pytest.mark.parametrize(("n_steps", "n_warmup"), [(1, 0), (7, 0), (20, 5), (20, 19)])
def test_warm_up_and_cosine_against_the_formula(n_steps, n_warmup):
    for step in range(n_steps):
        if step < n_warmup:
            expected = (step + 1) / n_warmup
        else:
            expected = 0.5 * (1 + math.cos(math.pi * (step - n_warmup) / (n_steps - n_warmup)))
        assert warmup_cosine(step, n_steps, n_warmup) == pytest.approx(expected, abs=1e-12)


def test_the_cosine_is_torch_s():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
    for step in range(12):
        assert warmup_cosine(step, 12, 0) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        theirs.step()


def test_no_step_is_wasted_at_a_rate_of_zero():
    for n_steps in range(1, 30):
        for n_warmup in range(n_steps):
            shares = [warmup_cosine(step, n_steps, n_warmup) for step in range(n_steps)]
            assert min(shares) > 0
            assert max(shares) == pytest.approx(1)


def test_settings_turn_shares_into_rates():
    how = Training(learning_rate=0.4, warmup=0.25)
    assert [how.rate(step, 8) for step in range(2)] == pytest.approx([0.2, 0.4])
    assert how.rate(5, 8) == pytest.approx(0.4 * warmup_cosine(5, 8, 2))
    constant = Training(learning_rate=0.4, warmup=0.25, schedule="constant")
    assert [constant.rate(step, 8) for step in (0, 1, 2, 7)] == pytest.approx([0.2, 0.4, 0.4, 0.4])
    assert warmed_up(0, 0) == 1


def test_steps_are_given_or_follow_from_epochs():
    assert Training(epochs=3).n_steps(7) == 21
    assert Training(epochs=3, steps=5).n_steps(7) == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("epochs", 0),
            ("steps", 0),
            ("batch_size", 0),
            ("parts", 0),
            ("learning_rate", 0),
            ("learning_rate", math.nan),
        ),
        *(("clip_norm", -1), ("weight_decay", -1), ("warmup", 1), ("ema", 1), ("schedule", "linear")),
    ],
)
def test_settings_that_make_no_sense_are_refused(name, value):
    with pytest.raises(UsageError, match=name):
        Training(**{name: value})
