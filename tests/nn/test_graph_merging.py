import numpy as np
import onnx
import pytest

from handful.core.errors import ModelError
from handful.nn.graph import IR_VERSION, GraphWriter, floats
from handful.nn.graph_merging import Merging
from handful.nn.onnx_runtime import open_session

ROWS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
FIRST = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)


def network(head, first=FIRST, slope="Relu", entrance="x", opset=None, name="w"):
    """x @ first, a slope, @ head; serialized."""
    writer = GraphWriter()
    hidden = writer.node("MatMul", [entrance, writer.weight(f"{name}.first", first)], f"{name}.hidden")
    bent = writer.node(slope, [hidden], f"{name}.bent")
    writer.node("MatMul", [bent, writer.weight(f"{name}.head", np.asarray(head, np.float32))], "scores")
    model = writer.model([floats(entrance, "n", 3)], [floats("scores", "n", len(head[0]))], "a network")
    if opset:
        model.opset_import[0].version = opset
    return model.SerializeToString()


def by_numpy(head, first=FIRST):
    return np.maximum(ROWS @ first, 0) @ head


def run(merging, outputs, feed=None):
    """The values of some names in the merged graph."""
    graph = onnx.helper.make_graph(
        merging.nodes,
        "merged",
        list(merging.inputs.values()),
        [floats(name, None, None) for name in outputs],
        initializer=merging.weights,
    )
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in merging.opsets.items()]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return open_session(model.SerializeToString()).run(outputs, feed or {"x": ROWS})


def heads(n, seed=2):
    return list(np.random.default_rng(seed).normal(size=(n, 4, 2)).astype(np.float32))


def test_every_graph_still_computes_what_it_did():
    merging, given = Merging(), heads(3)
    ports = [merging.add(network(head))["scores"] for head in given]
    for found, head in zip(run(merging, ports), given, strict=True):
        np.testing.assert_allclose(found, by_numpy(head), atol=1e-5)


@pytest.mark.parametrize("name", ["w", "other"], ids=["same names", "other names"])
def test_what_is_computed_alike_is_there_once_whatever_it_is_called(name):
    merging, (one, two) = Merging(), heads(2)
    merging.add(network(one))
    merging.add(network(two, name=name))
    assert [node.op_type for node in merging.nodes] == ["MatMul", "Relu", "MatMul", "MatMul"]
    assert len(merging.weights) == 3


def test_a_graph_twice_is_that_graph_once():
    merging = Merging()
    (first, second) = (merging.add(network(head)) for head in heads(1) * 2)
    assert first == second
    assert len(merging.nodes) == 3


def test_the_same_names_with_other_weights_or_attributes_are_not_mixed_up():
    merging, (head,) = Merging(), heads(1)
    doubled = np.asarray(2 * FIRST)
    ports = [merging.add(network(head, first))["scores"] for first in (FIRST, doubled)]
    ports.append(merging.add(network(head, slope="Neg"))["scores"])
    found = run(merging, ports)
    for scores, expected in zip(found, [by_numpy(head), by_numpy(head, doubled), -ROWS @ FIRST @ head], strict=True):
        np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert len({node.name for node in merging.nodes}) == len(merging.nodes)


def test_an_attribute_is_part_of_what_is_computed():
    merging = Merging()
    ports = []
    for axis in (0, 1):
        writer = GraphWriter()
        writer.node("Softmax", ["x"], "scores", axis=axis)
        ports.append(merging.add(writer.model([floats("x", "n", 3)], [floats("scores", "n", 3)], ""))["scores"])
    by_row, by_column = run(merging, ports[::-1])
    np.testing.assert_allclose(by_row.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(by_column.sum(axis=0), 1, atol=1e-5)


def test_how_many_parts_a_split_has_is_part_of_what_is_computed():
    """Nothing but the number of outputs tells the two apart."""
    merging, ports = Merging(), []
    for n_parts in (2, 3):
        names = [f"part{at}" for at in range(n_parts)]
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Split", ["x"], names, axis=0)],
            "split",
            [floats("x", 6, 3)],
            [floats(name, 6 // n_parts, 3) for name in names],
        )
        ports.append(merging.add(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])))
    rows = np.arange(18, dtype=np.float32).reshape(6, 3)
    halves, thirds = (run(merging, list(each.values()), {"x": rows}) for each in ports)
    np.testing.assert_array_equal(np.stack(halves), rows.reshape(2, 3, 3))
    np.testing.assert_array_equal(np.stack(thirds), rows.reshape(3, 2, 3))


def test_an_input_may_be_something_that_is_already_there():
    merging, (head,) = Merging(), heads(1)
    writer = GraphWriter()
    writer.node("Neg", ["x"], "turned")
    turned = merging.add(writer.model([floats("x", "n", 3)], [floats("turned", "n", 3)], ""))["turned"]
    plain = merging.add(network(head))["scores"]
    inside = merging.add(network(head, entrance="rows"), {"rows": turned})["scores"]
    assert list(merging.inputs) == ["x"]
    found = run(merging, [plain, inside])
    np.testing.assert_allclose(found[0], by_numpy(head), atol=1e-5)
    np.testing.assert_allclose(found[1], np.maximum(-ROWS @ FIRST, 0) @ head, atol=1e-5)


def test_another_input_is_asked_for_beside():
    merging, given = Merging(), heads(2)
    ports = [merging.add(network(head, entrance=name))["scores"] for head, name in zip(given, "xy", strict=True)]
    assert list(merging.inputs) == ["x", "y"]
    found = run(merging, ports, {"x": ROWS, "y": ROWS})
    np.testing.assert_allclose(found[1], by_numpy(given[1]), atol=1e-5)


def test_an_output_may_be_an_input_or_a_weight():
    writer = GraphWriter()
    writer.weight("constant", np.ones(2, np.float32))
    graph = onnx.helper.make_graph(
        [], "nothing", [floats("x", "n", 3)], [floats("x", "n", 3), floats("constant", 2)], initializer=writer.weights
    )
    merging = Merging()
    ports = merging.add(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]))
    assert ports["x"] == "x"
    assert ports["constant"] == merging.weights[0].name


def test_graphs_of_other_operator_versions_are_refused():
    merging = Merging()
    merging.add(network(heads(1)[0]))
    with pytest.raises(ModelError, match="graphs of the operator versions 17 and 16 cannot be one model; ensemble"):
        merging.add(network(heads(1)[0], opset=16))


def test_what_is_given_is_left_as_it_was():
    given = onnx.load_model_from_string(network(heads(1)[0]))
    before = given.SerializeToString()
    merging = Merging()
    merging.add(given)
    merging.node("Neg", [merging.add(given)["scores"]], "turned")
    assert given.SerializeToString() == before
    np.testing.assert_allclose(run(merging, ["turned"])[0], -by_numpy(heads(1)[0]), atol=1e-5)
