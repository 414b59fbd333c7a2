"""Samples of the operations in `ops/bits.py`: integers, and booleans for all but shifts."""

from __future__ import annotations

from tests.samples import broadcastable_shapes, generators, integer_arrays, sample, shapes, st

for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):

    @sample(name, order=0)
    def _(draw):
        first, second = draw(broadcastable_shapes(2, min_side=0))
        if draw(st.booleans()):
            rng = draw(generators())
            return tuple(rng.choice([True, False], size=shape) for shape in (first, second)), {}
        return (draw(integer_arrays(first, -9, 10)), draw(integer_arrays(second, -9, 10))), {}


@sample("bitwise_invert", order=0)
def _(draw):
    shape = draw(shapes(min_side=0))
    if draw(st.booleans()):
        return (draw(generators()).choice([True, False], size=shape),), {}
    return (draw(integer_arrays(shape, -9, 10)),), {}


for name in ("bitwise_left_shift", "bitwise_right_shift"):

    @sample(name, order=0)
    def _(draw):
        first, second = draw(broadcastable_shapes(2, min_side=0))
        return (draw(integer_arrays(first, -9, 10)), draw(integer_arrays(second, 0, 5))), {}
