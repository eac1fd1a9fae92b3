"""A network of Hugging Face form in torch: its pooled layers as one module, and that module as an ONNX graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from handful.core.errors import ModelError
from handful.core.optional import require
from handful.nn.backbone import InputSpec
from handful.nn.graph import IR_VERSION, floats, pixels_input
from handful.nn.huggingface import ANOTHER, POOLED

OPSET = 18  # the least that torch's exporter writes


class PooledLayers(nn.Module):
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
        dims = {f"hidden{at}.mean": _mean(hidden[at]).shape[1] for at in self.depths}
        self.layer_dims = {**dims, POOLED: final.shape[1]}

    def forward(self, images: Tensor) -> Tensor:
        hidden, final = self._run(images)
        return torch.cat([*(_mean(hidden[at]) for at in self.depths), final], dim=1)

    def _run(self, images: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """All hidden states, and the final pooled output (n, d)."""
        seen = self.network(pixel_values=images, output_hidden_states=True)
        pooled = getattr(seen, "pooler_output", None) if self.has_pooler else None
        final = _mean(seen.last_hidden_state) if pooled is None else pooled.flatten(1)
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
    return tuple(at for at in last if not _same(_mean(hidden[at]), final))


def _mean(state: Tensor) -> Tensor:
    """Over the picture (n, c, h, w), or over the tokens (n, tokens, c)."""
    return state.mean((2, 3)) if state.ndim == 4 else state.mean(1)


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-5)


def pooled_layers(folder: Path, size: int) -> PooledLayers:
    """Load the network of a folder, frozen in `eval` mode.

    Raises:
        ModelError: when the files are damaged, do not fit each other, or are no image model that is built in.
    """
    network, missing = _load(folder)
    if untrained := sorted(name for name in missing if not name.startswith("pooler.")):
        what = f"{len(untrained)} tensors of the network have no weights, such as {untrained[0]}"
        raise ModelError(what, str(folder), ANOTHER)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and (module.momentum or 0) > 0.5:
            module.momentum = 0.1  # some carry TensorFlow's 0.997, which in torch forgets all but the last batch
    example = torch.rand((2, 3, size, size), generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode():
            return PooledLayers(network.eval(), has_pooler=not missing, example=example).eval()
    except (AttributeError, RuntimeError, TypeError, ValueError) as misfit:
        what = f"the network cannot take RGB images of {size} pixels alone ({misfit})"
        raise ModelError(what, str(folder), ANOTHER) from misfit


def _load(folder: Path) -> tuple[nn.Module, set[str]]:
    """The network, and the names of the tensors that the weights lack."""
    transformers = require("transformers", extra="hub")
    with _silence():
        try:
            network, report = transformers.AutoModel.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except Exception as failure:  # whatever a foreign folder makes transformers raise
            reason = f"{type(failure).__name__}: {str(failure)[:300]}"
            raise ModelError(f"transformers cannot load the network ({reason})", str(folder), ANOTHER) from failure
    return network, set(report["missing_keys"])


class _FromPixels(nn.Module):
    """Raw pixels (n, size, size, 3), uint8, to the pooled layers."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: PooledLayers, spec: InputSpec) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(spec.mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).reshape(-1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.network((pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std)
        return out


def export(network: PooledLayers, spec: InputSpec, properties: Mapping[str, str], about: str) -> bytes:
    """The network with its preparation as one self-contained ONNX graph, `pixels` to `features`.

    Args:
        network: Frozen, in `eval` mode.
        spec: The preparation, which becomes part of the graph.
        properties: Stored in the graph.
        about: Stored as its description.
    """
    require("onnxscript", extra="hub")
    example = torch.zeros((2, spec.size, spec.size, 3), dtype=torch.uint8)
    with _silence():
        program = torch.onnx.export(
            _FromPixels(network, spec).eval(),
            (example,),
            input_names=["pixels"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
        )
    assert program is not None  # noqa: S101 - only without dynamo
    return _tidied(program.model_proto, spec.size, sum(network.layer_dims.values()), properties, about)


def _tidied(model: onnx.ModelProto, size: int, width: int, properties: Mapping[str, str], about: str) -> bytes:
    """Without traces of this machine, with names that nothing spliced on can meet, and with our ports."""
    for noted in (model, model.graph, *model.graph.node):
        del noted.metadata_props[:]
        noted.doc_string = ""
    del model.graph.value_info[:]  # shapes inside would be wrong once the batch is doubled for mirrored pictures
    model = onnx.compose.add_prefix(model, "backbone.", rename_inputs=False, rename_outputs=False)
    model.graph.input[0].CopyFrom(pixels_input("pixels", size, size))
    model.graph.output[0].CopyFrom(floats("features", "n", width))
    model.doc_string, model.producer_name = about, "handful"
    model.ir_version = IR_VERSION
    onnx.helper.set_model_props(model, dict(properties))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


@contextmanager
def _silence() -> Iterator[None]:
    """Neither transformers nor the exporter has anything to say to our users."""
    chatter: Any = require("transformers", extra="hub").utils.logging
    verbosity, shows_bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    disabled = logging.root.manager.disable
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        chatter.set_verbosity(verbosity)
        if shows_bars:
            chatter.enable_progress_bar()
