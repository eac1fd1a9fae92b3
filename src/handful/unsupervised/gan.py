"""A generative adversarial network for few and small examples: images of up to 64 pixels, or tables of numbers.

Two networks learn against each other: one makes examples, the other tells them from real ones. From a few hundred
examples the second soon knows them all by heart, and the first learns nothing more; so both kinds are altered by the
same random draws before it sees them, and gradients flow through the alteration.

Source: Goodfellow et al. 2014, arXiv:1406.2661; Zhao et al. 2020 (differentiable augmentation), arXiv:2006.10738;
Yazıcı et al. 2019 (averaging the generator), arXiv:1806.04498. Differs: see `gan_torch.py`; what is drawn comes from
our policies, and their colours end at black and white as those of pixels do.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from handful.augment.policy import Policy
from handful.core.errors import DataError, UsageError
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.nn.features import chosen_device
from handful.unsupervised.gan_examples import Array, Images, Table

if TYPE_CHECKING:
    from torch import Tensor

    from handful.training.checkpoint import History, Run

LOOKS = 20  # in a training: how often a good state is kept, and whoever watches is called
ALTERED = "translate_x=0.125,translate_y=0.125,brightness=0.2,contrast=0.2,border=constant"


class GAN(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Learns to make examples like those it is given, by class where there are labels.

    Args:
        n_steps: Batches that it learns from.
        width: Channels of its widest maps, and a quarter of those of the smallest; hidden units of a table by four.
        latent_dim: Numbers that an example is made from.
        batch_size: Real examples in a step, and as many generated ones.
        learning_rate: Of both networks.
        augment: What images are altered by before the critic sees them, a `Policy` or its text; rows of a table get a
            little noise. "none" for nothing, which suits many thousand examples.
        ema: Decay of the averaged generator, the one that samples.
        device: "auto", "cpu" or "cuda".
        random_state: Same number, same samples.
    Attributes:
        classes_: The labels, sorted; None without labels.
        history_: What `train` says of every step: both losses among it.
        n_steps_: Steps that the kept generator has learned for: fewer than `n_steps` when the training diverged.
    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (40, 16, 16), np.uint8)
        >>> GAN(n_steps=2, width=4).fit(images).sample(3).shape
        (3, 16, 16)
    """

    def __init__(
        self,
        n_steps: int = 3000,
        width: int = 16,
        latent_dim: int = 64,
        batch_size: int = 40,
        learning_rate: float = 1e-3,
        augment: str | Policy = ALTERED,
        ema: float = 0.995,
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.n_steps = n_steps
        self.width = width
        self.latent_dim = latent_dim
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.augment = augment
        self.ema = ema
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike | None = None,
        watch: Callable[[GAN], object] | None = None,
        progress: Progress = SILENT,
    ) -> Self:
        """Learn from examples.

        Args:
            X: uint8 images, shape (n, h, w), (n, h, w, 1) or (n, h, w, 3), of up to 64 pixels; or rows of numbers,
                shape (n, d), in which nothing is missing.
            y: Labels, shape (n,), to sample by.
            watch: Called `LOOKS` times on the way, after step `n_steps_`, and may `sample`.
        Raises:
            DataError: when there are fewer than 20 different examples, or images are too large.
            JobError: when the training diverges at once. Where it does so later, it stops, the last good state is kept,
                and a note (a warning, where nobody listens) says so.
        """
        from handful.training.loop import Diverged

        policy = self.augment if isinstance(self.augment, Policy) else Policy.parse(self.augment)
        _check_sizes(self.width, self.latent_dim)
        examples = np.asarray(X)
        self._kind = Images(examples) if examples.ndim in (3, 4) else Table(examples)
        self.classes_, targets = _classes_of(y, len(examples))
        self._shares = np.bincount(targets) / len(targets)
        self.n_steps_ = 0
        self.history_: History = []
        try:
            self._train(targets, policy, watch, progress)
        except Diverged as failure:
            if not self.n_steps_:
                raise
            _say(f"{failure.what}; the generator of step {self.n_steps_} is kept", progress)
        return self

    def sample(self, n: int, label: Any = None, random_state: int | None = None) -> Array:
        """New examples, in the form of those it learned from.

        Args:
            n: How many.
            label: One class for all, or one for each, shape (n,). When None they are drawn as often as they were seen.
            random_state: Of these samples; that of the estimator when None.
        Raises:
            UsageError: when there is no such class.
        """
        from handful.unsupervised.gan_torch import generated

        check_is_fitted(self, "generator_")
        if n < 1:
            raise UsageError(f"n={n} is not 1 or more", "sample")
        rng = stream(self.random_state if random_state is None else random_state, "samples")
        asked = rng.choice(len(self._shares), n, p=self._shares) if label is None else self._indices(label, n)
        return self._kind.restored(generated(self.generator_, asked.tolist(), rng).numpy())

    def _indices(self, label: Any, n: int) -> npt.NDArray[np.int64]:
        if self.classes_ is None:
            raise UsageError("it learned without labels", "label", "leave it out, or fit with y")
        asked = np.broadcast_to(np.asarray(label), (n,)) if np.ndim(label) == 0 else np.asarray(label)
        if asked.shape != (n,):
            raise UsageError(f"{n} samples and labels of shape {asked.shape}", "label", "give one, or one for each")
        known = {name: at for at, name in enumerate(self.classes_.tolist())}
        if unknown := [name for name in asked.tolist() if name not in known]:
            raise UsageError(f"no class is called {unknown[0]!r}", "label", f"use one of {', '.join(map(str, known))}")
        return np.array([known[name] for name in asked.tolist()], dtype=np.int64)

    def _train(
        self,
        targets: npt.NDArray[np.int64],
        policy: Policy,
        watch: Callable[[GAN], object] | None,
        progress: Progress,
    ) -> None:
        import torch

        from handful.training.loop import train
        from handful.training.settings import AdamW, Training
        from handful.unsupervised.gan_torch import Adversarial, seeded

        kind, device = self._kind, torch.device(chosen_device(self.device))
        n_classes, labels = len(self._shares), torch.from_numpy(targets)
        players = seeded(lambda: kind.players(n_classes, self.width, self.latent_dim), self.random_state).to(device)
        how = Training(
            steps=self.n_steps,
            batch_size=min(self.batch_size, len(targets)),
            learning_rate=self.learning_rate,
            optimizer=AdamW(betas=(0.0, 0.9)),  # without momentum, which chases where the other player was
            weight_decay=0.0,
            schedule="constant",
            warmup=0.0,
            clip_norm=None,
            ema=self.ema,
            balanced=True,
        )
        every = max(1, self.n_steps // LOOKS)

        def look(run: Run) -> None:
            self.history_ = run.history
            if (run.step % every == 0 or run.step == self.n_steps) and self._keep(run) and watch is not None:
                watch(self)

        def fetch(rows: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
            return kind.batch(rows, rng), labels[rows]

        objective = Adversarial(kind.alter(policy), str(policy))
        seed = self.random_state

        train(
            players,
            objective,
            fetch,
            len(targets),
            how,
            seed,
            labels=targets,
            progress=progress,
            watch=look,
        )

    def _keep(self, run: Run) -> bool:
        """Take over the averaged generator, unless some of its weights are no longer numbers."""
        players: Any = copy.deepcopy(run.module).requires_grad_(True)
        if run.ema is not None:
            run.ema.copy_to(players)
        sound = all(bool(weights.isfinite().all()) for weights in players.generator.parameters())
        if sound:
            self.generator_, self.n_steps_ = players.generator.eval(), run.step
        return sound


def _check_sizes(width: int, latent_dim: int) -> None:
    for name, value in (("width", width), ("latent_dim", latent_dim)):
        if value < 1:
            raise UsageError(f"{name}={value} is not 1 or more", "GAN")


def _classes_of(y: npt.ArrayLike | None, n: int) -> tuple[Array | None, npt.NDArray[np.int64]]:
    if y is None:
        return None, np.zeros(n, np.int64)
    if np.shape(y) != (n,):
        raise DataError(f"{n} examples and labels of shape {np.shape(y)}", "y", "give one for each")
    classes, targets = np.unique(np.asarray(y), return_inverse=True)
    return classes, targets.astype(np.int64)


def _say(message: str, progress: Progress) -> None:
    if progress is SILENT:
        warnings.warn(message, UserWarning, stacklevel=3)
    else:
        progress.note(message)
