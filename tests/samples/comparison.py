"""Samples of the operations in `ops/comparison.py`: with equal values, NaN, infinities, booleans."""

import numpy as np

from tests.samples import arrays, broadcastable_shapes, generators, sample, shapes, st

SPECIAL = np.array([0.0, -1.5, np.nan, np.inf, -np.inf])


def _two(choices):
    def draw_two(draw):
        rng = draw(generators())
        return tuple(rng.choice(choices, size=shape) for shape in draw(broadcastable_shapes(2, min_side=0))), {}

    return draw_two


for _name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
    sample(_name, order=0)(_two(np.append(SPECIAL, 2.0)))

for _name in ("logical_and", "logical_or", "logical_xor"):
    sample(_name, order=0)(_two(np.array([True, False])))


@sample("logical_not", order=0)
def _(draw):
    return (draw(generators()).choice([True, False], size=draw(shapes(min_side=0))),), {}


def _special(draw):
    return (draw(generators()).choice(SPECIAL, size=draw(shapes(min_side=0))),), {}


for _name in ("isnan", "isinf", "isfinite"):
    sample(_name, order=0)(_special)


@sample("where")
def _(draw):
    condition, x, y = draw(broadcastable_shapes(3, min_side=0))
    condition = draw(generators()).choice([True, False], size=condition)
    return (condition, draw(arrays(x)), draw(st.one_of(arrays(y), st.just(0.5)))), {}
