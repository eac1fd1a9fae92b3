"""Autoencoders: codes from which examples can be restored, and how badly the odd ones are.

    codes = encoder(spoilt examples),    loss = mean (examples - decoder(codes))^2

Images (n, h, w, c) in uint8 are learned from as they are; so are vectors and tables of features (n, d). Both are
standardised inside, tables column by column.

Source: Hinton & Salakhutdinov 2006, doi:10.1126/science.1127647 (plain); Vincent et al. 2008,
doi:10.1145/1390156.1390294 (denoising); Makhzani & Frey 2013, arXiv:1312.5663 (sparse); Kingma & Welling 2014,
arXiv:1312.6114 (variational); He et al. 2022, arXiv:2111.06377 (masked). Differs: all layers are
trained at once; to denoise images is to put back where it stood what was moved a little, which taught more than noise;
`autoencoder_torch.py` and `masked_autoencoder_torch.py` say what else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from handful.augment.policy import Policy
from handful.core.errors import DataError, UsageError
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.evaluate.arrays import Bools, Floats
from handful.evaluate.conformal import p_value, smallest_n, threshold
from handful.unsupervised.examples import distinct, examples_of, in_words

if TYPE_CHECKING:
    import torch

    from handful.training.objective import Objective
    from handful.unsupervised.autoencoder_torch import Codec, Design

Network = Literal["auto", "dense", "convolutional", "masked"]
Kind = Literal["plain", "denoising", "sparse", "variational"]
Array = npt.NDArray[Any]

MOST_FEATURES = 2**16  # of a code or a layer
MOST_LAYERS = 16
LEAST_STEPS = 400  # a pass over few examples is few steps
LEARNING_RATE = 2e-3
PATCHES = 7  # along an image of the masked network
BLOCK = 512  # examples that are encoded at a time


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Features from which examples can be restored, learned without labels.

    Args:
        n_features: Length of a code.
        network: "convolutional" or "masked" (convolutional, and learns to restore hidden patches) for images, "dense"
            for anything; "auto" is convolutional for images, dense for vectors.
        kind: "plain"; "denoising" restores what was spoilt; in a "sparse" code few numbers are not 0; a "variational"
            one is like a draw from a normal distribution. The masked network is plain or denoising.
        policy: How a denoising autoencoder sees images: a named policy, or one as text.
        hidden: Share of a vector's columns that a denoising autoencoder does not see, 0.25 when None; or of the patches
            of an image that the masked network does not, 0.6 when None.
        active: Share of the numbers of a sparse code that are not 0.
        hidden_dims: Widths of the fully connected layers, from the examples to the code.
        n_passes: Times that as many examples as there are go through, but 400 steps at least.
        batch_size: Examples in a step.
        held_out: Share of the examples that only calibrates `anomaly`.
        device: "cpu" or "cuda".
        random_state: Seed of everything random.
    Attributes:
        shape_: Of an example, (d,) or (h, w, c).
        mean_, scale_: Of each column or channel.
        calibration_: Errors of the examples held out, ascending.
        history_: A row for each step of the training: loss, learning rate and so on.
    Example:
        >>> rows = np.random.default_rng(0).normal(size=(60, 1)) * [1.0, 2.0, 3.0]
        >>> coder = Autoencoder(n_features=1, hidden_dims=(8,), kind="plain").fit(rows)
        >>> coder.transform(rows).shape, bool(coder.score(rows) > -0.1)
        ((60, 1), True)
    """

    def __init__(
        self,
        n_features: int = 64,
        network: Network = "auto",
        kind: Kind = "denoising",
        policy: str = "rotate=6,scale=0.1,translate_x=0.07,translate_y=0.07",
        hidden: float | None = None,
        active: float = 0.25,
        hidden_dims: tuple[int, ...] = (512,),
        n_passes: int = 40,
        batch_size: int = 128,
        held_out: float = 0.1,
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.n_features = n_features
        self.network = network
        self.kind = kind
        self.policy = policy
        self.hidden = hidden
        self.active = active
        self.hidden_dims = hidden_dims
        self.n_passes = n_passes
        self.batch_size = batch_size
        self.held_out = held_out
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, progress: Progress = SILENT) -> Self:  # noqa: ARG002
        """Learn from examples; of those that are equal one counts.

        Args:
            X: Vectors (n, d), finite, or images (n, h, w, c), uint8.
            y: Ignored.
            progress: Told of every step.
        Raises:
            DataError: when there are not two different examples, or they are neither vectors nor images.
            UsageError: when a setting makes no sense, for these examples or at all.
            JobError: when the training diverges.
        """
        self._check_settings()
        examples = distinct(examples_of(X))
        self._check_fits(examples.shape[1:])
        order = stream(self.random_state, "held out").permutation(len(examples))
        n_held = min(round(self.held_out * len(examples)), len(examples) - 2)
        held, learned = examples[order[:n_held]], examples[np.sort(order[n_held:])]
        self.shape_ = examples.shape[1:]
        within = tuple(range(learned.ndim - 1))  # all axes but columns or channels
        self.mean_ = learned.mean(axis=within, dtype=np.float64)
        spread = learned.std(axis=within, dtype=np.float64)
        self.scale_ = np.where(spread > 0, spread, 1.0)
        self._train(learned, progress)
        self.calibration_ = np.sort(self.errors(held)) if n_held else np.empty(0)
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        """The codes of examples, shape (n, n_features)."""
        blocks = _blocks(self._checked(X))
        encoded = [self._through(self._standardised(each), lambda codec, shown: codec.encode(shown)) for each in blocks]
        return np.concatenate(encoded)

    def inverse_transform(self, X: Any) -> Array:
        """What codes (n, n_features) stand for: vectors, or images in uint8."""
        check_is_fitted(self)
        codes = np.asarray(X, np.float32)
        if codes.shape[1:] != (self.n_features,) or not np.isfinite(codes).all():
            raise DataError(f"codes are finite and of shape (n, {self.n_features}), got {codes.shape}", "Autoencoder")
        restored = self._through(codes, lambda codec, given: codec.decoder(given))
        restored = np.moveaxis(restored, 1, -1)  # where there are channels; else nothing moves
        examples = restored * self.scale_ + self.mean_
        return np.asarray(np.rint(examples.clip(0, 255)), np.uint8) if len(self.shape_) == 3 else examples

    def errors(self, X: Any) -> Floats:
        """The mean squared error with which each example is restored, in standardised units, shape (n,)."""
        parts = []
        for block in _blocks(self._checked(X)):
            wanted = self._standardised(block)
            restored = self._through(wanted, lambda codec, shown: codec(shown))
            within = tuple(range(1, wanted.ndim))
            parts.append(np.square(wanted - restored).mean(axis=within, dtype=np.float64))
        return np.concatenate(parts)

    def score(self, X: Any, y: Any = None) -> float:  # noqa: ARG002
        """Minus the mean of `errors`; 0 is perfect, -1 no better than the mean example."""
        return -float(self.errors(X).mean())

    def anomaly(self, X: Any) -> Floats:
        """How usual each example is, a conformal p-value: of examples like those of `fit` a share p is at or below p.

        Raises:
            DataError: when no examples were held out.
        """
        found = self.errors(X)
        self._check_calibrated(0.5)
        return p_value(self.calibration_, found)

    def threshold(self, level: float = 0.05) -> float:
        """The error above which `level` of usual examples lie, at most.

        Raises:
            DataError: when too few examples were held out for this level.
        """
        check_is_fitted(self)
        if not 0 < level < 1:
            raise UsageError(f"level={level} is not between 0 and 1", "Autoencoder", "0.05 is usual")
        self._check_calibrated(1 - level)
        return threshold(self.calibration_, 1 - level)

    def is_anomaly(self, X: Any, level: float = 0.05) -> Bools:
        """Which examples are restored worse than the threshold, shape (n,)."""
        odd: Bools = self.errors(X) > self.threshold(level)
        return odd

    def save(self, folder: str | Path) -> None:
        """Write a folder that `load` reads: `config.json` and `model.safetensors`."""
        from handful.unsupervised.autoencoder_folder import save

        check_is_fitted(self)
        save(self, Path(folder))

    @staticmethod
    def load(folder: str | Path) -> Autoencoder:
        """An autoencoder from a folder, on the CPU.

        Raises:
            ModelError: when the folder is none of ours, or damaged.
        """
        from handful.unsupervised.autoencoder_folder import load

        return load(Path(folder))

    @property
    def _n_features_out(self) -> int:
        return self.n_features

    def _train(self, examples: Array, progress: Progress) -> None:
        import torch

        from handful.training.loop import train
        from handful.training.settings import Training
        from handful.unsupervised.autoencoder_torch import codec

        def fetch(rows: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
            shown = self._spoilt(examples[rows], rng) if self.kind == "denoising" else examples[rows]
            return torch.from_numpy(self._standardised(shown)), torch.from_numpy(self._standardised(examples[rows]))

        with torch.random.fork_rng([]):
            torch.manual_seed(int(stream(self.random_state, "weights").integers(2**63)))
            network = codec(self._design(self.shape_)).to(self.device)
        n_steps = max(self.n_passes * -(-len(examples) // self.batch_size), LEAST_STEPS)
        how = Training(
            steps=n_steps, batch_size=self.batch_size, learning_rate=LEARNING_RATE, frozen_statistics=False, warmup=0.05
        )
        objective = self._objective()
        self.history_ = train(network, objective, fetch, len(examples), how, self.random_state, progress=progress)
        self._codec = network

    def _objective(self) -> Objective:
        from handful.unsupervised.autoencoder_torch import Variational
        from handful.unsupervised.masked_autoencoder_torch import Reconstruction

        if self.kind == "variational":
            return Variational()
        if self.network == "masked":
            patch = max(round(max(self.shape_[:2]) / PATCHES), 1)
            return Reconstruction(0.6 if self.hidden is None else self.hidden, patch)
        return Reconstruction()

    def _spoilt(self, examples: Array, rng: np.random.Generator) -> Array:
        """Images as the policy draws them; vectors with the mean in place of some of their numbers."""
        if examples.ndim == 4:
            policy = Policy.parse(self.policy)
            return np.stack([policy(image, rng) for image in examples])
        hidden = rng.random(examples.shape) < (0.25 if self.hidden is None else self.hidden)
        return np.where(hidden, self.mean_, examples)

    def _standardised(self, examples: Array) -> npt.NDArray[np.float32]:
        """As the network takes them: mean 0, standard deviation 1, channels first."""
        rows = ((examples - self.mean_) / self.scale_).astype(np.float32)
        return np.ascontiguousarray(np.moveaxis(rows, -1, 1)) if rows.ndim == 4 else rows

    def _through(
        self, given: npt.NDArray[np.float32], part: Callable[[Codec, torch.Tensor], torch.Tensor]
    ) -> npt.NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            found = part(self._codec, torch.from_numpy(given).to(self.device))
        return np.asarray(found.cpu().numpy(), np.float32)

    def _design(self, shape: tuple[int, ...]) -> Design:
        from handful.unsupervised.autoencoder_torch import Design

        is_image = len(shape) == 3
        n_active = min(max(round(self.active * self.n_features), 1), self.n_features)
        channels_first = (shape[2], *shape[:2]) if is_image else shape
        convolutional = is_image and self.network != "dense"
        return Design(channels_first, self.n_features, tuple(self.hidden_dims), convolutional, self.kind, n_active)

    def _checked(self, X: Any) -> Array:
        """Examples of the same kind as those of `fit`."""
        check_is_fitted(self)
        examples = examples_of(X)
        if examples.shape[1:] != self.shape_:
            found, expected = in_words(examples.shape[1:]), in_words(self.shape_)
            raise DataError(f"these are {found}, the autoencoder has learned from {expected}", "Autoencoder")
        return examples

    def _check_calibrated(self, coverage: float) -> None:
        n, needed = len(self.calibration_), smallest_n(coverage)
        if n < needed:
            what = f"this level needs {needed} examples held out, and there are {n}"
            raise DataError(what, "Autoencoder", "raise the level or held_out, or give fit more examples")

    def _check_settings(self) -> None:
        whole = {"n_features": self.n_features, "n_passes": self.n_passes, "batch_size": self.batch_size}
        whole |= {f"hidden_dims[{at}]": dim for at, dim in enumerate(self.hidden_dims[:MOST_LAYERS])}
        for name, number in whole.items():
            sound = isinstance(number, int | np.integer) and 1 <= number <= MOST_FEATURES
            _check(sound, name, number, f"a whole number from 1 to {MOST_FEATURES}")
        n_layers = len(self.hidden_dims)
        _check(1 <= n_layers <= MOST_LAYERS, "hidden_dims", f"{n_layers} widths", f"1 to {MOST_LAYERS} of them")
        _check(self.network in get_args(Network), "network", self.network, f"one of {', '.join(get_args(Network))}")
        _check(self.kind in get_args(Kind), "kind", self.kind, f"one of {', '.join(get_args(Kind))}")
        _check(self.hidden is None or 0 < self.hidden < 1, "hidden", self.hidden, "between 0 and 1")
        _check(0 < self.active <= 1, "active", self.active, "from above 0 to 1")
        _check(0 <= self.held_out < 1, "held_out", self.held_out, "from 0 to below 1")
        stream(self.random_state)
        Policy.parse(self.policy)

    def _check_fits(self, shape: tuple[int, ...]) -> None:
        if self.network in ("convolutional", "masked") and len(shape) != 3:
            remedy = 'use network="dense"; with kind="denoising" it learns from vectors with hidden numbers'
            raise UsageError(
                f"the {self.network} network is for images, these are {in_words(shape)}", "network", remedy
            )
        if self.network == "masked" and self.kind not in ("plain", "denoising"):
            raise UsageError(f"the masked network has no {self.kind} code", "kind", "use plain or denoising")


def _blocks(examples: Array) -> Iterator[Array]:
    """Some examples at a time; of none, none of them once, so that the shape is known."""
    for at in range(0, max(len(examples), 1), BLOCK):
        yield examples[at : at + BLOCK]


def _check(sound: bool, name: str, value: object, expected: str) -> None:
    if not sound:
        raise UsageError(f"{name}={value!r} is not {expected}", "Autoencoder")
