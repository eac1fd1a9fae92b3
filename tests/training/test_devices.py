import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from handful.core.errors import MissingPackage, UsageError
from handful.training.checkpoint import Checkpoint
from handful.training.devices import Engine, accelerated
from handful.training.loop import train
from handful.training.objective import Supervised
from handful.training.settings import Training

needs_accelerate = pytest.mark.skipif(importlib.util.find_spec("accelerate") is None, reason="accelerate is optional")

# 22 examples in batches of 5 and a last one of 2: the shares of two processes differ in size.
HOW = Training(steps=9, batch_size=5, learning_rate=0.05, ema=0.9)
# `--multi_gpu` is accelerate's way to start processes; `--cpu` would start them through MPI, which few have.
LAUNCH = (
    *("--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"),
    *("--dynamo_backend", "no", "--num_cpu_threads_per_process", "1", "--main_process_port", "0"),
)
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_devices import trained
from handful.training.checkpoint import Checkpoint
from handful.training.devices import accelerated
out = Path({out!r})
engine = accelerated(cpu=True)
trained(out / f"{{engine.number}}.safetensors", engine, Checkpoint(out / f"checkpoint-{{engine.number}}", every=4))
"""


def fetch(rows, rng):
    points = np.random.default_rng(0).normal(size=(22, 5)).astype(np.float32)
    return torch.tensor(points[rows]), torch.tensor(rows % 3)


def trained(path, engine, checkpoint=None):
    """Weights start differently in every process; those of process 0 count."""
    torch.manual_seed(engine.number if engine else 0)
    module = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    history = train(module, Supervised(), fetch, 22, HOW, 0, checkpoint=checkpoint, engine=engine)
    save_file({**module.state_dict(), "losses": torch.tensor([row["loss"] for row in history])}, path)


@needs_accelerate
def test_two_processes_give_the_result_of_one_and_only_the_first_writes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(folder=str(Path(__file__).parent), out=str(tmp_path)))
    launch = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", *LAUNCH, str(script)]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    trained(tmp_path / "one.safetensors", None, Checkpoint(tmp_path / "checkpoint", every=4))
    one, first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("one", "0", "1"))
    for name, expected in one.items():
        torch.testing.assert_close(first[name], expected, rtol=1e-4, atol=1e-5)
        assert torch.equal(first[name], second[name])
    assert {path.name for path in tmp_path.glob("checkpoint*")} == {"checkpoint", "checkpoint-0"}


@needs_accelerate
def test_alone_it_is_the_plain_loop(tmp_path):
    trained(tmp_path / "plain", None)
    trained(tmp_path / "engine", accelerated(cpu=True))
    plain, engine = load_file(tmp_path / "plain"), load_file(tmp_path / "engine")
    assert all(torch.equal(plain[name], engine[name]) for name in plain)


def test_without_accelerate_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingPackage, match=r"'accelerate', which is not installed; pip install 'handful\[hub\]'"):
        accelerated()


class Doubled(Engine):
    """Two processes that have the same share: what the other one adds is what this one has."""

    number, n_processes = 0, 2

    def begin(self, module):  # noqa: ARG002
        return torch.device("cpu")

    def add_up(self, tensors):
        for each in tensors:
            each *= 2


def test_a_process_sees_its_share_and_the_sum_counts():
    """Every example stands twice, once for each process: as the same examples once, in this one."""
    points, targets = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
    results, seen = [], []
    for engine, n in ((Doubled(), 16), (None, 8)):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))

        def get(rows, rng, n=n):
            seen.append(len(rows))
            return points, targets  # all of them, in whatever order the rows are

        train(module, Supervised(), get, n, Training(steps=5, batch_size=n, frozen_statistics=False), 0, engine=engine)
        results.append(module.state_dict())
    assert seen == [8] * 10
    for name in results[0]:
        torch.testing.assert_close(results[0][name], results[1][name])


class Three(Doubled):
    """Two processes, the other of which has a 3 wherever it is asked."""

    def add_up(self, tensors):
        for each in tensors:
            each += 3


def test_running_statistics_are_the_mean_over_processes():
    points, targets = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
    means = []
    for engine in (Three(), None):
        module = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 3))
        how = Training(steps=1, batch_size=8, frozen_statistics=False)
        train(module, Supervised(), lambda rows, rng: (points, targets), 8, how, 0, engine=engine)  # noqa: ARG005
        means.append(module[0].running_mean)
    torch.testing.assert_close(means[0], (means[1] + 3) / 2)


def test_batches_too_small_for_the_processes_are_refused():
    with pytest.raises(UsageError, match="a batch of 1 is too small for 2 processes, it takes at least 2"):
        train(nn.Linear(5, 3), Supervised(), fetch, 21, Training(batch_size=1), 0, engine=Doubled())
