"""What `gan.py` describes, in torch: the two networks, what each of them minimises, and the training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from handful.augment.batched import augmented_batch
from handful.augment.draw import Draw
from handful.augment.policy import Policy
from handful.core.rng import stream
from handful.training.objective import LossTerms, Objective

SLOPE = 0.2  # of the rectifiers where they leak, as in DCGAN
SMALLEST_MAP = 4  # pixels; maps are halved while they stay larger than twice that
R1, SELDOM = 0.02, 8  # the weight of the critic's penalty, and the steps for each time that it is taken
TINY = 1e-8  # whose root has a slope
N_GROUPS = 8  # of channels that are normalised together
HIDDEN = 4  # times the width, in the networks for tables

Alter = Callable[[Tensor, np.random.Generator], Tensor]


class Generator(nn.Module):
    """From what is drawn and classes to examples; `body` is one of the two below.

    Args:
        latent_dim: Numbers that are drawn for each example.
        n_classes: Classes; each has an embedding as long as the latent vector.
        body: From (n, 2 latent_dim) to examples.
    """

    def __init__(self, latent_dim: int, n_classes: int, body: nn.Module) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.classes = nn.Embedding(n_classes, latent_dim)
        self.body = body

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Examples from latent vectors, shape (n, latent_dim), and class indices, shape (n,)."""
        made: Tensor = self.body(torch.cat([latent, self.classes(labels)], dim=1))
        return made


