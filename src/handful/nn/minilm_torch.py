"""MiniLM-L6 in torch, to be trained: the network of `minilm.py` under the names of the published weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from handful.nn.minilm import (
    FORBIDDEN,
    HEAD_DIM,
    INNER_DIM,
    N_HEADS,
    N_LAYERS,
    NORM_EPSILON,
    POOLED_BY_MAX,
    POOLED_BY_MEAN,
    POOLED_INNER,
    WIDTH,
    Weights,
    layer_dims,
)

N_WORDS, N_POSITIONS = 30522, 512


class MiniLM(nn.Module):
    """Token ids and mask, both (n, length), to the pooled layers side by side, (n, dim), as the graph gives them.

    There is no dropout: on a handful of examples it is the learning rate and the number of steps that regularise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(N_WORDS, WIDTH)
        self.positions = nn.Embedding(N_POSITIONS, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, NORM_EPSILON)
        self.layers = nn.ModuleList(TransformerLayer() for _ in range(N_LAYERS))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        pooled: dict[str, Tensor] = {}
        present = mask.unsqueeze(-1).to(self.words.weight.dtype)
        flow = self.norm(self.words(ids) + self.positions.weight[: ids.shape[1]])
        for depth, layer in enumerate(self.layers, start=1):
            flow, inner = layer(flow, mask)
            if depth in POOLED_BY_MEAN:
                pooled[f"layer{depth}.mean"] = (flow * present).sum(1) / present.sum(1)
            if depth in POOLED_INNER:
                pooled[f"layer{depth}.inner"] = (inner * present).sum(1) / present.sum(1)
            if depth in POOLED_BY_MAX:
                pooled[f"layer{depth}.max"] = (flow - (1 - present) * FORBIDDEN).amax(1)
        return torch.cat([pooled[name] for name in layer_dims()], dim=1)

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
