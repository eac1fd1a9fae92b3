"""MiniLM-L6 in torch, to be trained: the network of `minilm.py` under the names of the published weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from handful.core.errors import UsageError
from handful.nn.minilm import (
    FORBIDDEN,
    HEAD_DIM,
    INNER_DIM,
    N_HEADS,
    N_LAYERS,
    N_POSITIONS,
    N_WORDS,
    NORM_EPSILON,
    POOLED_BY_MAX,
    POOLED_BY_MEAN,
    POOLED_INNER,
    WIDTH,
    Weights,
    layer_dims,
)


class MiniLM(nn.Module):
    """Token ids and mask, both (n, length), to the pooled layers side by side, (n, dim), as the graph gives them.

    There is no dropout: on a handful of examples it is the learning rate and the number of steps that regularise.
    """

    def __init__(self) -> None:
        super().__init__()
        # Left as memory gives it: half a second of random numbers would be overwritten at once.
        self.words = nn.Embedding(N_WORDS, WIDTH, _weight=torch.empty(N_WORDS, WIDTH))
        self.positions = nn.Embedding(N_POSITIONS, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, NORM_EPSILON)
        self.layers = nn.ModuleList(TransformerLayer() for _ in range(N_LAYERS))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        lower, upper = self.split(0)
        features: Tensor = upper(*lower(ids, mask), mask)
        return features

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """What the last layer makes of every token, shape (n, length, width)."""
        return _through(self.layers, 0, self.split(0)[0](ids, mask)[0], mask)[0]

    def split(self, n_frozen: int) -> tuple[Lower, Upper]:
        """The embeddings with the first layers, and all layers above; they share their weights with this network.

        Raises:
            UsageError: when the network has no such boundary.
        """
        if not 0 <= n_frozen < N_LAYERS:
            raise UsageError(f"n_frozen={n_frozen} is not from 0 to {N_LAYERS - 1}", "MiniLM")
        return Lower(self, n_frozen), Upper(self, n_frozen)

    @torch.no_grad()
    def load_published(self, weights: Weights) -> None:
        """Copy the published weights in."""
        prefix = "embeddings."
        kind = torch.from_numpy(weights[f"{prefix}token_type_embeddings.weight"][0])  # there is only one kind of token
        self.words.weight.copy_(torch.from_numpy(weights[f"{prefix}word_embeddings.weight"]))
        self.positions.weight.copy_(torch.from_numpy(weights[f"{prefix}position_embeddings.weight"]) + kind)
        _copy(self.norm, weights, f"{prefix}LayerNorm")
        for depth, layer in enumerate(self.layers):
            for part, name in PUBLISHED_NAMES.items():
                _copy(layer.get_submodule(part), weights, f"encoder.layer.{depth}.{name}")

    def as_published(self) -> Weights:
        """The weights under their published names, for `write_features`: what `load_published` takes back.

        The one kind of token is already in the positions, so its embedding is zero.
        """
        named = {"word_embeddings.weight": self.words.weight, "position_embeddings.weight": self.positions.weight}
        named |= {f"LayerNorm.{kind}": parameter for kind, parameter in self.norm.named_parameters()}
        named = {f"embeddings.{name}": parameter for name, parameter in named.items()}
        for depth, layer in enumerate(self.layers):
            for part, name in PUBLISHED_NAMES.items():
                for kind, parameter in layer.get_submodule(part).named_parameters():
                    named[f"encoder.layer.{depth}.{name}.{kind}"] = parameter
        weights = {name: parameter.detach().cpu().numpy().copy() for name, parameter in named.items()}
        return {**weights, "embeddings.token_type_embeddings.weight": np.zeros((1, WIDTH), np.float32)}


class Lower(nn.Module):
    """Token ids and mask, both (n, length), to the flow at a boundary (n, length, width) and what is pooled below it.

    Args:
        network: Whose embeddings and first layers these are.
        n_frozen: Layers below the boundary.
    """

    def __init__(self, network: MiniLM, n_frozen: int) -> None:
        super().__init__()
        self.words, self.positions, self.norm = network.words, network.positions, network.norm
        self.layers = network.layers[:n_frozen]

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        flow = self.norm(self.words(ids) + self.positions.weight[: ids.shape[1]])
        flow, pooled = _through(self.layers, 0, flow, mask)
        return flow, torch.cat(
            [flow.new_empty(len(ids), 0), *(pooled[name] for name in pooled_below(len(self.layers)))], 1
        )


class Upper(nn.Module):
    """Flow and pooled layers at a boundary, and the mask, to all pooled layers side by side, (n, dim).

    Args:
        network: Whose last layers these are.
        n_frozen: Layers below the boundary.
    """

    def __init__(self, network: MiniLM, n_frozen: int) -> None:
        super().__init__()
        self.n_frozen, self.layers = n_frozen, network.layers[n_frozen:]

    def forward(self, flow: Tensor, below: Tensor, mask: Tensor) -> Tensor:
        names, dims = pooled_below(self.n_frozen), layer_dims()
        parts: tuple[Tensor, ...] = torch.split(below, [dims[name] for name in names], dim=1)
        pooled = dict(zip(names, parts, strict=True))
        pooled |= _through(self.layers, self.n_frozen, flow, mask)[1]
        return torch.cat([pooled[name] for name in layer_dims()], dim=1)


def pooled_below(n_frozen: int) -> list[str]:
    """Names of the pooled layers that lie below a boundary, in the order of `layer_dims`."""
    return [name for name in layer_dims() if int(name.removeprefix("layer").partition(".")[0]) <= n_frozen]


def _through(layers: nn.ModuleList, n_before: int, flow: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The flow after some layers, and what is pooled in them."""
    pooled: dict[str, Tensor] = {}
    present = mask.unsqueeze(-1).to(flow.dtype)
    for depth, layer in enumerate(layers, start=n_before + 1):
        flow, inner = layer(flow, mask)
        if depth in POOLED_BY_MEAN:
            pooled[f"layer{depth}.mean"] = (flow * present).sum(1) / present.sum(1)
        if depth in POOLED_INNER:
            pooled[f"layer{depth}.inner"] = (inner * present).sum(1) / present.sum(1)
        if depth in POOLED_BY_MAX:
            pooled[f"layer{depth}.max"] = (flow - (1 - present) * FORBIDDEN).amax(1)
    return flow, pooled


