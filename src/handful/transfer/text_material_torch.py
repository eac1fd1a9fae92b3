"""What the training of a sentence encoder sees of texts: the windows that the shipped model reads, all of them.

Only token ids are kept. Activations at the frozen boundary would spare the layers below it, but those of one long
text take megabytes, and as a rule nothing but the word vectors is below: they are half of the weights, and a handful of
texts shows only a few of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from handful.core.errors import UsageError
from handful.nn.backbone import Backbone, FeatureMatrix
from handful.nn.minilm_torch import MiniLM
from handful.nn.text_backbone import TextBackbone
from handful.nn.text_windows import TextWindows
from handful.transfer.probe import Probe, ProbeRows, Targets
from handful.transfer.technique import Problem

TOGETHER = 8  # windows of like length that are padded to the longest of them
SCORED_AT_ONCE = 64

Index = npt.NDArray[np.int64]
Group = tuple[Tensor, Tensor]  # ids and mask, (n_windows, length)


class OverGroups(nn.Module):
    """Groups of windows, one after the other, to their features below each other, shape (n_windows, dim).

    Args:
        network: Shares its weights with this.
        n_frozen: Layers, from below, that no gradient reaches.
    """

    def __init__(self, network: MiniLM, n_frozen: int) -> None:
        super().__init__()
        self.lower, self.upper = network.split(n_frozen)

    def forward(self, *groups: Group) -> Tensor:
        return torch.cat([self._features(*group) for group in groups])

    def _features(self, ids: Tensor, mask: Tensor) -> Tensor:
        with torch.no_grad():
            flow, below = self.lower(ids, mask)
        features: Tensor = self.upper(flow, below, mask)
        return features


@dataclass(frozen=True)
class TextMaterial:
    """What a training sees of all examples.

    Args:
        windows: Token ids of every window, each of shape (length,).
        owners: The text that each window is of, ascending, shape (n_windows,).
        features: Frozen, of the whole texts, shape (n, 1, dim).
        targets: Class indices, shape (n,).
        n_classes: Number of classes.
        units: What is left out together when a head's penalty is chosen, shape (n,).
    """

    windows: list[Index]
    owners: Index
    features: FeatureMatrix
    targets: Targets
    n_classes: int
    units: Index

    def batch(self, rows: Index, rng: np.random.Generator) -> tuple[tuple[Group, ...], Tensor]:
        """Groups of windows, one window of each text, and the classes of their rows."""
        groups, order = self.groups(self.one_window_each(rows, rng))
        return groups, torch.from_numpy(self.targets[self.owners[order]])

    def one_window_each(self, rows: Index, rng: np.random.Generator) -> Index:
        """A window of each text, drawn where there are several, shape (n_rows,)."""
        return rng.integers(np.searchsorted(self.owners, rows), np.searchsorted(self.owners, rows, "right"))

    def groups(self, which: Index) -> tuple[tuple[Group, ...], Index]:
        """Some windows in padded groups of like length, and which window each row of all groups is."""
        order = which[np.argsort([len(self.windows[window]) for window in which], kind="stable")]
        cut = range(0, len(order), TOGETHER)
        return tuple(_padded([self.windows[window] for window in order[at : at + TOGETHER]]) for at in cut), order

    def tuned_features(self, network: nn.Module, rows: Index) -> npt.NDArray[np.float32]:
        """Features of some texts by a tuned network, means over their windows, shape (n_rows, 1, dim)."""
        found: list[npt.NDArray[np.float32]] = []
        with torch.inference_mode():
            for start in range(0, len(rows), SCORED_AT_ONCE):
                some = rows[start : start + SCORED_AT_ONCE]
                groups, order = self.groups(np.flatnonzero(np.isin(self.owners, some)))
                features, owners = torch.cat([network(*group) for group in groups]).numpy(), self.owners[order]
                found += [features[owners == row].mean(axis=0, keepdims=True) for row in some]
        return np.stack(found)

    def probe_rows(
        self, probe: Probe, backbone: Backbone, kept: Index, features: npt.NDArray[np.floating]
    ) -> ProbeRows:
        """The rows of a probe on some of the texts, of whose features shape (n_kept, 1, dim) is given."""
        return ProbeRows(probe, features, backbone, self.targets[kept], self.n_classes, self.units[kept])


def _padded(windows: list[Index]) -> Group:
    ids, mask = torch.zeros(2, len(windows), max(map(len, windows)), dtype=torch.int64)
    for place, window in enumerate(windows):
        ids[place, : len(window)], mask[place, : len(window)] = torch.from_numpy(window), 1
    return ids, mask


def text_material(problem: Problem, backbone: Backbone) -> TextMaterial:
    """Made once for a problem: every fold and the final fit see the same."""

    def make() -> TextMaterial:
        _, windows = sentence_network(backbone)
        found = [
            (int(owner), ids[:length])
            for batch in windows.batches(windows.tokens([str(text) for text in problem.examples.raw]))
            for owner, ids, length in zip(batch.owners, batch.ids, batch.mask.sum(axis=1), strict=True)
        ]
        found.sort(key=lambda window: window[0])
        owners, features = np.array([owner for owner, _ in found]), problem.examples.features(backbone)
        windows_of_all = [ids for _, ids in found]
        return TextMaterial(windows_of_all, owners, features, problem.targets, problem.n_classes, problem.units)

    return problem.remember(("texts", backbone.name), make)


def trainable(backbone: Backbone, n_frozen: int) -> tuple[MiniLM, OverGroups]:
    """A network, frozen but for its last layers, and the same over groups of windows."""
    network, _ = sentence_network(backbone)
    over_groups = OverGroups(network.requires_grad_(False), n_frozen)
    over_groups.upper.requires_grad_(True)
    return network, over_groups


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
