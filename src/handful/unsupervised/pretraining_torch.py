"""What `pretraining.py` names, in torch: the network that starts, what stands on it, how it is trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from torch import Tensor, nn

from handful.augment.policy import Policy
from handful.core.budget import TimeIsUp
from handful.core.progress import Progress
from handful.nn.backbone import ImageBackbone, InputSpec
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.features import chosen_device
from handful.nn.small_network import SmallNetworkBackbone
from handful.nn.small_network_torch import SmallNetwork
from handful.training.checkpoint import Checkpoint, History, Run
from handful.training.devices import has_bfloat16
from handful.training.gradients import Fetch
from handful.training.loop import Diverged, train
from handful.training.objective import Objective
from handful.training.settings import Training
from handful.unsupervised.image_pool import ImagePool
from handful.unsupervised.masked_autoencoder_torch import Reconstruction, Restorer
from handful.unsupervised.pretraining import CONTRASTING, SMALL
from handful.unsupervised.projector import Projected
from handful.unsupervised.simclr import SimClr
from handful.unsupervised.vicreg import VicReg
from handful.unsupervised.views import POLICY, OneView, TwoViews

FROM_NOTHING = Training(batch_size=256, learning_rate=2e-3, weight_decay=1e-4, warmup=0.05, frozen_statistics=False)
FROM_PUBLISHED = Training(batch_size=32, learning_rate=2e-4, weight_decay=1e-4)
OBJECTIVES = {
    "simclr": SimClr(),
    "vicreg": VicReg(),
    "autoencoder": Reconstruction(),
    "masked": Reconstruction(hidden=0.6),
}
PROJECTORS = {"simclr": (256, 128), "vicreg": (512, 512, 512)}
NOISE = 0.3  # standard deviation of what an autoencoder has to take off, in those of the pixels
TIMED = 4  # steps, the first of which does not count

Weights = dict[str, npt.NDArray[np.floating]]


@dataclass(frozen=True)
class Pretraining:
    """One training without labels.

    Args:
        backbone: That it starts from.
        module: Has the backbone's network as `encoder`.
        objective: What is minimised.
        fetch: Gives the batches.
        how: All but the number of steps.
        n: Images.
        seed: Of everything random.
    """

    backbone: ImageBackbone
    module: nn.Module
    objective: Objective
    fetch: Fetch
    how: Training
    n: int
    seed: int

    def seconds_a_step(self) -> float:
        """Measured on a copy."""
        how = replace(self.how, steps=TIMED)
        history = train(deepcopy(self.module), self.objective, self.fetch, self.n, how, self.seed)
        return float(np.median([row["seconds"] for row in history[1:]]))

    def run(
        self, n_steps: int, checkpoint: Checkpoint, watch: Callable[[Run], None], progress: Progress
    ) -> tuple[ImageBackbone, History, str]:
        """The backbone after so many steps, what happened in each, and why it has learned for fewer, if so.

        Raises:
            Diverged: when there is no good state to go back to.
        """
        history: History = []

        def watched(run: Run) -> None:
            history[:] = run.history
            watch(run)

        how = replace(self.how, steps=n_steps)
        try:
            history = train(
                self.module, self.objective, self.fetch, self.n, how, self.seed,
                checkpoint=checkpoint, progress=progress, watch=watched,
            )  # fmt: skip
        except TimeIsUp:
            stopped = f"the time was up after {len(history)} of {n_steps} steps"
        except Diverged as failure:
            if not checkpoint.path.exists():
                raise
            weights, step = _kept(checkpoint)
            stopped = f"{failure.what}; the last good state, of step {step}, is kept"
            return with_weights(self.backbone, weights), history[:step], stopped
        else:
            stopped = ""
        return with_weights(self.backbone, weights_of(self.module)), history, stopped


def pretraining(method: str, start: str, pool: ImagePool, seed: int, device: str = "auto") -> Pretraining:
    """Ready to run.

    Args:
        method: One of `pretraining.METHODS`.
        start: One of the networks that it goes together with.
        pool: Images of the size that the network is to be shown.
        seed: Of everything random.
        device: "cpu", "cuda" or "auto".
    """
    device = chosen_device(device)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        backbone = _start(start, pool)
        module = _under_training(method, backbone).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    n, usual = len(pool), FROM_NOTHING if start == SMALL else FROM_PUBLISHED
    batch_size = -(-n // -(-n // usual.batch_size))  # even batches: a last one of a few pictures would be all noise
    mixed = start == SMALL and has_bfloat16() if device == "cpu" else None  # depthwise filters gain nothing by it
    how = replace(usual, batch_size=batch_size, mixed_precision=mixed)
    fetch = _batches(method, pool, backbone.spec, device)
    return Pretraining(backbone, module, OBJECTIVES[method], fetch, how, n, seed)


def with_weights(backbone: ImageBackbone, weights: Weights) -> ImageBackbone:
    """The same backbone with other weights."""
    if isinstance(backbone, SmallNetworkBackbone):
        return SmallNetworkBackbone(backbone.spec.size, backbone.spec.mean, backbone.spec.std, weights)
    return EfficientNetLite0Backbone(backbone.spec.size, weights)


def weights_of(module: nn.Module) -> Weights:
    """Those of the encoder, as they are now."""
    return {name: _as_array(value) for name, value in module.encoder.state_dict().items()}  # type: ignore[union-attr]


def _as_array(value: Tensor) -> npt.NDArray[np.floating]:
    return np.array(value.detach().cpu().contiguous().numpy())


def _start(start: str, pool: ImagePool) -> ImageBackbone:
    if start != SMALL:
        return EfficientNetLite0Backbone(pool.size)
    weights = {name: _as_array(value) for name, value in SmallNetwork().state_dict().items()}
    return SmallNetworkBackbone(pool.size, pool.mean, pool.std, weights)


def _under_training(method: str, backbone: ImageBackbone) -> nn.Module:
    """The backbone's network with what stands on it."""
    encoder, column = backbone.module(), backbone.columns(backbone.last)[0]
    if method in CONTRASTING:
        return Projected(encoder, column, PROJECTORS[method], isinstance(backbone, EfficientNetLite0Backbone))
    return Restorer(encoder, column.stop - column.start)


def _batches(method: str, pool: ImagePool, spec: InputSpec, device: str) -> Fetch:
    """What the objective of a method is given."""
    if method in CONTRASTING:
        return TwoViews(pool, Policy.parse(POLICY), spec.mean, spec.std, device)
    return OneView(pool, spec.mean, spec.std, NOISE if method == "autoencoder" else 0.0, device)


def _kept(checkpoint: Checkpoint) -> tuple[Weights, int]:
    """The encoder's weights in a checkpoint, and its step."""
    prefix = "module.encoder."
    with safe_open(checkpoint.path, "numpy") as file:
        step = json.loads(file.metadata()["run"])["step"]
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a mapping
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names}, step
