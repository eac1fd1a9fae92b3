"""Several graphs on the same input made one: what they compute or weigh alike is there once.

Members of an ensemble often share a backbone, whole or up to a boundary. Two nodes are the same when operator,
attributes, inputs and number of outputs are; two weights when type, shape and content are. As nodes stand in the order
of their computation, one pass over each graph finds all of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import onnx

from handful.core.errors import ModelError


class Merging:
    """A graph that takes in others.

    Example: `Merging()`, then `add(graph)` for each; `nodes`, `weights`, `inputs` and `opsets` make the model.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.inputs: dict[str, onnx.ValueInfoProto] = {}
        self.opsets: dict[str, int] = {}
        self._known: dict[bytes, list[str]] = {}  # from what is computed to what its results are called
        self._n_graphs = 0

    def add(self, graph: bytes | onnx.ModelProto, inputs: dict[str, str] | None = None) -> dict[str, str]:
        """Take in a graph, whose inputs are those of the same name, or what `inputs` says stands for them.

        Args:
            graph: The model, serialized or not.
            inputs: From an input of the graph to something that is already here.
        Returns:
            From each of its outputs to what that is called here.
        Raises:
            ModelError: when its operators are of another version than those that are here.
        """
        model = onnx.load_model_from_string(graph) if isinstance(graph, bytes) else graph
        self._agree_on_opsets(model)
        self._n_graphs += 1
        here = dict(inputs or {})
        for port in model.graph.input:
            if port.name not in here:
                here[port.name] = port.name
                self.inputs.setdefault(port.name, port)
        for weight in model.graph.initializer:
            here[weight.name] = self._weight(weight)
        for node in model.graph.node:
            here |= zip(node.output, self._node(node, here), strict=True)
        return {port.name: here[port.name] for port in model.graph.output}

    def node(self, operator: str, inputs: Sequence[str], output: str) -> str:
        """Append one operation without attributes; returns the name of its output."""
        made = onnx.helper.make_node(operator, list(inputs), [output], name=output)
        self.nodes.append(made)
        return output

    def _agree_on_opsets(self, model: onnx.ModelProto) -> None:
        for opset in model.opset_import:
            if self.opsets.setdefault(opset.domain, opset.version) != opset.version:
                versions = f"{self.opsets[opset.domain]} and {opset.version}"
                raise ModelError(f"graphs of the operator versions {versions} cannot be one model", "ensemble")

    def _weight(self, weight: onnx.TensorProto) -> str:
        named = onnx.TensorProto()
        named.CopyFrom(weight)
        named.name = ""
        name = f"{weight.name}/{self._n_graphs}"
        known = self._known.setdefault(_digest(b"weight", named.SerializeToString(deterministic=True)), [name])
        if known[0] == name:
            named.name = name
            self.weights.append(named)
        return known[0]

    def _node(self, node: onnx.NodeProto, here: dict[str, str]) -> list[str]:
        renamed = onnx.NodeProto()
        renamed.CopyFrom(node)
        renamed.name = ""
        del renamed.input[:], renamed.output[:]
        renamed.input.extend(here[name] if name else "" for name in node.input)
        names = [f"{name}/{self._n_graphs}" if name else "" for name in node.output]
        wanted = bytes(map(bool, names))  # a Split has no other sign of how many parts it makes
        known = self._known.setdefault(_digest(b"node" + wanted, renamed.SerializeToString(deterministic=True)), names)
        if known is names:
            renamed.name = f"{node.name or names[0]}/{self._n_graphs}"
            renamed.output.extend(names)
            self.nodes.append(renamed)
        return known


def _digest(kind: bytes, content: bytes) -> bytes:
    return hashlib.sha256(kind + content).digest()
