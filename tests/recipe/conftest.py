import numpy as np
import pytest

from handful.augment.views import ORIGINAL
from handful.recipe.folds import Folds
from handful.transfer.technique import Examples, Problem


@pytest.fixture(scope="session")
def problem_with():
    """`problem_with(features, targets, backbone, views, ...)`: a problem whose features are given, not computed.

    Features have shape (n, n_views, dim); an example's pixels are nothing but its row number.
    """

    def make(features, targets, backbone, views=(ORIGINAL,), units=None, seed=0, more=()):
        size, found = backbone.spec.size, features.astype(np.float16)
        numbers = np.arange(len(targets), dtype=np.uint8)
        raw = np.broadcast_to(numbers[:, None, None, None], (len(targets), size, size, 3))

        def embed(_, seen, asked):
            return found[seen[:, 0, 0, 0]][:, [views.index(view) for view in asked]]

        backbones = {each.name: each for each in (backbone, *more)}
        units = np.arange(len(targets)) if units is None else units
        return Problem(Examples(raw, embed), targets, int(targets.max()) + 1, units, backbones, seed, jobs=1)

    return make


@pytest.fixture(scope="session")
def folds_from():
    """Folds of which the few are the first repeat of the many."""
    return lambda many: Folds(many, many[:1])
