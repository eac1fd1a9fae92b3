"""From the graph that reads windows to one that reads texts: the mean over a text's windows, inside the graph."""

from __future__ import annotations

import onnx

from handful.nn.graph import GraphWriter, floats

PREFIX = "window."  # of every name in the encoder, so that what is appended later can be called anything


def over_windows(encoder: bytes) -> bytes:
    """Average the features of windows within each text, as `TextWindows.embeddings` does outside of the graph.

        features = share @ features of the windows

    Args:
        encoder: A graph from `ids` and `mask`, int64 (n_windows, length), to `features` (n_windows, dim).
    Returns:
        A graph with one more input, `share` float32 (n, n_windows): what each window counts in each text, every row
        with the sum 1. Its `features` are (n, dim), so a head is put on it as on any backbone.
    """
    model = onnx.load_model_from_string(encoder)
    dim = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    model = onnx.compose.add_prefix(model, PREFIX, rename_inputs=False, inplace=True)
    graph, writer = model.graph, GraphWriter()
    writer.node("MatMul", ["share", f"{PREFIX}features"], "features")
    graph.node.extend(writer.nodes)
    for port in graph.input:
        port.type.tensor_type.shape.dim[0].dim_param = "windows"
    graph.input.append(floats("share", "n", "windows"))
    del graph.output[:]
    graph.output.append(floats("features", "n", dim))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))