class TransformerLayer(nn.Module):
    """Attention and a two-layer network, each added to what came in and normalised after; and its hidden units."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.heard = nn.Linear(WIDTH, WIDTH)
        self.heard_norm = nn.LayerNorm(WIDTH, NORM_EPSILON)
        self.inner, self.outer = nn.Linear(WIDTH, INNER_DIM), nn.Linear(INNER_DIM, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, NORM_EPSILON)

    def forward(self, flow: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = (self._heads(part(flow)) for part in (self.query, self.key, self.value))
        heard = scaled_dot_product_attention(query, key, value, attn_mask=mask.bool()[:, None, None])
        flow = self.heard_norm(flow + self.heard(heard.transpose(1, 2).flatten(2)))
        inner = gelu(self.inner(flow))
        return self.norm(flow + self.outer(inner)), inner

    def _heads(self, flow: Tensor) -> Tensor:
        return flow.reshape(*flow.shape[:2], N_HEADS, HEAD_DIM).transpose(1, 2)  # (n, heads, length, head_dim)


PUBLISHED_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "heard": "attention.output.dense",
    "heard_norm": "attention.output.LayerNorm",
    "inner": "intermediate.dense",
    "outer": "output.dense",
    "norm": "output.LayerNorm",
}


def _copy(part: nn.Module, weights: Weights, name: str) -> None:
    for kind, parameter in part.named_parameters():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(weights[f"{name}.{kind}"])))
