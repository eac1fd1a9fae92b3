"""A network in torch as an ONNX graph of our form: exported, tidied, and compared with the network."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from handful.core.errors import ModelError
from handful.core.optional import require
from handful.core.rng import stream
from handful.nn.backbone import InputSpec
from handful.nn.exported import LAYERS, MOST_BYTES
from handful.nn.graph import IR_VERSION, floats, pixels_input
from handful.nn.onnx_runtime import open_session

OPSET = 18  # the least that torch's exporter writes
TOLERANCE = 1e-3  # between graph and network, in units of the largest feature

LayerDims = dict[str, int]  # every pooled layer and its width, in the order of the features


class Pooled(nn.Module):
    """Prepared examples to pooled layers side by side, (n, sum of `layer_dims`)."""

    layer_dims: LayerDims


class FromPixels(nn.Module):
    """Raw pixels (n, size, size, 3), uint8, to what the network makes of them once they are prepared."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, spec: InputSpec) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(spec.mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).reshape(-1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.network((pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std)
        return out


def mean_pooled(state: Tensor) -> Tensor:
    """Over the picture (n, c, h, w), or over the tokens (n, tokens, c); a vector (n, c) stays as it is."""
    return state.mean((2, 3)) if state.ndim == 4 else state.mean(1) if state.ndim == 3 else state


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two pooled layers are one."""
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-5)


def export_images(network: Pooled, spec: InputSpec, about: str, where: str) -> bytes:
    """A network of images with its preparation as one self-contained graph, `pixels` to `features`.

    Args:
        network: Frozen, in `eval` mode, on the CPU.
        spec: The preparation, which becomes part of the graph.
        about: Stored as the graph's description.
        where: What to name in an error.
    Raises:
        ModelError: when torch cannot export the network, or the graph computes something else.
    """
    inputs = [pixels_input("pixels", spec.size, spec.size)]
    example = torch.zeros((2, spec.size, spec.size, 3), dtype=torch.uint8)
    seen = stream(0, "parity").integers(0, 256, (3, spec.size, spec.size, 3), dtype=np.uint8)
    whole = FromPixels(network, spec).eval()
    graph = _exported(whole, (example,), ({0: torch.export.Dim("n")},), inputs, network.layer_dims, about, where)
    check_parity(graph, whole, {"pixels": torch.from_numpy(seen)}, where)
    return graph


def export_texts(network: Pooled, n_words: int, max_length: int, about: str, where: str) -> bytes:
    """A network of texts as one self-contained graph, `ids` and `mask` to `features`.

    Args:
        network: Frozen, in `eval` mode, on the CPU.
        n_words: Ids are below it.
        max_length: Of a window.
        about: Stored as the graph's description.
        where: What to name in an error.
    Raises:
        ModelError: when torch cannot export the network, or the graph computes something else.
    """
    from handful.nn.minilm import tokens_input

    inputs = [tokens_input("ids"), tokens_input("mask")]
    axes = {0: torch.export.Dim("n"), 1: torch.export.Dim("length")}
    graph = _exported(
        network, tuple(example_texts(n_words, 16)), (axes, axes), inputs, network.layer_dims, about, where
    )
    ids, mask = example_texts(n_words, max_length)
    check_parity(graph, network, {"ids": ids, "mask": mask}, where)
    return graph


def example_texts(n_words: int, length: int) -> tuple[Tensor, Tensor]:
    """Two windows by which a network is tried, one of them half as long: ids and mask, int64 (2, length)."""
    ids = stream(0, "parity", length).integers(0, n_words, (2, length))
    mask = np.ones((2, length), np.int64)
    mask[1, -(-length // 2) :] = 0
    return torch.from_numpy(ids * mask), torch.from_numpy(mask)


def check_parity(graph: bytes, network: nn.Module, inputs: dict[str, Tensor], where: str) -> None:
    """Refuse a graph that does not compute what its network does.

    Args:
        graph: Of `network`.
        network: In torch.
        inputs: Named as in the graph.
        where: What to name in an error.
    Raises:
        ModelError: naming the difference.
    """
    with torch.inference_mode():
        expected = network(*inputs.values()).numpy()
    found = open_session(graph, where=where).run(["features"], {name: value.numpy() for name, value in inputs.items()})
    apart = float(np.abs(np.asarray(found[0]) - expected).max())
    if not apart <= TOLERANCE * max(1.0, float(np.abs(expected).max())):  # so that NaN is refused too
        what = f"the exported graph and the network differ by {apart:.2g}, at most {TOLERANCE} was expected"
        raise ModelError(what, where, "choose another model: torch's ONNX exporter does not carry this one over")


def _exported(
    network: nn.Module,
    example: tuple[Tensor, ...],
    dynamic_shapes: Any,
    inputs: Sequence[onnx.ValueInfoProto],
    layer_dims: LayerDims,
    about: str,
    where: str,
) -> bytes:
    require("onnxscript", extra="hub")
    held = [*network.parameters(), *network.buffers()]
    if (n_bytes := sum(tensor.numel() * tensor.element_size() for tensor in held)) > MOST_BYTES:
        what = f"the network has {n_bytes} bytes of weights, at most {MOST_BYTES} go into one graph"
        raise ModelError(what, where, "choose a smaller model")
    try:
        with silence():
            program = torch.onnx.export(
                network,
                example,
                input_names=[port.name for port in inputs],
                output_names=["features"],
                dynamic_shapes=dynamic_shapes,
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
            )
    except Exception as failure:  # whatever a foreign network makes the exporter raise
        reason = str(failure.__cause__ or failure).strip().partition("\n")[0][:300]
        what = f"torch cannot export the network to ONNX ({type(failure).__name__}: {reason})"
        raise ModelError(what, where, "choose another model, or one whose `forward` has no branches") from failure
    assert program is not None  # noqa: S101 - only without dynamo
    return _tidied(program.model_proto, inputs, layer_dims, about)


def _tidied(model: onnx.ModelProto, inputs: Sequence[onnx.ValueInfoProto], layer_dims: LayerDims, about: str) -> bytes:
    """Without traces of this machine, with names that nothing spliced on can meet, and with our ports."""
    for noted in (model, model.graph, *model.graph.node):
        del noted.metadata_props[:]
        noted.doc_string = ""
    del model.graph.value_info[:]  # shapes inside would be wrong once the batch is doubled for mirrored pictures
    model = onnx.compose.add_prefix(model, "backbone.", rename_inputs=False, rename_outputs=False)
    for port, ours in zip(model.graph.input, inputs, strict=True):
        port.CopyFrom(ours)
    model.graph.output[0].CopyFrom(floats("features", "n", sum(layer_dims.values())))
    model.doc_string, model.producer_name = about, "handful"
    model.ir_version = IR_VERSION
    onnx.helper.set_model_props(model, {LAYERS: json.dumps(layer_dims)})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


@contextmanager
def silence() -> Iterator[None]:
    """Neither foreign networks nor the exporter have anything to say to our users."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()), _no_bars():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextmanager
def _no_bars() -> Iterator[None]:
    """Of transformers, where it is in use at all."""
    if "transformers" not in sys.modules:
        yield
        return
    chatter: Any = require("transformers", extra="hub").utils.logging
    verbosity, shows_bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        chatter.set_verbosity(verbosity)
        if shows_bars:
            chatter.enable_progress_bar()
