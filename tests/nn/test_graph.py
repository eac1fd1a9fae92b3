import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from handful.nn.graph import IR_VERSION, OPSET, GraphWriter, floats, pixels_input


def test_weights_keep_their_shape_and_order():
    writer = GraphWriter()
    for array in (np.float32(2), np.ones((3, 1)), np.arange(6).reshape(2, 3).T):
        assert writer.weight("weight", array) == "weight"
        stored = numpy_helper.to_array(writer.weights[-1])
        assert stored.shape == np.shape(array)
        np.testing.assert_array_equal(stored, array)


def test_a_model_is_checked_and_says_what_it_needs():
    writer = GraphWriter()
    image = writer.node("Cast", ["pixels"], "features", to=1)
    model = writer.model([pixels_input("pixels", 4, 5)], [floats(image, "n", 4, 5, 3)], "about it")
    assert (model.ir_version, model.opset_import[0].version, model.doc_string) == (IR_VERSION, OPSET, "about it")
    writer.node("Cast", ["nowhere"], "lost", to=1)
    with pytest.raises(onnx.checker.ValidationError, match="nowhere"):
        writer.model([pixels_input("pixels", 4, 5)], [floats("lost", "n", 4, 5, 3)], "")
