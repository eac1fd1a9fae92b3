from dataclasses import replace

import numpy as np
import pytest

from handful.core.errors import UsageError
from handful.nn.features import frozen_features
from handful.recipe.recipe import Recipe
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples, Problem


def test_the_description_names_every_setting_that_differs_from_the_plainest():
    plain = Recipe("net", Probe(("a",), 1.0))
    assert plain.describe() == "exact ridge on the last layer of net; one view of each example"
    words = {
        "2 pooled layers": replace(plain.adapt, layers=("a", "b")),
        "to the power 0.5": replace(plain.adapt, power=0.5),
        "3 views": replace(plain.adapt, views=(0, 1, 2)),
        "mirrored": replace(plain.adapt, test_views=(0, 1)),
        "logistic regression": replace(plain.adapt, head="logistic"),
        "weighted equally": replace(plain.adapt, class_weights="balanced"),
    }
    for word, probe in words.items():
        assert word in Recipe("net", probe).describe()
        assert word not in plain.describe()


def test_a_backbone_that_the_problem_lacks_is_named():
    problem = Problem(Examples([], frozen_features), np.zeros(0, np.int64), 2, np.zeros(0, np.int64), {})
    with pytest.raises(UsageError, match="the problem has no backbone 'mine'"):
        Recipe("mine", Probe(("grid",))).fit(problem)
