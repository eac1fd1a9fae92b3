import errno
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from handful.core.errors import JobError, ModelError, UsageError
from handful.core.progress import Progress
from handful.training.checkpoint import Checkpoint
from handful.training.loop import train
from handful.training.objective import Supervised
from handful.training.parameters import layerwise
from handful.training.settings import AdamW, Sgd, Training

RNG = np.random.default_rng(0)
TARGETS = torch.tensor(np.arange(23) % 3)
POINTS = torch.tensor(RNG.normal(size=(23, 5)) + 2 * np.eye(5)[TARGETS], dtype=torch.float32)
HOW = Training(steps=20, batch_size=5, learning_rate=0.02, ema=0.9, frozen_statistics=False)


class Told(Progress):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


class Killed(BaseException):
    """As if the process had ended there."""


def net(width=8):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 3))


def noisy(rows, rng):
    return POINTS[rows] + torch.tensor(rng.normal(size=(len(rows), 5)), dtype=torch.float32), TARGETS[rows]


def dying(n_calls):
    """A fetch that is killed when it is called once more."""
    left = [n_calls]

    def fetch(rows, rng):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return noisy(rows, rng)

    return fetch


def run(how=HOW, fetch=noisy, objective=None, module=None, seed=0, n=23, **others):
    module = net() if module is None else module
    history = train(module, objective or Supervised(), fetch, n, how, seed, **others)
    return module, history


def killed_after(n_steps, kept, **others):
    with pytest.raises(Killed):
        run(fetch=dying(n_steps), checkpoint=kept, **others)


def same_bytes(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def without_seconds(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


@pytest.fixture
def kept(tmp_path):
    return Checkpoint(tmp_path / "run" / "checkpoint.safetensors", every=3)


@pytest.mark.parametrize("optimizer", [AdamW(), Sgd(), Sgd(0.0)])
@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("n_steps", [9, 10])
def test_killed_and_resumed_is_the_same_as_never_killed(kept, optimizer, ema, n_steps):
    """Order of the batches, augmentation, dropout, optimizer, averages, statistics: all as if nothing had happened."""
    how = Training(steps=20, batch_size=5, learning_rate=0.02, ema=ema, optimizer=optimizer, frozen_statistics=False)
    straight, history = run(how)
    killed_after(n_steps, kept, how=how)
    left = []

    def counted(rows, rng):
        left.append(rows)
        return noisy(rows, rng)

    resumed, others = run(how, counted, checkpoint=kept)
    assert len(left) == 20 - 9  # the last checkpoint before the end was that of step 9
    assert same_bytes(straight, resumed)
    assert without_seconds(history) == without_seconds(others)


def test_killed_before_the_first_checkpoint_starts_anew(kept):
    killed_after(2, kept)
    assert not kept.path.exists()
    assert same_bytes(run()[0], run(checkpoint=kept)[0])


def test_what_is_finished_is_not_done_again(kept):
    straight, history = run(checkpoint=kept)
    again, others = run(fetch=dying(0), checkpoint=kept)
    assert same_bytes(straight, again)
    assert history == others
    assert not again.training


def test_killed_while_writing_the_older_one_stands(kept, monkeypatch):
    killed_after(4, kept)
    before = kept.path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("handful.core.files.os.replace", full)
        with pytest.raises(JobError, match="the disk is full"):
            run(checkpoint=kept)
    assert kept.path.read_bytes() == before
    assert [each.name for each in kept.path.parent.iterdir()] == [kept.path.name]
    assert same_bytes(run()[0], run(checkpoint=kept)[0])


def test_parts_that_memory_asked_for_are_kept(kept):
    class Small(Supervised):
        def loss(self, module, batch, rng):
            if len(batch[0]) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().loss(module, batch, rng)

    how = Training(steps=8, batch_size=5, learning_rate=0.02)
    straight, _ = run(how, objective=Small())
    killed_after(9, kept, how=how, objective=Small())
    told = Told()
    resumed, _ = run(how, objective=Small(), checkpoint=kept, progress=told)
    assert same_bytes(straight, resumed)
    assert told.notes == []  # it did not run out of memory again


def test_tied_weights_stay_tied(kept):
    def tied():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3))
        module[2].weight = module[0].weight
        return module

    straight, _ = run(module=tied())
    killed_after(9, kept, module=tied())
    resumed, _ = run(module=tied(), checkpoint=kept)
    assert same_bytes(straight, resumed)
    assert resumed[2].weight is resumed[0].weight


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"module": net(9)}, r"has another network: 0\.weight is of shape \(8, 5\), not of shape \(9, 5\)"),
        ({"module": nn.Linear(5, 3)}, r"has another network: weight is missing, not of shape \(3, 5\)"),
        (
            {"objective": Supervised(0.3)},
            r"is of another training: objective Supervised\(label_smoothing=0.1, .*smoothing=0.3",
        ),
        (
            {"how": replace(HOW, optimizer=Sgd())},
            r"is of another training: optimizer AdamW\(.*\), not Sgd\(momentum=0\.9\)",
        ),
        ({"how": replace(HOW, ema=None)}, "is of another training: ema 0.9, not None"),
        ({"seed": 1}, "is of another training: seed 0, not 1"),
        ({"n": 22}, "is of another training: examples 23, not 22"),
        (
            {"rate_share": layerwise(["0", "1", "4"], 0.5)},
            "is of another training: trained parameters and their shares",
        ),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_in_one_line(kept, others, said):
    killed_after(4, kept)
    with pytest.raises(ModelError, match=f"the checkpoint {said}.*; delete it to start anew") as refused:
        run(checkpoint=kept, **others)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("length", [0, 7, 1000])
def test_a_damaged_file_is_refused(kept, length):
    killed_after(4, kept)
    kept.path.write_bytes(kept.path.read_bytes()[:length])
    with pytest.raises(ModelError, match=r"the checkpoint is damaged or no checkpoint; .*checkpoint\.safetensors"):
        run(checkpoint=kept)


def test_other_safetensors_are_refused(kept, tmp_path):
    from safetensors.torch import save_file

    kept.path.parent.mkdir()
    save_file({"weight": torch.zeros(2)}, tmp_path / "weights.safetensors")
    shutil.move(tmp_path / "weights.safetensors", kept.path)
    with pytest.raises(ModelError, match="not a checkpoint of this version"):
        run(checkpoint=kept)
    with pytest.raises(UsageError, match="every=0"):
        Checkpoint(kept.path, every=0)


def test_the_file_is_plain_safetensors_and_json(kept):
    killed_after(4, kept)
    with safe_open(kept.path, "pt") as file:
        names, rest = set(file.keys()), json.loads(file.metadata()["run"])
    assert {"module.0.weight", "module.1.running_mean", "ema.0.weight", "optimizer.0.exp_avg"} <= names
    assert (rest["step"], len(rest["history"]), rest["parts"]) == (3, 3, 1)
