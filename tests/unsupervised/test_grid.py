import numpy as np
import pytest

from handful.core.errors import UsageError
from handful.unsupervised.grid import Grid


@pytest.mark.parametrize("shape", ["rectangular", "hexagonal"])
def test_distances_are_those_of_the_places(shape):
    grid = Grid(4, 5, shape)
    apart = np.linalg.norm(grid.places[:, None] - grid.places, axis=2)
    np.testing.assert_allclose(np.sqrt(grid.squared_distances), apart)


@pytest.mark.parametrize(("shape", "most"), [("rectangular", 8), ("hexagonal", 6)])
def test_a_cell_inside_touches_all_around_it(shape, most):
    assert Grid(5, 5, shape).touching.sum(axis=1)[12] == most


@pytest.mark.parametrize("shape", ["rectangular", "hexagonal"])
def test_on_a_torus_every_cell_is_like_every_other(shape):
    torus = Grid(6, 5, shape, torus=True)
    rows = np.sort(torus.squared_distances.round(9), axis=1)
    assert (rows == rows[0]).all()
    assert torus.touching[0, 4]
    assert not Grid(6, 5, shape).touching[0, 4]


def test_a_torus_of_hexagons_needs_an_even_number_of_rows():
    with pytest.raises(UsageError, match=r"5 rows of hexagons do not close to a torus.*write 6"):
        Grid(5, 6, "hexagonal", torus=True)


@pytest.mark.parametrize("sides", [(0, 3), (3, -1), (2.5, 3)])
def test_sides_are_counts(sides):
    with pytest.raises(UsageError, match="expected a whole number from 1 on"):
        Grid(*sides)


def test_an_unknown_shape_is_refused():
    with pytest.raises(UsageError, match="unknown grid 'round'"):
        Grid(3, 3, "round")
