import numpy as np
import pytest
import torch

from handful.core.errors import UsageError
from handful.nn import embedded
from handful.nn.embedded import NAME, SIZES, EfficientNetLite0Backbone
from handful.nn.features import embedder

SMALL = 32


@pytest.fixture
def small(monkeypatch):
    """A size at which everything takes a fiftieth of the time."""
    monkeypatch.setattr(embedded, "SIZES", (SMALL, 224))
    return SMALL


@pytest.fixture(scope="module")
def altered():
    """Weights that are not the published ones: every bias a little larger."""
    published = EfficientNetLite0Backbone().module().state_dict()
    return {name: (value + 0.1 if name.endswith("norm.bias") else value).numpy() for name, value in published.items()}


def test_a_size_has_a_name_and_a_fingerprint_of_its_own():
    backbones = [EfficientNetLite0Backbone(size) for size in SIZES]
    assert [each.name for each in backbones] == [f"{NAME}@128", f"{NAME}@160", f"{NAME}@192", NAME]
    assert len({each.fingerprint for each in backbones}) == 4
    assert [each.spec.size for each in backbones] == list(SIZES)


def test_smaller_ones_come_largest_first_and_the_smallest_has_none():
    assert [each.spec.size for each in EfficientNetLite0Backbone(192).smaller] == [160, 128]
    assert EfficientNetLite0Backbone(128).smaller == ()


@pytest.mark.parametrize("size", [0, 100, 225])
def test_another_size_is_refused(size):
    with pytest.raises(UsageError, match=rf"takes no pictures of {size} pixels; backbone; use one of 128, 160, 192"):
        EfficientNetLite0Backbone(size)


def test_sizes_are_halved_without_a_rest():
    """SAME padding is then the same at every size."""
    assert all(size % 32 == 0 for size in SIZES)


def test_weights_make_a_backbone_of_their_own(altered, small):
    published, own = EfficientNetLite0Backbone(small), EfficientNetLite0Backbone(small, altered)
    again = EfficientNetLite0Backbone(small, {name: value.copy() for name, value in reversed(altered.items())})
    assert own.name == again.name != published.name
    assert own.fingerprint == again.fingerprint != published.fingerprint
    assert own.graph_bytes == again.graph_bytes


def test_graph_and_module_have_the_weights_that_were_given(altered, small):
    own = EfficientNetLite0Backbone(small, altered)
    pixels = np.random.default_rng(0).integers(0, 256, (2, small, small, 3), dtype=np.uint8)
    found = embedder(own, "cpu")(pixels)
    with torch.no_grad():
        expected = own.module()((torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.abs(found - embedder(EfficientNetLite0Backbone(small), "cpu")(pixels)).max() > 0.1


def test_given_weights_that_are_the_published_ones_make_the_published_graph(small):
    published = EfficientNetLite0Backbone(small)
    weights = {name: value.numpy() for name, value in published.module().state_dict().items()}
    pixels = np.random.default_rng(0).integers(0, 256, (2, small, small, 3), dtype=np.uint8)
    found, expected = (embedder(each, "cpu")(pixels) for each in (EfficientNetLite0Backbone(small, weights), published))
    np.testing.assert_array_equal(found, expected)


def test_the_graph_of_given_weights_is_not_kept(altered, small, session_cache):
    before = {path for path in session_cache.rglob("*") if path.is_file()}
    never_seen = {name: value + 1 for name, value in altered.items()}
    assert EfficientNetLite0Backbone(small, never_seen).graph_bytes
    assert {path for path in session_cache.rglob("*") if path.is_file()} == before
