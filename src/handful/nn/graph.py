"""Writing ONNX graphs by hand: nodes in order, weights beside them, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8  # ONNX Runtime 1.13 and later read it


class GraphWriter:
    """Appends nodes and weights, and hands out names for what they produce."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, array: npt.ArrayLike) -> str:
        """Store an array in the graph; returns its name."""
        self.weights.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append one operation; returns the name of its only output."""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def model(
        self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto], about: str
    ) -> onnx.ModelProto:
        """The finished, checked model."""
        graph = helper.make_graph(self.nodes, "handful", list(inputs), list(outputs), initializer=self.weights)
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="handful",
            doc_string=about,
        )
        onnx.checker.check_model(made)
        return made


def floats(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    """A float32 tensor at the border of a graph."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def pixels_input(name: str, height: int, width: int) -> onnx.ValueInfoProto:
    """Raw pixels at the entrance of a graph: uint8, (n, height, width, 3), RGB."""
    return helper.make_tensor_value_info(name, TensorProto.UINT8, ("n", height, width, 3))
