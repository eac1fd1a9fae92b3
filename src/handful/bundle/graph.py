"""From raw input to calibrated probabilities in one ONNX graph, step by step.

    backbone -> splice (a head: scores, embedding) -> resized, mixed (an ensemble) -> calibrated (probabilities)

Every step takes a serialized graph and returns one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from handful.nn.graph import IR_VERSION, GraphWriter, floats
from handful.nn.graph_merging import Merging
from handful.nn.shrink import shrinking_graph

Floats = npt.NDArray[np.floating]

EMBEDDING_POWER = 0.5  # of the features by which unfamiliar pictures are known


@dataclass(frozen=True)
class Head:
    """Everything between pooled features and scores.

    Args:
        columns: Which columns of the feature matrix, one slice a layer.
        power: Exponent of the features, sign kept.
        weight: Shape (sum of the columns, n_classes).
        bias: Shape (n_classes,).
        mirrored: Whether scores are averaged with those of the mirrored picture.
        embedding: Columns of the layer by which unfamiliar pictures are known.
    """

    columns: list[slice]
    power: float
    weight: Floats
    bias: Floats
    mirrored: bool
    embedding: slice


def splice(backbone: bytes, head: Head) -> bytes:
    """The head on the backbone: its input to `scores` (n, n_classes) and `embedding` (n, dim).

    Args:
        backbone: A graph from `pixels`, or from `ids`, `mask` and `share`, to `features`.
        head: What follows.
    """
    model = onnx.load_model_from_string(backbone)
    graph, writer = model.graph, GraphWriter()
    n_classes, width = head.weight.shape[1], head.embedding.stop - head.embedding.start
    if head.mirrored:
        _feed_both_ways(graph)
    n_copies = 2 if head.mirrored else 1
    parts = [_unit_rows(writer, column, head.power, f"layer{at}") for at, column in enumerate(head.columns)]
    rows = writer.node("Concat", parts, "rows", axis=1)
    weight = writer.weight("probe.weight", (head.weight / np.sqrt(len(parts))).astype(np.float32))
    by_row = writer.node(
        "Gemm", [rows, weight, writer.weight("probe.bias", head.bias.astype(np.float32))], "row.scores"
    )
    shape = writer.weight("scores.shape", np.array([n_copies, -1, n_classes]))
    by_copy = writer.node("Reshape", [by_row, shape], "copies")
    total = _sum_over(writer, by_copy, 0, "scores.total", keepdims=0)
    writer.node("Mul", [total, writer.weight("scores.share", np.float32(1 / n_copies))], "scores")
    seen = _unit_rows(writer, head.embedding, EMBEDDING_POWER, "seen")
    shape = writer.weight("seen.shape", np.array([n_copies, -1, width]))
    by_copy = writer.node("Reshape", [seen, shape], "seen.copies")
    writer.node("Gather", [by_copy, writer.weight("first", np.array(0))], "embedding", axis=0)
    _extend(model, writer, [floats("scores", "n", n_classes), floats("embedding", "n", width)])
    return bytes(model.SerializeToString(deterministic=True))


def resized(graph: bytes, n_from: int, n_to: int) -> bytes:
    """A graph for pictures of `n_to` pixels, for larger ones of `n_from`: they are made smaller first."""
    if n_from == n_to:
        return graph
    merging = Merging()
    small = merging.add(shrinking_graph(n_from, n_to))["small"]
    return _model(merging, graph, merging.add(graph, {"pixels": small}))


def known_by(graph: bytes, frozen: bytes, columns: slice) -> bytes:
    """The graph's scores, beside the embedding of the network as it was before it was fine-tuned.

    Training draws the training examples together: measured by what it made of them, every new one would be unfamiliar.

    Args:
        graph: With outputs `scores` and `embedding`.
        frozen: From the same input to `features`.
        columns: Of the layer by which unfamiliar inputs are known.
    """
    model, writer = onnx.load_model_from_string(frozen), GraphWriter()
    writer.node("Identity", [_unit_rows(writer, columns, EMBEDDING_POWER, "seen")], "embedding")
    _extend(model, writer, [floats("embedding", "n", columns.stop - columns.start)])
    merging = Merging()
    scores, embedding = merging.add(graph)["scores"], merging.add(model)["embedding"]
    return _model(merging, graph, {"scores": scores, "embedding": embedding})


def mixed(graphs: Sequence[bytes], weights: Sequence[float]) -> bytes:
    """The weighted sum of the members' scores, beside the embedding of the first; what they share is computed once."""
    merging = Merging()
    members = [merging.add(graph) for graph in graphs]
    terms = []
    for at, (member, weight) in enumerate(zip(members, weights, strict=True)):
        merging.weights.append(onnx.numpy_helper.from_array(np.array(weight, np.float32), f"member{at}.weight"))
        terms.append(merging.node("Mul", [member["scores"], f"member{at}.weight"], f"member{at}.term"))
    total = merging.node("Sum", terms, "ensemble.scores")
    return _model(merging, graphs[0], {"scores": total, "embedding": members[0]["embedding"]})


