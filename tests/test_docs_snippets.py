"""The Python in the guides runs as it is printed, from the top of the page to its end."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from handful.augment.policy import Policy
from handful.nn.onnx_runtime import open_session
from handful.tasks.pixel_examples import pixel_examples
from handful.transfer.probe import Probe, prepare
from handful.transfer.technique import Problem

DOCS = Path(__file__).parents[1] / "docs"
# How many blocks of Python the pages have at least.
PAGES = {"augmentation.md": 6, "backbones.md": 3, "techniques.md": 1, "unsupervised.md": 8}


@pytest.mark.parametrize(("name", "n_least"), PAGES.items())
def test_the_snippets_of_a_page_run_one_after_the_other(name, n_least, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = blocks_of(name, n_least)
    assert names


def blocks_of(name, n_least):
    """Run a page; returns the names that it defines."""
    page = DOCS / name
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= n_least
    names = {"__name__": "page"}  # a dataclass looks its module up
    sys.modules["page"] = types.ModuleType("page")
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)  # noqa: S102 - ours
    return names


def test_the_technique_of_the_guide_is_the_nearest_centroid(tiny_backbone):
    """Against scikit-learn's, out of fold and fitted; and its graph would ship."""
    rng = np.random.default_rng(0)
    pixels, targets = rng.integers(0, 256, (12, 32, 32, 3)).astype(np.uint8), np.arange(12) % 3
    backbones = {tiny_backbone.name: tiny_backbone}
    problem = Problem(pixel_examples(pixels), targets, 3, np.arange(12), backbones)
    technique = blocks_of("techniques.md", 1)["NearestMean"](Probe(("grid",), power=1.0))
    folds = (np.arange(12) // 3)[None]
    _, scores = technique.out_of_fold(problem, tiny_backbone, Policy(), folds)
    rows = prepare(problem.examples.features(tiny_backbone)[:, 0], tiny_backbone.columns(("grid",)), 1.0)
    for number in range(4):
        out = folds[0] == number
        expected = NearestCentroid().fit(rows[~out], targets[~out]).predict(rows[out])
        np.testing.assert_array_equal(scores[0, out].argmax(axis=1), expected)
    fitted = technique.fit(problem, tiny_backbone, Policy())
    shipped = open_session(fitted.graph(tiny_backbone)).run(["scores"], {"pixels": pixels})[0]
    np.testing.assert_allclose(shipped, fitted.scores(problem.examples), atol=1e-3)
