import pytest

from handful.nn.graph_cache import cached_graph


class Maker:
    """Makes a graph and counts how often it was asked to."""

    def __init__(self):
        self.n_made = 0

    def __call__(self):
        self.n_made += 1
        return b"graph" * 100


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDFUL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "backbones"


def test_a_graph_is_made_once(folder):
    make = Maker()
    assert cached_graph("net-v1", make) == cached_graph("net-v1", make) == make()
    assert make.n_made == 2
    assert sorted(path.name for path in folder.iterdir()) == ["net-v1.onnx", "net-v1.sha256"]


def test_another_fingerprint_is_another_graph(folder):
    cached_graph("net-v1", Maker())
    make = Maker()
    cached_graph("net-v2", make)
    assert make.n_made == 1


@pytest.mark.parametrize("damage", ["flipped", "cut", "foreign seal", "no seal", "no graph"])
def test_a_damaged_graph_is_made_again(folder, damage):
    whole = cached_graph("net-v1", Maker())
    graph, seal = folder / "net-v1.onnx", folder / "net-v1.sha256"
    if damage == "flipped":
        graph.write_bytes(b"X" + whole[1:])
    elif damage == "cut":
        graph.write_bytes(whole[:-1])
    elif damage == "foreign seal":
        seal.write_bytes(b"\xff" * 64)
    else:
        (seal if damage == "no seal" else graph).unlink()
    make = Maker()
    assert cached_graph("net-v1", make) == whole
    assert make.n_made == 1
    assert graph.read_bytes() == whole  # and put right
    cached_graph("net-v1", make)
    assert make.n_made == 1


def test_without_a_place_to_keep_it_the_graph_is_made_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HANDFUL_CACHE", str(tmp_path / "file"))
    make = Maker()
    assert cached_graph("net-v1", make) == b"graph" * 100
    assert make.n_made == 1
