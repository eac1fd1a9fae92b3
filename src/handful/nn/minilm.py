"""MiniLM-L6: the embedded sentence encoder, as an ONNX graph written from its weights.

A BERT of six layers, 384 wide, distilled from a larger one and trained on a billion pairs of sentences.

Source: the network is Devlin et al. 2019, arXiv:1810.04805; its distillation Wang et al. 2020, arXiv:2002.10957; the
mean over tokens as a sentence's embedding Reimers and Gurevych 2019, arXiv:1908.10084. Differs: several depths are
pooled, and the embedding is not scaled to unit length (the probe does that).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from handful.nn.graph import GraphWriter

Weights = Mapping[str, npt.NDArray[np.float32]]

N_LAYERS, WIDTH, N_HEADS = 6, 384, 12
HEAD_DIM = WIDTH // N_HEADS
NORM_EPSILON = 1e-12
FORBIDDEN = 1e9  # taken from a score or a value, it leaves exactly nothing after softmax or maximum

INNER_DIM = 4 * WIDTH
N_WORDS, N_POSITIONS = 30522, 512

POOLED_BY_MEAN = (3, 4, 5, 6)  # after how many layers
POOLED_INNER = (4, 5, 6)  # means of the hidden units of a layer's network: four times as many channels
POOLED_BY_MAX = (6,)
# Measured at 8 per class: a ridge on the means of four depths beats the last alone by 4 to 6 points on types of
# question and on counterfactuals, and the hidden units add 1 to 4 on the former; intents are mostly in the last layer.
# The layers before add little, and the first token takes away.


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Every published weight that the network reads, and its shape."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (N_WORDS, WIDTH),
        "embeddings.position_embeddings.weight": (N_POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": (1, WIDTH),
    }
    inner = {"intermediate.dense": (INNER_DIM, WIDTH), "output.dense": (WIDTH, INNER_DIM)}
    square = {f"attention.{part}": (WIDTH, WIDTH) for part in ("self.query", "self.key", "self.value", "output.dense")}
    parts = {**square, **inner, "attention.output.LayerNorm": (WIDTH,), "output.LayerNorm": (WIDTH,)}
    layers = {f"encoder.layer.{depth}.{name}": shape for depth in range(N_LAYERS) for name, shape in parts.items()}
    for name, shape in {"embeddings.LayerNorm": (WIDTH,), **layers}.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def layer_dims() -> dict[str, int]:
    """Every pooled layer and its width, in the order of the feature matrix."""
    means = {f"layer{depth}.mean": WIDTH for depth in POOLED_BY_MEAN}
    inner = {f"layer{depth}.inner": INNER_DIM for depth in POOLED_INNER}
    return {**means, **inner, **{f"layer{depth}.max": WIDTH for depth in POOLED_BY_MAX}}


def tokens_input(name: str) -> onnx.ValueInfoProto:
    """Token ids, or their mask, at the entrance of a graph: int64, (n, length)."""
    return helper.make_tensor_value_info(name, TensorProto.INT64, ("n", "length"))


def write_features(writer: GraphWriter, ids: str, mask: str, weights: Weights) -> str:
    """Append the network to a graph: token ids and mask, both int64 (n, length), to the features (n, dim).

    Args:
        writer: Where to append.
        ids: Name of the token ids.
        mask: Name of the mask: 1 for a token, 0 for padding.
        weights: As published.
    Returns:
        Name of the feature matrix, the layers of `layer_dims` side by side.
    """
    present = writer.node("Cast", [mask], "present", to=1)  # (n, length)
    absent = writer.node("Sub", [present, writer.weight("one", np.float32(1))], "absent")
    absent = writer.node("Mul", [absent, writer.weight("forbidden", np.float32(FORBIDDEN))], "absent.large")
    from_keys = writer.node("Unsqueeze", [absent, writer.weight("axes.heads", np.array([1, 2]))], "absent.keys")
    from_values = writer.node("Unsqueeze", [absent, writer.weight("axis.width", np.array([2]))], "absent.values")
    shares = _shares(writer, present)
    writer.weight("half", np.float32(0.5))
    writer.weight("root", np.float32(np.sqrt(2)))
    flow = _embeddings(writer, ids, weights)
    pooled: dict[str, str] = {}
    for depth in range(1, N_LAYERS + 1):
        flow, inner = _layer(writer, flow, from_keys, f"layer{depth}", weights, f"encoder.layer.{depth - 1}.")
        if depth in POOLED_BY_MEAN:
            pooled[f"layer{depth}.mean"] = _mean(writer, flow, shares, f"layer{depth}.mean")
        if depth in POOLED_INNER:
            pooled[f"layer{depth}.inner"] = _mean(writer, inner, shares, f"layer{depth}.inner.mean")
        if depth in POOLED_BY_MAX:
            seen = writer.node("Add", [flow, from_values], f"layer{depth}.seen")
            pooled[f"layer{depth}.max"] = writer.node("ReduceMax", [seen], f"layer{depth}.max", axes=[1], keepdims=0)
    return writer.node("Concat", [pooled[name] for name in layer_dims()], "features", axis=1)


def _shares(writer: GraphWriter, present: str) -> str:
    """What each token counts in a mean over tokens, shape (n, 1, length)."""
    writer.weight("axis.row", np.array([1]))
    total = writer.node("ReduceSum", [present, "axis.row"], "n_tokens", keepdims=1)
    share = writer.node("Div", [present, total], "share")
    return writer.node("Unsqueeze", [share, "axis.row"], "shares")


def _mean(writer: GraphWriter, flow: str, shares: str, output: str) -> str:
    """The mean over the tokens that are there, shape (n, width)."""
    row = writer.node("MatMul", [shares, flow], f"{output}.row")  # (n, 1, width)
    return writer.node("Squeeze", [row, "axis.row"], output)


def _embeddings(writer: GraphWriter, ids: str, weights: Weights) -> str:
    words = writer.weight("words", weights["embeddings.word_embeddings.weight"])
    flow = writer.node("Gather", [words, ids], "words.seen")
    # There is only one kind of token here, so its embedding is part of the positions'.
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][:1]
    length = writer.node("Shape", [ids], "length", start=1, end=2)
    start = writer.weight("start", np.array([0]))
    positions = writer.node("Slice", [writer.weight("positions", places), start, length, start], "positions.seen")
    flow = writer.node("Add", [flow, positions], "embeddings.sum")
    return _norm(writer, flow, "embeddings", weights, "embeddings.LayerNorm")


def _layer(
    writer: GraphWriter, flow: str, from_keys: str, output: str, weights: Weights, prefix: str
) -> tuple[str, str]:
    """Attention and the two-layer network, each added to what came in and normalised after; and its hidden units."""
    heard = _attention(writer, flow, from_keys, f"{output}.attention", weights, f"{prefix}attention.")
    flow = writer.node("Add", [flow, heard], f"{output}.attention.sum")
    flow = _norm(writer, flow, f"{output}.attention.norm", weights, f"{prefix}attention.output.LayerNorm")
    inner = _gelu(writer, _dense(writer, flow, f"{output}.inner", weights, f"{prefix}intermediate.dense"))
    outer = _dense(writer, inner, f"{output}.outer", weights, f"{prefix}output.dense")
    flow = writer.node("Add", [flow, outer], f"{output}.sum")
    return _norm(writer, flow, output, weights, f"{prefix}output.LayerNorm"), inner


def _attention(writer: GraphWriter, flow: str, from_keys: str, output: str, weights: Weights, prefix: str) -> str:
    query = _dense(writer, flow, f"{output}.query", weights, f"{prefix}self.query", HEAD_DIM**-0.5)
    key = _dense(writer, flow, f"{output}.key", weights, f"{prefix}self.key")
    value = _dense(writer, flow, f"{output}.value", weights, f"{prefix}self.value")
    query = _heads(writer, query, (0, 2, 1, 3))  # (n, heads, length, head_dim)
    key = _heads(writer, key, (0, 2, 3, 1))  # (n, heads, head_dim, length)
    value = _heads(writer, value, (0, 2, 1, 3))
    scores = writer.node("MatMul", [query, key], f"{output}.scores")
    scores = writer.node("Add", [scores, from_keys], f"{output}.allowed")
    shares = writer.node("Softmax", [scores], f"{output}.shares", axis=-1)
    heard = writer.node("MatMul", [shares, value], f"{output}.heard")
    heard = writer.node("Transpose", [heard], f"{output}.beside", perm=[0, 2, 1, 3])
    joined = writer.weight(f"{output}.joined.shape", np.array([0, 0, WIDTH]))
    heard = writer.node("Reshape", [heard, joined], f"{output}.joined")
    return _dense(writer, heard, f"{output}.output", weights, f"{prefix}output.dense")


def _heads(writer: GraphWriter, flow: str, order: tuple[int, ...]) -> str:
    """Split the width into heads and order the axes (n, length, heads, head_dim) anew."""
    shape = writer.weight(f"{flow}.shape", np.array([0, 0, N_HEADS, HEAD_DIM]))
    return writer.node(
        "Transpose", [writer.node("Reshape", [flow, shape], f"{flow}.split")], f"{flow}.heads", perm=order
    )


def _dense(writer: GraphWriter, flow: str, output: str, weights: Weights, name: str, scale: float = 1) -> str:
    """A linear layer, times a constant."""
    weight = writer.weight(f"{output}.weight", weights[f"{name}.weight"].T * np.float32(scale))
    flow = writer.node("MatMul", [flow, weight], f"{output}.product")
    return writer.node(
        "Add", [flow, writer.weight(f"{output}.bias", weights[f"{name}.bias"] * np.float32(scale))], output
    )


def _gelu(writer: GraphWriter, flow: str) -> str:
    """x / 2 * (1 + erf(x / sqrt(2))); the operator Gelu came with opset 20."""
    erf = writer.node("Erf", [writer.node("Div", [flow, "root"], f"{flow}.rooted")], f"{flow}.erf")
    product = writer.node("Mul", [flow, writer.node("Add", [erf, "one"], f"{flow}.gate")], f"{flow}.gated")
    return writer.node("Mul", [product, "half"], f"{flow}.gelu")


def _norm(writer: GraphWriter, flow: str, output: str, weights: Weights, name: str) -> str:
    scale = writer.weight(f"{output}.scale", weights[f"{name}.weight"])
    shift = writer.weight(f"{output}.shift", weights[f"{name}.bias"])
    return writer.node("LayerNormalization", [flow, scale, shift], output, axis=-1, epsilon=NORM_EPSILON)
