"""Texts at the frozen boundary of the sentence encoder: read once, so that a step costs only the layers above.

Word vectors are always below the boundary: they are half of the weights, and a handful of texts shows only a few of
them. There is no augmentation here, so what the frozen layers give for a text never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from handful.core.errors import UsageError
from handful.nn.backbone import Backbone, FeatureMatrix
from handful.nn.minilm_torch import MiniLM, Upper
from handful.nn.text_backbone import TextBackbone
from handful.nn.text_windows import TextWindows
from handful.transfer.probe import Probe, ProbeRows, Targets
from handful.transfer.technique import Problem

MOST_READ = 4  # windows of a text; what is longer is trained on its beginning
TOGETHER = 8  # windows of like length that are padded to the longest of them
SCORED_AT_ONCE = 64

Index = npt.NDArray[np.int64]
Group = tuple[Tensor, Tensor, Tensor]  # flow, pooled layers below, mask: the arguments of `Upper`


@dataclass(frozen=True)
class TextActivations:
    """What the trained layers see, window by window.

    Args:
        flow: Of each window its tokens at the boundary, shape (length, width), float16.
        below: The layers pooled below the boundary, shape (n_windows, dim below), float16.
        owners: The text that each window is of, ascending, shape (n_windows,).
    """

    flow: list[npt.NDArray[np.float16]]
    below: npt.NDArray[np.float16]
    owners: Index

    def one_window_each(self, rows: Index, rng: np.random.Generator) -> Index:
        """A window of each text, drawn where there are several, shape (n_rows,)."""
        return rng.integers(np.searchsorted(self.owners, rows), np.searchsorted(self.owners, rows, "right"))

    def groups(self, windows: Index) -> tuple[tuple[Group, ...], Index]:
        """Some windows in padded groups of like length, and which window each row of all groups is."""
        order = windows[np.argsort([len(self.flow[window]) for window in windows], kind="stable")]
        cut = range(0, len(order), TOGETHER)
        return tuple(self._padded(order[start : start + TOGETHER]) for start in cut), order

    def _padded(self, windows: Index) -> Group:
        length = max(len(self.flow[window]) for window in windows)
        flow = torch.zeros(len(windows), length, self.flow[0].shape[1])
        mask = torch.zeros(len(windows), length, dtype=torch.int64)
        for place, window in enumerate(windows):
            own = torch.from_numpy(self.flow[window])
            flow[place, : len(own)], mask[place, : len(own)] = own, 1
        return flow, torch.from_numpy(self.below[windows]).float(), mask


class OverGroups(nn.Module):
    """Groups of windows, one after the other, to their features below each other, shape (n_windows, dim)."""

    def __init__(self, upper: nn.Module) -> None:
        super().__init__()
        self.upper = upper

    def forward(self, *groups: Group) -> Tensor:
        return torch.cat([self.upper(*group) for group in groups])


@dataclass(frozen=True)
class TextMaterial:
    """What a training sees of all examples.

    Args:
        activations: At the boundary.
        features: Frozen, of the whole texts, shape (n, 1, dim).
        targets: Class indices, shape (n,).
        n_classes: Number of classes.
        units: What is left out together when a head's penalty is chosen, shape (n,).
    """

    activations: TextActivations
    features: FeatureMatrix
    targets: Targets
    n_classes: int
    units: Index

    def batch(self, rows: Index, rng: np.random.Generator) -> tuple[tuple[Group, ...], Tensor]:
        """Groups of windows, one window of each text, and the classes of their rows."""
        groups, order = self.activations.groups(self.activations.one_window_each(rows, rng))
        return groups, torch.from_numpy(self.targets[self.activations.owners[order]])

    def features_above(self, upper: nn.Module, rows: Index) -> npt.NDArray[np.float32]:
        """Features of some texts by tuned layers, means over their windows, shape (n_rows, 1, dim)."""
        found: list[npt.NDArray[np.float32]] = []
        with torch.inference_mode():
            for start in range(0, len(rows), SCORED_AT_ONCE):
                some = rows[start : start + SCORED_AT_ONCE]
                groups, order = self.activations.groups(np.flatnonzero(np.isin(self.activations.owners, some)))
                features, owners = OverGroups(upper)(*groups).numpy(), self.activations.owners[order]
                found += [features[owners == row].mean(axis=0, keepdims=True) for row in some]
        return np.stack(found)

    def probe_rows(
        self, probe: Probe, backbone: Backbone, kept: Index, features: npt.NDArray[np.floating]
    ) -> ProbeRows:
        """The rows of a probe on some of the texts, of whose features shape (n_kept, 1, dim) is given."""
        return ProbeRows(probe, features, backbone, self.targets[kept], self.n_classes, self.units[kept])


def text_material(problem: Problem, backbone: Backbone, n_frozen: int) -> TextMaterial:
    """Computed once for a problem and a boundary: every fold and the final fit see the same."""

    def make() -> TextMaterial:
        texts = [str(text) for text in problem.examples.raw]
        activations, features = text_activations(backbone, texts, n_frozen), problem.examples.features(backbone)
        return TextMaterial(activations, features, problem.targets, problem.n_classes, problem.units)

    return problem.remember(("texts", backbone.name, n_frozen), make)


def text_activations(backbone: Backbone, texts: Sequence[str], n_frozen: int) -> TextActivations:
    """Run the embeddings and the frozen layers once over every text.

    Args:
        backbone: The embedded sentence encoder, or a tuned one.
        texts: n of them; of each the first `MOST_READ` windows are read.
        n_frozen: Layers below the boundary.
    """
    network, windows = sentence_network(backbone)
    lower, _ = network.split(n_frozen)
    tokens = [ids[: MOST_READ * windows.size] for ids in windows.tokens(texts)]
    found: list[tuple[int, npt.NDArray[np.float16], npt.NDArray[np.float16]]] = []
    with torch.inference_mode():
        for owners, ids, mask in windows.batches(tokens):
            flow, below = (part.half().numpy() for part in lower(torch.from_numpy(ids), torch.from_numpy(mask)))
            lengths = mask.sum(axis=1)
            found += [(int(owner), flow[at, : lengths[at]], below[at]) for at, owner in enumerate(owners)]
    found.sort(key=lambda window: window[0])
    below_each = np.stack([window[2] for window in found])
    return TextActivations([window[1] for window in found], below_each, np.array([window[0] for window in found]))


def trainable(backbone: Backbone, n_frozen: int) -> tuple[MiniLM, Upper]:
    """A network, frozen but for its last layers, and those."""
    network, _ = sentence_network(backbone)
    _, upper = network.requires_grad_(False).split(n_frozen)
    return network, upper.requires_grad_(True)


def sentence_network(backbone: Backbone) -> tuple[MiniLM, TextWindows]:
    """The network of a sentence encoder, and what turns texts into its windows.

    Raises:
        UsageError: when it is another kind of network.
    """
    if isinstance(backbone, TextBackbone):
        network = backbone.module()
        if isinstance(network, MiniLM):
            return network, backbone.windows
    raise UsageError("only the embedded sentence encoder can be tuned here", backbone.name, "use all-minilm-l6-v2")


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively: a step then takes about half of the time."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
