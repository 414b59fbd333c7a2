"""Colorings: what makes them valid, and their sizes where the least possible is known."""

import itertools

import numpy as np
import pytest

from tinygrad_lite.autodiff.coloring import color_columns, color_symmetric


def random_pattern(seed, symmetric=False):
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 12, 2)
    n = m if symmetric else n
    pattern = rng.random((m, n)) < rng.choice([0.1, 0.3, 0.6])
    return pattern | pattern.T if symmetric else pattern


def columns_of(pattern):
    return color_columns(*np.nonzero(pattern), pattern.shape)


def symmetric(pattern):
    return color_symmetric(*np.nonzero(pattern), len(pattern))


@pytest.mark.parametrize("seed", range(40))
def test_columns_of_one_color_share_no_row(seed):
    pattern = random_pattern(seed)
    colors = columns_of(pattern)
    for color in range(colors.max() + 1):
        assert pattern[:, colors == color].any() or color == 0, "a color is not used"
        assert pattern[:, colors == color].sum(axis=1).max() <= 1


@pytest.mark.parametrize("seed", range(40))
def test_star_colorings_differ_along_edges_and_have_three_colors_on_paths_of_four(seed):
    pattern = random_pattern(seed, symmetric=True) & ~np.eye(1, dtype=bool)
    np.fill_diagonal(pattern, False)
    colors = symmetric(pattern)
    n = len(pattern)
    for i, j in itertools.combinations(range(n), 2):
        assert not pattern[i, j] or colors[i] != colors[j]
    for path in itertools.permutations(range(n), 4) if n <= 8 else ():
        if all(pattern[a, b] for a, b in itertools.pairwise(path)):
            assert len(set(colors[list(path)])) >= 3


def band(n, width):
    return abs(np.subtract.outer(np.arange(n), np.arange(n))) <= width


def arrow(n):
    pattern = np.eye(n, dtype=bool)
    pattern[-1] = pattern[:, -1] = True
    return pattern


def test_bands_take_as_many_colors_as_they_are_wide():
    for width in (0, 1, 2, 5):
        assert columns_of(band(40, width)).max() + 1 == 2 * width + 1
    assert symmetric(band(40, 1)).max() + 1 == 3


def test_an_arrow_takes_two_colors_by_symmetry_and_all_by_columns():
    assert symmetric(arrow(30)).max() + 1 == 2
    assert columns_of(arrow(30)).max() + 1 == 30


def test_nothing_to_color():
    none = np.zeros(0, dtype=int)
    assert color_columns(none, none, (0, 0)).shape == (0,) and color_symmetric(none, none, 0).shape == (0,)
    np.testing.assert_array_equal(color_columns(none, none, (3, 2)), [0, 0])
