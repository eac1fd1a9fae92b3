"""A network of images in Hugging Face form in torch: loaded, and its pooled layers as one module."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from handful.core.errors import ModelError
from handful.core.optional import require
from handful.core.words import count
from handful.nn.exporting_torch import Pooled, mean_pooled, same, silence
from handful.nn.huggingface import POOLED
from handful.nn.huggingface_files import ANOTHER

MISFITS = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)  # of a network and its input


class PooledLayers(Pooled):
    """Normalised images (n, 3, h, w) to the pooled layers of a network, side by side, (n, sum of layer dims).

    Args:
        network: From `transformers`, with hidden states (n, c, h, w) or (n, tokens, c).
        has_pooler: Whether the network's own pooled output was trained; else the last state is averaged.
        example: Images by which the layers are found, shape (n, 3, h, w).
    """

    def __init__(self, network: nn.Module, has_pooler: bool, example: Tensor) -> None:
        super().__init__()
        self.network, self.has_pooler = network, has_pooler
        hidden, final = self._run(example)
        self.depths = depths_worth(hidden, final)
        dims = {f"hidden{at}.mean": mean_pooled(hidden[at]).shape[1] for at in self.depths}
        self.layer_dims = {**dims, POOLED: final.shape[1]}

    def forward(self, images: Tensor) -> Tensor:
        hidden, final = self._run(images)
        return torch.cat([*(mean_pooled(hidden[at]) for at in self.depths), final], dim=1)

    def _run(self, images: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """All hidden states, and the final pooled output (n, d)."""
        seen = self.network(pixel_values=images, output_hidden_states=True)
        pooled = getattr(seen, "pooler_output", None) if self.has_pooler else None
        final = mean_pooled(seen.last_hidden_state) if pooled is None else pooled.flatten(1)
        return getattr(seen, "hidden_states", None) or (), final


def depths_worth(hidden: Sequence[Tensor], final: Tensor) -> tuple[int, ...]:
    """Which hidden states to pool: the last of each resolution; every quarter of the depth where that never changes.

    A state whose mean is the final pooled output is left out.
    """
    resolutions = [state.shape[2:] if state.ndim == 4 else state.shape[1:2] for state in hidden]
    last = [at for at in range(len(hidden)) if resolutions[at : at + 1] != resolutions[at + 1 : at + 2]]
    if len(last) == 1:
        deepest = len(hidden) - 1
        last = sorted({deepest * quarter // 4 for quarter in (1, 2, 3, 4)})
    return tuple(at for at in last if not same(mean_pooled(hidden[at]), final))


def pooled_layers(folder: Path, size: int) -> PooledLayers:
    """Load the network of a folder, frozen in `eval` mode.

    Raises:
        ModelError: when the files are damaged, do not fit each other, or are no image model that is built in.
    """
    network, missing = load_network(folder, takes="pixel_values")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and (module.momentum or 0) > 0.5:
            module.momentum = 0.1  # some carry TensorFlow's 0.997, which in torch forgets all but the last batch
    example = torch.rand((2, 3, size, size), generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode():
            return PooledLayers(network.eval(), has_pooler=not missing, example=example).eval()
    except MISFITS as misfit:
        what = f"the network cannot take RGB images of {size} pixels alone ({misfit})"
        raise ModelError(what, str(folder), ANOTHER) from misfit


def load_network(folder: Path, takes: str, **options: Any) -> tuple[nn.Module, set[str]]:
    """The network of a folder, and the names of the tensors that its weights lack: those of its pooler at most.

    Args:
        folder: With `config.json` and `model.safetensors`.
        takes: What the network is expected to read: "pixel_values" or "input_ids".
        options: For `AutoModel.from_pretrained`.
    Raises:
        ModelError: when transformers cannot load it, when weights are missing or of another shape, or when the network
            reads something else.
    """
    transformers = require("transformers", extra="hub")
    with silence():
        try:
            network, report = transformers.AutoModel.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported, and refused below in one line
                **options,
            )
        except Exception as failure:  # whatever a foreign folder makes transformers raise
            reason = f"{type(failure).__name__}: {str(failure)[:300]}"
            raise ModelError(f"transformers cannot load the network ({reason})", str(folder), ANOTHER) from failure
    _check_weights(report, str(folder))
    if (reads := network.main_input_name) != takes:
        kind = network.config.model_type
        raise ModelError(
            f"the network ({kind}) reads {reads}, one that reads {takes} was expected", str(folder), ANOTHER
        )
    return network, set(report["missing_keys"])


def _check_weights(report: dict[str, Any], where: str) -> None:
    if misfits := sorted(report["mismatched_keys"]):
        name, found, expected = misfits[0]
        what = f"{count(len(misfits), 'tensor')} of another shape than config.json asks for, such as {name}"
        what += f": {tuple(found)}, expected {tuple(expected)}"
        raise ModelError(what, where, "give the config.json and the weights of one model")
    if untrained := sorted(name for name in report["missing_keys"] if not name.startswith("pooler.")):
        what = f"{count(len(untrained), 'tensor')} of the network without weights, such as {untrained[0]}"
        raise ModelError(what, where, ANOTHER)