def calibrated(graph: bytes, scale: float, shift: Floats, about: str) -> bytes:
    """What ships: the graph's input to `probabilities` (n, n_classes) and `embedding`.

    Args:
        graph: With outputs `scores` and `embedding`.
        scale: The calibration's factor on the scores.
        shift: The calibration's bias, shape (n_classes,).
        about: Stored as the model's description.
    """
    model, writer = onnx.load_model_from_string(graph), GraphWriter()
    scaled = writer.node("Mul", ["scores", writer.weight("calibration.scale", np.float32(scale))], "scaled")
    logits = writer.node("Add", [scaled, writer.weight("calibration.shift", shift.astype(np.float32))], "logits")
    writer.node("Softmax", [logits], "probabilities", axis=1)
    embedding = next(port for port in model.graph.output if port.name == "embedding")
    _extend(model, writer, [floats("probabilities", "n", len(shift)), embedding])
    model.doc_string = about
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _extend(model: onnx.ModelProto, writer: GraphWriter, outputs: Sequence[onnx.ValueInfoProto]) -> None:
    """Append what was written, and make these the outputs."""
    kept = [onnx.ValueInfoProto.FromString(port.SerializeToString()) for port in outputs]
    model.graph.node.extend(writer.nodes)
    model.graph.initializer.extend(writer.weights)
    del model.graph.output[:]
    model.graph.output.extend(kept)


def _model(merging: Merging, like: bytes, outputs: dict[str, str]) -> bytes:
    """The merged graph, its outputs named and shaped as those of one of its members."""
    ports = onnx.load_model_from_string(like).graph.output
    for name, here in outputs.items():
        merging.node("Identity", [here], name)
    made = onnx.helper.make_graph(
        merging.nodes, "handful", list(merging.inputs.values()), ports, initializer=merging.weights
    )
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in merging.opsets.items()]
    model = onnx.helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="handful")
    return bytes(model.SerializeToString(deterministic=True))


def _feed_both_ways(graph: onnx.GraphProto) -> None:
    """Put the mirrored pictures behind the plain ones, before the backbone sees them."""
    for node in graph.node:
        node.input[:] = ["pixels.both" if name == "pixels" else name for name in node.input]
    writer = GraphWriter()
    whole_reversed = {"starts": -1, "ends": np.iinfo(np.int64).min, "axes": 2, "steps": -1}
    limits = [writer.weight(f"mirror.{name}", np.array([value])) for name, value in whole_reversed.items()]
    writer.node("Slice", ["pixels", *limits], "pixels.mirrored")
    writer.node("Concat", ["pixels", "pixels.mirrored"], "pixels.both", axis=0)
    for at, node in enumerate(writer.nodes):
        graph.node.insert(at, node)
    graph.initializer.extend(writer.weights)


def _unit_rows(writer: GraphWriter, column: slice, power: float, name: str) -> str:
    """Some columns of `features`, to the power and to unit length: `prepare` of the linear probe, as a graph."""
    cut = {"starts": column.start, "ends": column.stop, "axes": 1}
    limits = [writer.weight(f"{name}.{key}", np.array([value], dtype=np.int64)) for key, value in cut.items()]
    rows = writer.node("Slice", ["features", *limits], name)
    if power != 1:
        size = writer.node("Abs", [rows], f"{name}.abs")
        raised = writer.node("Pow", [size, writer.weight(f"{name}.power", np.float32(power))], f"{name}.raised")
        rows = writer.node("Mul", [raised, writer.node("Sign", [rows], f"{name}.sign")], f"{name}.powered")
    squares = writer.node("Mul", [rows, rows], f"{name}.squares")
    norm = writer.node("Sqrt", [_sum_over(writer, squares, 1, f"{name}.total", keepdims=1)], f"{name}.norm")
    safe = writer.node("Max", [norm, writer.weight(f"{name}.least", np.float32(1e-6))], f"{name}.safe")
    return writer.node("Div", [rows, safe], f"{name}.unit")


def _sum_over(writer: GraphWriter, values: str, axis: int, output: str, keepdims: int) -> str:
    """ReduceSum alone of its kind reads the same in every opset from 13 on, so any backbone's graph can be spliced."""
    axes = writer.weight(f"{output}.axes", np.array([axis], dtype=np.int64))
    return writer.node("ReduceSum", [values, axes], output, keepdims=keepdims)
