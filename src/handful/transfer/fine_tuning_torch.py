"""What `fine_tuning.py` describes, in torch: the head as a module, training from cached activations or on pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from handful.augment.batched import augmented_batch
from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.core.errors import UsageError
from handful.core.progress import SILENT, Progress
from handful.nn.backbone import Backbone, FeatureMatrix
from handful.nn.efficientnet_lite_torch import EfficientNetLite0
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.features import Pixels
from handful.nn.linear import Floats, Linear
from handful.training.checkpoint import History
from handful.training.gradients import Fetch
from handful.training.loop import train
from handful.training.objective import Objective, Supervised
from handful.training.parameters import RateShare, layerwise
from handful.transfer.activations_torch import Activations, cached_activations
from handful.transfer.fine_tuning import N_PHASES, FineTuning
from handful.transfer.probe import FittedProbe, Probe, ProbeRows, Targets
from handful.transfer.probe_head_torch import Inputs, ProbeHead, Tuned, one_thread, starting_scale
from handful.transfer.technique import Problem

SCORED_AT_ONCE = 64


@dataclass(frozen=True)
class Material:
    """What fine-tuning sees of the examples.

    Args:
        features: Frozen, of the views that the head starts from, shape (n, n_views, dim).
        targets: Class indices, shape (n,).
        n_classes: Number of classes.
        units: What is left out together when the head's penalty is chosen, shape (n,).
        pixels: At the backbone's size, shape (n, size, size, 3).
        policy: Draws the augmentation, where nothing is frozen.
        activations: At the boundary, of every view; None where nothing is frozen.
    """

    features: FeatureMatrix
    targets: Targets
    n_classes: int
    units: npt.NDArray[np.int64]
    pixels: Pixels
    policy: Policy
    activations: Activations | None


def material_of(settings: FineTuning, problem: Problem, backbone: Backbone, policy: Policy) -> Material:
    """Computed once for a problem: every fold and the final fit see the same."""

    def make() -> Material:
        pixels, activations = problem.examples.seen_by(backbone), None
        if settings.n_frozen is not None:
            views = views_of(policy, settings.n_views_worth(len(problem.targets)))
            activations = cached_activations(backbone, pixels, views, settings.n_frozen, progress=problem.progress)
        features = problem.examples.features(backbone, views_of(policy)[: max(settings.start.views) + 1])
        return Material(features, problem.targets, problem.n_classes, problem.units, pixels, policy, activations)

    shared = (backbone.name, policy, settings.n_frozen, settings.n_views, max(settings.start.views))
    return problem.remember(("fine-tuning", *shared), make)


def left_out_scores(
    settings: FineTuning, backbone: Backbone, material: Material, left_out: npt.NDArray[np.int64], seed: int
) -> Floats:
    """Scores of some examples by a training on all others, shape (n_left_out, n_classes)."""
    kept = np.setdiff1d(np.arange(len(material.targets)), left_out)
    with one_thread():
        tuned = tune(settings, backbone, material, kept, seed)
        if material.activations is not None and settings.n_frozen is not None:
            return cached_scores(tuned, material.activations, settings.n_frozen, left_out, settings.start.test_views)
        return _whole_scores(tuned, backbone, material.pixels[left_out], len(settings.start.test_views) > 1)


def tuned_probe(settings: FineTuning, backbone: Backbone, material: Material, policy: Policy, seed: int) -> FittedProbe:
    """Trained on all examples, as a probe on a network of its own, which predicts through ONNX Runtime."""
    with one_thread():
        tuned = tune(settings, backbone, material, np.arange(len(material.targets)), seed)
    return as_probe(tuned, settings.start, backbone, policy)


def as_probe(tuned: Tuned, start: Probe, backbone: Backbone, policy: Policy) -> FittedProbe:
    """A network and its head as a probe on a backbone of its own."""
    linear = tuned.head.linear
    head = Linear(*(part.detach().double().numpy() for part in (linear.weight.T, linear.bias)))
    weights = {name: value.detach().cpu().numpy() for name, value in tuned.body.state_dict().items()}
    return FittedProbe(start, EfficientNetLite0Backbone(backbone.spec.size, weights), policy, head, backbone)


def tune(
    settings: FineTuning,
    backbone: Backbone,
    material: Material,
    kept: npt.NDArray[np.int64],
    seed: int,
    progress: Progress = SILENT,
) -> Tuned:
    """A training on some of the examples, from the exact probe on the same ones."""
    head = starting_head(settings, backbone, material, kept)
    targets = material.targets[kept]
    if material.activations is None:
        return tune_whole(
            settings, backbone, head, material.pixels[kept], material.policy, targets, seed, progress=progress
        )[0]
    some = Activations(material.activations.flow[kept], material.activations.below[kept])
    return tune_cached(settings, backbone, head, some, targets, seed, progress=progress)[0]


def starting_head(
    settings: FineTuning, backbone: Backbone, material: Material, kept: npt.NDArray[np.int64]
) -> ProbeHead:
    """The exact probe of some examples, scaled for their own loss."""
    probe, targets = settings.start, material.targets[kept]
    rows = ProbeRows(probe, material.features[kept], backbone, targets, material.n_classes, material.units[kept])
    linear = rows.fit(rows.best_penalty())
    scale = starting_scale(linear(rows.rows), rows.row_targets, settings.label_smoothing)
    return ProbeHead(backbone.columns(probe.layers), probe.power, linear, scale)


@torch.inference_mode()
def _whole_scores(tuned: Tuned, backbone: Backbone, pixels: Pixels, mirrored: bool) -> Floats:
    """Logits of pictures, averaged with those of the mirrored ones where asked, shape (n, n_classes)."""
    mean, std = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (backbone.spec.mean, backbone.spec.std))
    found = []
    for start in range(0, len(pixels), SCORED_AT_ONCE):
        images = torch.from_numpy(pixels[start : start + SCORED_AT_ONCE]).permute(0, 3, 1, 2).float()
        images = (images - mean) / std
        logits = tuned(images)
        found.append((logits + tuned(images.flip(3))) / 2 if mirrored else logits)
    return np.asarray(torch.cat(found).double().numpy())


def tune_cached(
    settings: FineTuning,
    backbone: Backbone,
    head: ProbeHead,
    activations: Activations,
    targets: Targets,
    seed: int,
    device: str = "cpu",
    progress: Progress = SILENT,
    objective: Objective | None = None,
    fetch: Fetch | None = None,
) -> tuple[Tuned, History]:
    """Train the last blocks and the head from activations at their boundary.

    Every time an example is seen, one of its views is drawn.

    Args:
        settings: How; `n_blocks` must be that of the activations.
        backbone: Its network is an EfficientNet-Lite0.
        head: Trained in place.
        activations: Of the training examples, from `cached_activations`.
        targets: Class indices, shape (n,); or what is wanted of each view, shape (n, n_views, n_classes).
        seed: Of order, views and batches.
        device: "cpu" or "cuda".
        progress: Shows the loss.
        objective: Of (logits, targets); cross entropy with the label smoothing of the settings when None.
        fetch: A batch as the objective expects it; of activations and targets when None.
    Returns:
        The whole network with its head, which takes normalised images, and the history of the loss.
    """
    network = _network(backbone).to(device)
    if settings.n_frozen is None:
        what = f"n_blocks={settings.n_blocks!r} leaves nothing frozen, so no activations can be cached"
        raise UsageError(what, "FineTuning", f"choose 0 to {len(network.blocks)}, or tune the whole network")
    _, upper = network.split(settings.n_frozen)
    n_views = activations.flow.shape[1]

    def one_view(rows: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[Inputs, Tensor]:
        views = rng.integers(n_views, size=len(rows))
        wanted = targets[rows] if targets.ndim == 1 else targets[rows, views]
        return activations.batch(rows, views, device), torch.from_numpy(wanted).to(device)

    parts = [*(f"body.blocks.{i}" for i in range(len(upper.blocks))), "body.head"]
    tail = Tuned(upper, head.to(device))
    history = _trained(tail, settings, objective, fetch or one_view, len(targets), parts, seed, progress)
    return Tuned(network, head).eval(), history


def tune_whole(
    settings: FineTuning,
    backbone: Backbone,
    head: ProbeHead,
    pixels: Pixels,
    policy: Policy,
    targets: Targets,
    seed: int,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> tuple[Tuned, History]:
    """Train every block and the head on images that are augmented anew each time.

    Args:
        settings: How; `n_blocks` is "all".
        backbone: Its network is an EfficientNet-Lite0.
        head: Trained in place.
        pixels: Decoded images, shape (n, size, size, 3).
        policy: Draws the augmentation.
        targets: Class indices, shape (n,).
        seed: Of order, augmentation and batches.
        device: "cpu" or "cuda".
        progress: Shows the loss.
    Returns:
        The network with its head, which takes normalised images, and the history of the loss.
    """
    if settings.n_blocks != "all":
        what = f"n_blocks={settings.n_blocks}, and the whole network was to be tuned"
        raise UsageError(what, "FineTuning", "write 'all', or tune from cached activations")
    network = _network(backbone).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    size, mean, std = pixels.shape[1], _by_channel(backbone.spec.mean), _by_channel(backbone.spec.std)

    def fetch(rows: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[Inputs, Tensor]:
        images = torch.from_numpy(pixels[rows]).permute(0, 3, 1, 2).to(device)
        draws = [policy.draw(rng, size, size, out=(size, size)) for _ in rows]
        inputs = augmented_batch(images, draws, mean, std).to(memory_format=torch.channels_last)
        return inputs, torch.from_numpy(targets[rows]).to(device)

    parts = ["body.stem", *(f"body.blocks.{i}" for i in range(len(network.blocks))), "body.head"]
    tuned = Tuned(network, head.to(device))
    return tuned, _trained(tuned, settings, None, fetch, len(targets), parts, seed, progress)


def cached_scores(
    tuned: Tuned,
    activations: Activations,
    n_frozen: int,
    rows: npt.NDArray[np.int64],
    views: tuple[int, ...] = (0,),
    batch_size: int = 64,
) -> Floats:
    """Logits of examples whose activations are kept, averaged over views: what is left out of a fold, say.

    Args:
        tuned: From `tune_cached`.
        activations: Of all examples.
        n_frozen: How many blocks lie below the boundary.
        rows: Which examples, shape (m,).
        views: Over which views.
        batch_size: Examples at a time.
    Returns:
        Shape (m, n_classes).
    """
    if not isinstance(tuned.body, EfficientNetLite0):
        raise UsageError("the network has no boundary to go on from", "cached_scores", "give what tune_cached returned")
    device = str(next(tuned.parameters()).device)
    tail = Tuned(tuned.body.split(n_frozen)[1], tuned.head).eval()
    scores = np.zeros((len(rows), tuned.head.linear.out_features))
    with torch.inference_mode():
        for start in range(0, len(rows), batch_size):
            some = rows[start : start + batch_size]
            for view in views:
                logits = tail(activations.batch(some, np.full(len(some), view), device))
                scores[start : start + batch_size] += logits.cpu().numpy() / len(views)
    return scores


def _trained(
    module: Tuned,
    settings: FineTuning,
    objective: Objective | None,
    fetch: Fetch,
    n: int,
    parts: list[str],
    seed: int,
    progress: Progress,
) -> History:
    """The history of all phases, which is one unless blocks are unfrozen gradually."""
    objective, share = objective or Supervised(settings.label_smoothing), _rate_share(parts, settings)
    whole = settings.training(n)
    history: History = []
    for phase, (n_steps, trained) in enumerate(_phases(settings, parts, n)):
        _unfreeze(module, trained, settings.trains == "norms")
        how = replace(whole, steps=n_steps)
        rows = train(module, objective, fetch, n, how, seed + phase, rate_share=share, progress=progress)
        history += [{**row, "step": row["step"] + len(history)} for row in rows]
    return history


def _phases(settings: FineTuning, parts: list[str], n: int) -> list[tuple[int, list[str]]]:
    """How many steps to train which parts of the network, one phase after the other; the head is always trained."""
    n_steps, n_phases = settings.n_steps(n), N_PHASES if settings.unfreezing == "gradual" else 1
    n_phases = min(n_phases, n_steps, len(parts))
    ends = [n_steps * phase // n_phases for phase in range(n_phases + 1)]
    first = [len(parts) - len(parts) * phase // n_phases for phase in range(1, n_phases + 1)]
    return [(ends[phase + 1] - ends[phase], parts[at:]) for phase, at in enumerate(first)]


def _unfreeze(module: Tuned, trained: list[str], norms_only: bool) -> None:
    for name, weights in module.named_parameters():
        opened = name.startswith(tuple(f"{part}." for part in trained)) and (weights.ndim == 1 or not norms_only)
        weights.requires_grad_(name.startswith("head.") or opened)


def _rate_share(parts: list[str], settings: FineTuning) -> RateShare:
    """Falling from the last part to the first; the head has its own."""
    below = layerwise(parts, settings.decay)
    return lambda name: settings.head_factor if name.startswith("head.") else below(name)


def _network(backbone: Backbone) -> EfficientNetLite0:
    network = backbone.module()
    if not isinstance(network, EfficientNetLite0):
        raise UsageError("only an EfficientNet-Lite0 can be fine-tuned here", backbone.name, "use efficientnet-lite0")
    return network


def _by_channel(values: tuple[float, ...]) -> tuple[float, ...]:
    return values * 3 if len(values) == 1 else values
