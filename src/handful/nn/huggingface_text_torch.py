"""A text encoder in Hugging Face form in torch: some of its depths, averaged over the tokens, as one module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from handful.core.errors import ModelError
from handful.nn.exporting_torch import Pooled, example_texts
from handful.nn.huggingface_files import ANOTHER
from handful.nn.huggingface_torch import MISFITS, load_network


class PooledTexts(Pooled):
    """`ids` and `mask`, int64 (n, length), to the pooled layers of a network, side by side, (n, sum of layer dims).

    Args:
        network: From `transformers`, with hidden states (n, length, width): of the embeddings, then of every layer.
        n_states: How many.
        width: Of each.
        n_words: Ids are below it.
    """

    def __init__(self, network: nn.Module, n_states: int, width: int, n_words: int) -> None:
        super().__init__()
        self.network, self.depths = network, depths_worth(n_states - 1)
        self.layer_dims = {f"layer{depth}.mean": width for depth in self.depths}
        self.n_words = n_words

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.network(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        present = mask.unsqueeze(-1).to(states[0].dtype)
        return torch.cat([(states[depth] * present).sum(1) / present.sum(1) for depth in self.depths], dim=1)


def depths_worth(n_layers: int) -> tuple[int, ...]:
    """After how many layers to pool: half of them, two thirds, five sixths, all.

    For MiniLM these are the depths that were measured (`POOLED_BY_MEAN` in `minilm.py`).

    Example:
        >>> depths_worth(6), depths_worth(12), depths_worth(1)
        ((3, 4, 5, 6), (6, 8, 10, 12), (1,))
    """
    return tuple(sorted({-(-n_layers * sixths // 6) for sixths in (3, 4, 5, 6)}))


def pooled_texts(folder: Path, max_length: int) -> PooledTexts:
    """Load the encoder of a folder, frozen in `eval` mode.

    Raises:
        ModelError: when the files are damaged, do not fit each other, or are no text encoder that is built in.
    """
    # The plain attention: every kind of encoder has it, and torch can export it.
    network, _ = load_network(folder, takes="input_ids", attn_implementation="eager")
    words: Any = network.get_input_embeddings  # no part of what torch knows of a module
    n_words = words().num_embeddings
    ids, mask = example_texts(n_words, max_length)
    try:
        with torch.inference_mode():
            states = network.eval()(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
            pooled = PooledTexts(network, len(states), states[-1].shape[2], n_words).eval()
            pooled(ids, mask)
    except MISFITS as misfit:
        what = f"the network cannot take token ids and a mask of {max_length} tokens alone ({misfit})"
        raise ModelError(what, str(folder), ANOTHER) from misfit
    return pooled