class Critic(nn.Module):
    """How real an example of a class looks: above 1 surely, below -1 surely not.

    It is told how much the examples of that class in the batch differ, too: all alike are not real.

    Args:
        maps: From examples to (n, dim).
        dim: What `maps` gives.
        hidden: Features between these and the score.
        n_classes: Classes, each with a direction in the features.
    Source: Miyato & Koyama 2018, arXiv:1802.05637, for the projection; Karras et al. 2018, arXiv:1710.10196, section 3,
        for the deviation. Differs: it is that within a class.
    """

    def __init__(self, maps: nn.Module, dim: int, hidden: int, n_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(maps, nn.Linear(dim, hidden), nn.LeakyReLU(SLOPE))
        self.real = nn.Linear(2 * hidden, 1)
        self.classes = nn.Embedding(n_classes, 2 * hidden)
        nn.init.zeros_(self.classes.weight)

    def forward(self, examples: Tensor, labels: Tensor) -> Tensor:
        """Scores of a batch that is all real or all generated, shape (n,)."""
        features = self.features(examples)
        found = torch.cat([features, _spread(features, labels)], dim=1)
        scores: Tensor = self.real(found)[:, 0] + (found * self.classes(labels)).sum(dim=1)
        return scores


def _spread(features: Tensor, labels: Tensor) -> Tensor:
    """The deviation of each feature within the class of each row, shape (n, dim)."""
    same = (labels[:, None] == labels).float()
    same = same / same.sum(dim=1, keepdim=True)
    deviation: Tensor = (same @ (features - same @ features).square() + TINY).sqrt()
    return deviation


class Players(nn.Module):
    """Both networks, so that one training trains both."""

    def __init__(self, generator: Generator, critic: Critic) -> None:
        super().__init__()
        self.generator, self.critic = generator, critic


def image_players(side: tuple[int, int, int], n_classes: int, width: int, latent_dim: int) -> Players:
    """Small convolutional networks for images of a shape (height, width, channels), each side of 8 or more.

    Source: Radford et al. 2016 (DCGAN), arXiv:1511.06434; Karras et al. 2019, arXiv:1812.04948, section 2, for scales
    at every level by what is drawn. Differs: nothing is normalised over a batch, so that the averaged generator is
    exact: groups of channels in it, nothing in the critic; maps are doubled along straight lines, which leaves no
    checkerboard.
    """
    height, across, channels = side
    n_doublings = 1
    while max(height, across) > 2 * SMALLEST_MAP * 2**n_doublings:
        n_doublings += 1
    widths = [width * min(2**level, 4) for level in range(n_doublings + 1)]
    body = _Painting((height, across), channels, widths, 2 * latent_dim)
    layers: list[nn.Module] = []
    seen = [2 * each for each in widths]  # it sees more than is painted
    for before, after in zip([channels, *seen[1:]], seen[1:], strict=False):
        layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(SLOPE)]
    size = [each // 2**n_doublings for each in (height, across)]
    critic = Critic(nn.Sequential(*layers, nn.Flatten()), seen[-1] * size[0] * size[1], HIDDEN * width, n_classes)
    return Players(Generator(latent_dim, n_classes, body), critic)


def table_players(n_columns: int, n_classes: int, width: int, latent_dim: int) -> Players:
    """Two hidden layers each, for rows of numbers."""
    hidden = HIDDEN * width
    body = _Rows(2 * latent_dim, hidden, n_columns)
    maps = nn.Sequential(nn.Linear(n_columns, hidden), nn.LeakyReLU(SLOPE))
    return Players(Generator(latent_dim, n_classes, body), Critic(maps, hidden, hidden, n_classes))


class _Painting(nn.Module):
    """From a vector to a small map, doubled until it covers the image, whose middle is taken; from 0 to 1."""

    def __init__(self, size: tuple[int, int], channels: int, widths: list[int], n_in: int) -> None:
        super().__init__()
        self.size = size
        times = 2 ** (len(widths) - 1)
        self.start = (widths[-1], -(-size[0] // times), -(-size[1] // times))
        self.first = nn.Linear(n_in, int(np.prod(self.start)))
        self.norms = nn.ModuleList(_StyledNorm(each, n_in) for each in reversed(widths))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.doublings = nn.ModuleList(nn.Conv2d(before, after, 3, 1, 1) for before, after in pairs)
        self.last = nn.Conv2d(widths[0], channels, 3, 1, 1)

    def forward(self, seed: Tensor) -> Tensor:
        x = functional.leaky_relu(self.norms[0](self.first(seed).unflatten(1, self.start), seed), SLOPE)
        for doubling, norm in zip(self.doublings, list(self.norms)[1:], strict=True):
            x = functional.leaky_relu(norm(doubling(_doubled(x)), seed), SLOPE)
        top, left = (x.shape[2] - self.size[0]) // 2, (x.shape[3] - self.size[1]) // 2
        painted: Tensor = self.last(x[:, :, top : top + self.size[0], left : left + self.size[1]])
        return painted.sigmoid()


def _doubled(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)


class _StyledNorm(nn.Module):
    """Groups of channels normalised, then scaled and shifted by the vector that the example is made from."""

    def __init__(self, channels: int, n_in: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(gcd(N_GROUPS, channels), channels, affine=False)
        self.style = nn.Linear(n_in, 2 * channels)

    def forward(self, x: Tensor, seed: Tensor) -> Tensor:
        scale, shift = self.style(seed)[:, :, None, None].chunk(2, dim=1)
        scaled: Tensor = self.norm(x) * (1 + scale) + shift
        return scaled


class _Rows(nn.Module):
    """From a vector to the numbers of a row."""

    def __init__(self, n_in: int, hidden: int, n_columns: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_in, hidden),
            nn.LayerNorm(hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, hidden),
            nn.LayerNorm(hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, n_columns),
        )

    def forward(self, seed: Tensor) -> Tensor:
        made: Tensor = self.layers(seed)
        return made


@dataclass(frozen=True)
class Adversarial(Objective):
    """The hinge loss of both players in one step; a batch is (examples, class indices).

        critic:    mean relu(1 - D(T(x))) + mean relu(1 + D(T(G(z)))) + r1 / 2 mean |gradient of D at T(x)|^2
        generator: -mean D(T(G(z)))

    Each is told its own gradient alone. Real and generated examples of a batch are altered by the same draws T, through
    which the generator's gradient flows. The penalty is taken at random in one of `SELDOM` steps, and that much larger.

    Args:
        alter: T, on real examples and as many generated ones below each other.
        altered_by: It in words.
        r1: Weight of the penalty.
    Source: Lim & Ye 2017, arXiv:1705.02894; T: Zhao et al. 2020, arXiv:2006.10738, eq. 3; the penalty: Mescheder et al.
        2018, arXiv:1801.04406. Differs: both players step at once, not in turn, which costs one pass through the
        generator less and lets one loop train both.
    """

    alter: Alter
    altered_by: str
    r1: float = R1

    @property
    def description(self) -> str:
        """Its settings."""
        return f"Adversarial({self.altered_by}, r1={self.r1})"

    def loss(self, module: nn.Module, batch: Any, rng: np.random.Generator) -> LossTerms:
        """Both losses, whose sum has the gradient of each in its own player."""
        assert isinstance(module, Players)  # noqa: S101 - tells mypy
        real, labels = batch
        made = module.generator(latent_of(len(real), module.generator, rng, real.device), labels)
        seen_real, seen_made = self.alter(torch.cat([real, made]), rng).chunk(2)
        seen_real = seen_real.detach().requires_grad_()
        on_real, on_made = module.critic(seen_real, labels), module.critic(seen_made.detach(), labels)
        critic = functional.relu(1 - on_real).mean() + functional.relu(1 + on_made).mean()
        if rng.random() < 1 / SELDOM:
            critic = critic + SELDOM * self.r1 / 2 * _steepness(on_real, seen_real)
        with _held_still(module.critic):
            generator = -module.critic(seen_made, labels).mean()
        return LossTerms(critic + generator, {"critic": critic, "generator": generator})


def _steepness(scores: Tensor, examples: Tensor) -> Tensor:
    """The mean squared length of the scores' gradients, through which a gradient flows."""
    (slopes,) = torch.autograd.grad(scores.sum(), examples, create_graph=True)
    return slopes.flatten(1).square().sum(dim=1).mean()


def latent_of(n: int, generator: Generator, rng: np.random.Generator, device: torch.device) -> Tensor:
    """What examples are made from, shape (n, latent_dim): normal, drawn on the CPU."""
    return torch.from_numpy(rng.standard_normal((n, generator.latent_dim), dtype=np.float32)).to(device)


@contextmanager
def _held_still(module: nn.Module) -> Iterator[None]:
    """Gradients flow through the module and none stay in it."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


def by_policy(policy: Policy) -> Alter:
    """Images, from 0 to 1, as a policy draws them; from -1 to 1."""

    def alter(images: Tensor, rng: np.random.Generator) -> Tensor:
        n, channels, height, width = images.shape
        draws = [_by_whole_pixels(policy.draw(rng, width, height, out=(width, height))) for _ in range(n // 2)]
        seen = augmented_batch(images.expand(-1, 3, -1, -1), draws * 2, mean=(0.5,) * 3, std=(0.5,) * 3)
        return seen[:, :channels]

    return alter


def _by_whole_pixels(draw: Draw) -> Draw:
    """A mere shift, rounded: between pixels it would blur, and hide what the generator does to single pixels."""
    matrix = draw.warp.matrix
    if not np.array_equal(matrix[:, :2], np.eye(3)[:, :2]):
        return draw
    return replace(draw, warp=replace(draw.warp, matrix=np.rint(matrix)))


def by_noise(deviation: float) -> Alter:
    """Rows with the same normal noise on the real one and the generated one."""

    def alter(rows: Tensor, rng: np.random.Generator) -> Tensor:
        noise = rng.standard_normal((len(rows) // 2, rows.shape[1]), dtype=np.float32)
        return rows + deviation * torch.from_numpy(noise).to(rows.device).repeat(2, 1)

    return alter


def seeded(make: Callable[[], Players], seed: int) -> Players:
    """Networks whose first weights follow from the seed."""
    with torch.random.fork_rng([]):
        torch.manual_seed(int(stream(seed, "networks").integers(2**63)))
        return make()


@torch.no_grad()
def generated(generator: Generator, labels: Sequence[int], rng: np.random.Generator, at_once: int = 256) -> Tensor:
    """Examples of these classes, on the CPU: images of shape (n, channels, height, width), or rows."""
    device = next(generator.parameters()).device
    classes = torch.as_tensor(labels, dtype=torch.int64, device=device)
    latent = latent_of(len(classes), generator, rng, device)
    starts = range(0, len(classes), at_once)
    return torch.cat([generator(latent[at : at + at_once], classes[at : at + at_once]).cpu() for at in starts])
