"""Graphs exported from torch carry the names of their layers, so that a cached graph is all that is needed."""

from __future__ import annotations

import json

import onnx

from handful.nn.backbone import Layer

MOST_BYTES = 2**31 - 2**24  # of weights: one ONNX file holds less than 2 GiB
LAYERS = "handful.layers"  # the property of the graph: names and widths, as JSON


def layers_of(graph: bytes) -> tuple[Layer, ...]:
    """The pooled layers of a graph from `exporting_torch.export`, in the order of its features."""
    properties = onnx.load_model_from_string(graph).metadata_props
    (named,) = (json.loads(entry.value) for entry in properties if entry.key == LAYERS)
    return tuple(Layer(name, dim) for name, dim in named.items())
